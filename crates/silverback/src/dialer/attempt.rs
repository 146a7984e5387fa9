//! The way from an address to a connection, once.

use bytes::BytesMut;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response};
use silverback_wire::handshake::client::{AnswerError, Offer};
use silverback_wire::{Connection, Role};
use tokio::net::TcpStream;
use url::Host;

use super::address::Address;
use super::builder::Settings;
use super::proxy::{Hop, Kind};
use super::stages::Clock;
use super::{AddressError, DialError, ProxyError, RedirectError, Stage, exchange, eyeballs, redirect, resolve, tunnel};
use crate::WebSocket;
use crate::driver::now;
use crate::transport::{Stream, Transport};

/// What is asked of whom.
pub(super) struct Ask {
    pub(super) address: Address,
    headers: HeaderMap,
}

impl Ask {
    pub(super) fn new(address: &str, settings: &Settings) -> Result<Self, AddressError> {
        let (address, authorization) = Address::parse(address)?;
        let mut headers = settings.headers.clone();
        if let Some(authorization) = authorization {
            headers.entry(AUTHORIZATION).or_insert(authorization);
        }
        Ok(Self { address, headers })
    }

    /// Asks where a redirect leads to instead, without credentials if that is another origin.
    pub(super) fn follow(&mut self, location: &[u8]) -> Result<(), RedirectError> {
        let address = redirect::follow(&self.address, location)?;
        if !address.is_same_origin(&self.address) {
            redirect::drop_credentials(&mut self.headers);
        }
        tracing::debug!(%address, "redirected");
        self.address = address;
        Ok(())
    }
}

/// What came of asking, other than an error.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(super) enum Answer {
    Open(WebSocket, Response<()>),
    /// A redirect to this location.
    Elsewhere(Vec<u8>),
}

/// A stream to the address, through the proxy and with TLS where there is to be one.
pub(super) async fn reach(address: &Address, settings: &Settings, clock: &Clock) -> Result<Transport, DialError> {
    let stream = match settings.proxy.for_address(address)? {
        None => Transport::Tcp(tcp(address.host(), address.port(), settings, clock).await?),
        Some(hop) => through(&hop, address, settings, clock).await?,
    };
    #[cfg(feature = "tls")]
    if address.is_secure() {
        let tls = async {
            let connected = settings.trust.connect(address.host(), stream).await;
            connected.map_err(|error| DialError::Tls { host: address.host_and_port(), source: Box::new(error) })
        };
        return clock.stage(Stage::Tls, tls).await;
    }
    Ok(stream)
}

async fn through(hop: &Hop, address: &Address, settings: &Settings, clock: &Clock) -> Result<Transport, DialError> {
    let target = match hop.kind() {
        Kind::Http | Kind::Https | Kind::Socks5h => address.host_and_port(),
        Kind::Socks5 => match resolve(address.host(), address.port(), settings, clock).await?.first() {
            Some(address) => address.to_string(),
            None => address.host_and_port(),
        },
    };
    let proxy = hop.host();
    let proxy = match &proxy {
        Host::Domain(name) => Host::Domain(name.as_str()),
        Host::Ipv4(ip) => Host::Ipv4(*ip),
        Host::Ipv6(ip) => Host::Ipv6(*ip),
    };
    let stream = Transport::Tcp(tcp(proxy.clone(), hop.port(), settings, clock).await?);
    let asking = async {
        match hop.kind() {
            Kind::Http => tunnel::connect(stream, &target, hop.authorization()).await,
            #[cfg(feature = "tls")]
            Kind::Https => tunnel::connect(settings.trust.connect(proxy, stream).await?, &target, hop.authorization()).await,
            #[cfg(not(feature = "tls"))]
            Kind::Https => Err(ProxyError::Io(std::io::ErrorKind::Unsupported.into())),
            Kind::Socks5 | Kind::Socks5h => tunnel::socks(stream, &target, hop.credentials()).await,
        }
    };
    let failed = |error: ProxyError| DialError::Proxy { proxy: hop.to_string(), host: target.clone(), source: Box::new(error) };
    clock.stage(Stage::Proxy, async { asking.await.map_err(failed) }).await
}

async fn tcp(host: Host<&str>, port: u16, settings: &Settings, clock: &Clock) -> Result<TcpStream, DialError> {
    let addresses = resolve(host.clone(), port, settings, clock).await?;
    let connecting = async {
        let connected = eyeballs::connect(addresses).await;
        connected.map_err(|failures| DialError::Connect { host: format!("{host}:{port}"), source: failures })
    };
    let stream = clock.stage(Stage::Connect, connecting).await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set"); // it would only be slower
    }
    Ok(stream)
}

async fn resolve(host: Host<&str>, port: u16, settings: &Settings, clock: &Clock) -> Result<Vec<std::net::SocketAddr>, DialError> {
    let resolving = async {
        let resolved = resolve::resolve(host.clone(), port, &settings.known).await;
        resolved.map_err(|source| DialError::Resolve { host: host.to_string(), source })
    };
    clock.stage(Stage::Resolve, resolving).await
}

/// The handshake on a stream (RFC 6455, 4.1).
pub(super) async fn shake_hands<S: Stream>(
    mut stream: S,
    ask: &Ask,
    settings: &Settings,
    clock: &Clock,
    follows: bool,
) -> Result<Answer, DialError> {
    let offer = Offer::new(&ask.address.uri()?, ask.headers.clone()).map_err(|_| AddressError::NotAnAddress("it has no host"))?;
    let offer = offer.with_deflate(settings.deflate.as_ref());
    let (response, behind_head) = clock.stage(Stage::Handshake, exchange::exchange(&mut stream, offer.request())).await?;
    let agreed = match offer.judge(&response) {
        Ok(agreed) => agreed,
        Err(AnswerError::Status(_)) => {
            if let Some(location) = redirect::location(&response).filter(|_| follows) {
                return Ok(Answer::Elsewhere(location.to_owned()));
            }
            let body = exchange::body(&mut stream, &response, behind_head, clock.left()).await;
            return Err(DialError::Refused { response: Box::new(response.map(|()| body)) });
        }
        Err(error) => return Err(error.into()),
    };
    let connection = Connection::new(Role::Client, settings.config.clone(), now()).with_deflate(agreed.deflate);
    let socket =
        WebSocket::new(stream, connection, BytesMut::new(), behind_head, settings.queue, None).with_subprotocol(agreed.subprotocol);
    Ok(Answer::Open(socket, response))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn small_messages_are_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Settings::default();
        let (host, port) = (Host::Ipv4(Ipv4Addr::LOCALHOST), listener.local_addr().unwrap().port());
        let stream = tcp(host, port, &settings, &Clock::start(settings.timeouts)).await.unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
