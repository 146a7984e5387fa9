//! Sockets that the service manager listens on and hands over (systemd's socket activation): they outlive this process, so that whoever connects
//! while it is restarted waits.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// The name (`FileDescriptorName=`) of the sockets that are for the API.
const API: &str = "api";

/// Why a socket cannot be taken over.
#[derive(Debug, thiserror::Error)]
#[error(
    "number {number} of the sockets that were handed over (LISTEN_FDS) is neither TCP nor a Unix stream: use ListenStream= with an address or a path"
)]
pub(crate) struct InheritError {
    number: usize,
    #[source]
    cause: io::Error,
}

/// What was handed over.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    pub(crate) for_listen: Vec<Socket>,
    pub(crate) for_api: Vec<Socket>,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    /// Its address, if it can be reached from outside.
    pub(crate) fn exposed(&self) -> Option<String> {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().ok().filter(|address| !address.ip().is_loopback()).map(|address| address.to_string())
            }
            Self::Unix(_) => None,
        }
    }
}

impl Inherited {
    /// Takes what was handed over to this process, once, and before there are other threads: it takes the variables away, which are not for processes
    /// that this one starts.
    pub(crate) fn take() -> Result<Self, InheritError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed_over = ListenFd::from_env();
        let mut inherited = Self::default();
        for number in 0..handed_over.len() {
            let socket = match handed_over.take_tcp_listener(number) {
                Ok(socket) => socket.map(Socket::Tcp),
                Err(_) => handed_over.take_unix_listener(number).map_err(|cause| InheritError { number, cause })?.map(Socket::Unix),
            };
            let sockets = if names.next() == Some(API) { &mut inherited.for_api } else { &mut inherited.for_listen };
            sockets.extend(socket);
        }
        Ok(inherited)
    }
}
