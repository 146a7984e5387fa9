//! The way through a proxy, once it is connected: `CONNECT` (RFC 9110, 9.3.6) or SOCKS 5 (RFC 1928).
//!
//! hyper-util's `Tunnel` would ask by `CONNECT` as well, but its error says only that it was "unsuccessful"; the proxy's status is what its
//! users need.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use bytes::BytesMut;
use http::{HeaderValue, StatusCode, Uri};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::rt::TokioIo;
use silverback_wire::handshake::{HeadError, parse_response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_service::Service;

use crate::transport::Transport;

const HEAD_LIMIT: usize = 16 * 1024;

/// What hyper-util has room for in the messages of one SOCKS handshake: the credentials and the host, without the fixed parts.
const SOCKS_ROOM: usize = 262 - 3 - 3 - 7;

/// Why a proxy did not connect on.
///
/// ```
/// # fn example(error: silverback::DialError) {
/// use silverback::{DialError, dialer::ProxyError};
///
/// if let DialError::Proxy { proxy, source, .. } = error {
///     match *source {
///         ProxyError::Credentials => println!("{proxy} wants a password"),
///         ProxyError::Refused(status) => println!("{proxy} answered {status}"),
///         other => println!("{proxy}: {other}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The proxy wants a user and a password, or others than it got.
    #[error("it wants other credentials (407): put user:password@ before the host in the proxy's address, or correct them")]
    Credentials,
    /// The proxy answered `CONNECT` with another status than 2xx.
    #[error("it refused to connect on ({0}): ask whether it allows CONNECT to this host and port")]
    Refused(StatusCode),
    /// The answer is not HTTP.
    #[error("its answer could not be read ({0}): is this an HTTP proxy?")]
    Head(#[from] HeadError),
    /// It said more than its answer, before anything was asked of the host.
    #[error("something came through it before anything was asked")]
    Unasked,
    /// The user and the password are longer than can be sent.
    #[error("the user, the password and the host have together more than {SOCKS_ROOM} bytes")]
    TooLong,
    /// The SOCKS proxy refused or does not speak SOCKS 5.
    #[error("{0}")]
    Socks(String),
    /// The connection to the proxy failed.
    #[error("the connection to it failed: {0}")]
    Io(#[from] io::Error),
    /// TLS with the proxy failed.
    #[cfg(feature = "tls")]
    #[error("TLS with it failed: {0}")]
    Tls(#[from] super::TlsError),
}

/// Asks an HTTP proxy to connect on.
pub(super) async fn connect(mut transport: Transport, target: &str, authorization: Option<&HeaderValue>) -> Result<Transport, ProxyError> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    transport.write_all(&request).await?;
    transport.flush().await?;

    let mut bytes = BytesMut::new();
    let (response, end) = loop {
        if transport.read_buf(&mut bytes).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Some(answer) = parse_response(&bytes, HEAD_LIMIT)? {
            break answer;
        }
    };
    match response.status() {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::Credentials),
        status if !status.is_success() => Err(ProxyError::Refused(status)),
        _ if bytes.len() > end => Err(ProxyError::Unasked), // neither TLS nor WebSocket lets a server speak first
        _ => Ok(transport),
    }
}

/// Asks a SOCKS proxy to connect on.
pub(super) async fn socks(transport: Transport, target: &str, credentials: Option<(&str, &str)>) -> Result<Transport, ProxyError> {
    let (user, password) = credentials.unwrap_or_default();
    if user.len() + password.len() + target.len() > SOCKS_ROOM {
        return Err(ProxyError::TooLong);
    }
    let proxy = Uri::from_static("socks5://connected.invalid"); // nobody asks for it: the connection is there
    let mut socks = SocksV5::new(proxy, Connected(Some(transport)));
    if let Some((user, password)) = credentials {
        socks = socks.with_auth(user.to_owned(), password.to_owned());
    }
    let target = format!("ws://{target}/").parse().map_err(|_| ProxyError::Socks("the host is malformed".to_owned()))?;
    let connected = socks.call(target).await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        ProxyError::Socks(format!("{error}{cause}"))
    })?;
    Ok(connected.into_inner())
}

/// A connector for hyper-util that is connected already.
struct Connected(Option<Transport>);

impl Service<Uri> for Connected {
    type Response = TokioIo<Transport>;
    type Error = io::Error;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}
