//! Takes the addresses that are configured, or that the service manager hands over.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::address::Address;
use super::inherited::{Inherited, Socket};
use super::listener::{BACKLOG, Listener};
use super::tls::{Tls, TlsError};
use super::tls_settings::TlsSettings;
use super::unix::{self, UnixError};
use crate::config::Config;

/// What is served at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// Everything.
    All,
    /// Clients and their health checks; the rest has addresses of its own.
    Clients,
}

/// A listener that nobody is let in by yet.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) serves: Serves,
    /// Whether it is one of those that are for the API, which `listen` does not name.
    pub(crate) is_for_api: bool,
    /// Whether it outlives this process, so that whoever waits before it is let in by the next one.
    pub(crate) is_inherited: bool,
    pub(crate) tls: Option<Tls>,
    at: At,
    /// Whether other threads may have a listener at its address.
    is_shared: bool,
}

/// A listener to be made at the address of another, by the thread that will use it.
pub(crate) struct Beside {
    address: SocketAddr,
    pub(crate) serves: Serves,
    tls: Option<Tls>,
}

/// Where it is, as the system says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Tcp(SocketAddr),
    Unix(String),
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    #[error("cannot listen on {address}: {cause}; choose another address with {key}")]
    Tcp { address: SocketAddr, key: &'static str, cause: io::Error },
    #[error(transparent)]
    Unix(#[from] UnixError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("a socket that was handed over cannot be used")]
    Inherited(#[source] io::Error),
}

/// All of them, those for clients first. Sockets that were handed over take the place of the addresses that are configured for the same.
///
/// `is_shared`: other threads may have listeners at those that are for clients.
pub(crate) async fn bind(config: &Config, inherited: Inherited, is_shared: bool) -> Result<Vec<Bound>, BindError> {
    let for_api = config.api.listen.as_ref().map_or(&[][..], |addresses| &addresses.0);
    let serves = if for_api.is_empty() && inherited.for_api.is_empty() { Serves::All } else { Serves::Clients };
    let public = Part { key: "listen (--listen)", addresses: &config.listen.0, tls: &config.tls, serves, is_for_api: false, is_shared };
    let api = Part { key: "api.listen", addresses: for_api, tls: &config.api.tls, serves: Serves::All, is_for_api: true, is_shared: false };
    let mut bound = public.bind(inherited.for_listen).await?;
    bound.extend(api.bind(inherited.for_api).await?);
    Ok(bound)
}

/// One of them that can be reached from outside, if there is one.
pub(crate) fn exposed(config: &Config, inherited: &Inherited) -> Option<String> {
    let of = |addresses: &[Address], sockets: &[Socket]| {
        let configured = addresses.iter().filter(|address| sockets.is_empty() && !address.is_local()).map(Address::to_string);
        configured.chain(sockets.iter().filter_map(Socket::exposed)).next()
    };
    let for_api = config.api.listen.as_ref().map_or(&[][..], |addresses| &addresses.0);
    of(&config.listen.0, &inherited.for_listen).or_else(|| of(for_api, &inherited.for_api))
}

/// The addresses for one thing.
struct Part<'a> {
    key: &'static str,
    addresses: &'a [Address],
    tls: &'a TlsSettings,
    serves: Serves,
    is_for_api: bool,
    is_shared: bool,
}

impl Part<'_> {
    async fn bind(self, inherited: Vec<Socket>) -> Result<Vec<Bound>, BindError> {
        let mut bound = Vec::new();
        let tls = Tls::open(self.tls)?;
        if inherited.is_empty() {
            for address in self.addresses {
                bound.push(self.bound(listen(address, self.key, self.is_shared).await?, false, &tls)?.named(address));
            }
        } else if !self.addresses.is_empty() {
            tracing::info!(key = self.key, "the service manager's sockets are used in place of the addresses that are configured");
        }
        for socket in inherited {
            bound.push(self.bound(taken_over(socket).map_err(BindError::Inherited)?, true, &tls)?);
        }
        Ok(bound)
    }

    fn bound(&self, listener: Listener, is_inherited: bool, tls: &Option<Tls>) -> Result<Bound, BindError> {
        let (at, tls) = match &listener {
            Listener::Tcp(listener) => (At::Tcp(listener.local_addr().map_err(BindError::Inherited)?), tls.clone()),
            // Its other end is on this machine, and a proxy there ends TLS itself.
            Listener::Unix { listener, .. } => {
                let address = listener.local_addr().map_err(BindError::Inherited)?;
                (At::Unix(address.as_pathname().map_or("(unnamed)".to_owned(), |path| path.display().to_string())), None)
            }
        };
        let is_shared = self.is_shared && !is_inherited;
        Ok(Bound { listener, serves: self.serves, is_for_api: self.is_for_api, is_inherited, tls, at, is_shared })
    }
}

async fn listen(address: &Address, key: &'static str, is_shared: bool) -> Result<Listener, BindError> {
    match address {
        Address::Tcp(address) => {
            let bound = async {
                let alone = TcpListener::bind(address).await?; // an error where another process is, with which it would share the address
                if !is_shared {
                    return Ok(alone);
                }
                let address = alone.local_addr()?;
                drop(alone);
                shared(address)
            };
            bound.await.map(Listener::Tcp).map_err(|cause| BindError::Tcp { address: *address, key, cause })
        }
        Address::Unix { path, mode } => {
            let (listener, file) = unix::listen(path, *mode)?;
            Ok(Listener::Unix { listener, _file: Some(file) })
        }
    }
}

/// A listener that may have others at its address; the system spreads connections among them.
fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?; // as every listener of tokio's
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn taken_over(socket: Socket) -> io::Result<Listener> {
    match socket {
        Socket::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Listener::Tcp)
        }
        Socket::Unix(listener) => {
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener).map(|listener| Listener::Unix { listener, _file: None })
        }
    }
}

impl Beside {
    /// On the current thread.
    pub(crate) fn bind(self) -> Result<Bound, BindError> {
        let Self { address, serves, tls } = self;
        let listener = shared(address).map_err(|cause| BindError::Tcp { address, key: "listen (--listen)", cause })?;
        Ok(Bound {
            listener: Listener::Tcp(listener),
            serves,
            is_for_api: false,
            is_inherited: false,
            tls,
            at: At::Tcp(address),
            is_shared: true,
        })
    }
}

impl Bound {
    /// Another at its address, if there may be one.
    pub(crate) fn beside(&self) -> Option<Beside> {
        match self.at {
            At::Tcp(address) if self.is_shared => Some(Beside { address, serves: self.serves, tls: self.tls.clone() }),
            _ => None,
        }
    }

    /// A Unix socket is called as it is configured; the system knows it by the name that it had while it was made.
    fn named(mut self, address: &Address) -> Self {
        if let Address::Unix { path, .. } = address {
            self.at = At::Unix(path.display().to_string());
        }
        self
    }

    /// `http` or `ws`, with an `s` where TLS is spoken, and the address; `None` for a Unix socket, which no URL names.
    pub(crate) fn url(&self, scheme: &str) -> Option<String> {
        match &self.at {
            At::Tcp(address) => Some(format!("{scheme}{}://{address}", if self.tls.is_some() { "s" } else { "" })),
            At::Unix(_) => None,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.at, self.url("http")) {
            (At::Unix(path), _) => write!(f, "unix:{path}"),
            (At::Tcp(_), Some(url)) => f.write_str(&url),
            (At::Tcp(address), None) => write!(f, "{address}"),
        }
    }
}
