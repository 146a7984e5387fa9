//! Why no connection came to be.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use silverback_wire::handshake::HeadError;
use silverback_wire::handshake::client::AnswerError;

use super::{AddressError, ConnectFailures, NotAProxy, ProxyError, RedirectError, Stage};

/// Why a [`Dialer`](crate::Dialer) gave no connection. [`stage`](Self::stage) tells how far it came. Neither the message nor `Debug` has the address's
/// userinfo, path or query, or the headers that were sent; but what the server answered is there, and may repeat some of it.
///
/// ```no_run
/// # async fn example(dialer: silverback::Dialer) {
/// use silverback::DialError;
///
/// match dialer.connect("wss://example.com/chat").await {
///     Ok(socket) => println!("connection {}", socket.id()),
///     Err(DialError::Refused { response }) if response.status() == 401 => println!("it is time for another token"),
///     Err(DialError::Timeout { .. } | DialError::Connect { .. }) => println!("it may be there in a minute"),
///     Err(error) => println!("{:?}: {error}", error.stage()),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address cannot be dialled.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A variable of the environment names a proxy in a way that cannot be read.
    #[error("the variable {variable} is in use here: {source}")]
    ProxyVariable {
        /// The variable.
        variable: &'static str,
        /// What it must be.
        source: NotAProxy,
    },
    /// A stage took too long.
    #[error("{stage} was not done within {after:?}{}", timeout_cure(*stage))]
    Timeout {
        /// What was going on.
        stage: Stage,
        /// The time that it had: its own, or the total.
        after: Duration,
    },
    /// The name has no address.
    #[error("the name {host} could not be resolved ({source}): is it spelled right, and does this machine have a name server?")]
    Resolve {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("{host} could not be connected to: {source}")]
    Connect {
        /// The host and port: the server's, or the proxy's.
        host: String,
        /// What each address answered.
        source: ConnectFailures,
    },
    /// The proxy did not connect on.
    #[error("the proxy {proxy} did not connect to {host}: {source}")]
    Proxy {
        /// The proxy, without its user and password.
        proxy: String,
        /// The host and port that it was asked for.
        host: String,
        /// Why.
        source: Box<ProxyError>,
    },
    /// There is no TLS with the server.
    #[cfg(feature = "tls")]
    #[error("no TLS with {host}: {source}")]
    Tls {
        /// The host and port.
        host: String,
        /// Why.
        source: Box<super::TlsError>,
    },
    /// A redirect was not followed.
    #[error(transparent)]
    Redirect(#[from] RedirectError),
    /// The server refused: its answer, with the beginning of its body (at most 4 KiB).
    #[error("{}", refused(response))]
    Refused {
        /// The answer.
        response: Box<Response<Bytes>>,
    },
    /// The server said that it switched protocols, and broke RFC 6455, 4.1 in saying so.
    #[error(transparent)]
    Answer(AnswerError),
    /// The answer is not HTTP.
    #[error("the answer could not be read as HTTP ({0}): is this the port of a web server?")]
    Head(#[from] HeadError),
    /// The port speaks TLS and was spoken to in the clear.
    #[error("this port speaks TLS: use wss:// instead of ws://")]
    SpeaksTls,
    /// The server ended the connection without an answer.
    #[error("the server ended the connection without an answer: is this the port of a web server, and does it speak TLS (wss://)?")]
    Ended,
    /// The stream failed during the handshake.
    #[error("the connection failed during the WebSocket handshake: {0}")]
    Io(#[from] io::Error),
}

impl DialError {
    /// The stage that failed; `None` for what was wrong before the first one.
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Self::Address(_) | Self::ProxyVariable { .. } => None,
            Self::Timeout { stage, .. } => Some(*stage),
            Self::Resolve { .. } => Some(Stage::Resolve),
            Self::Connect { .. } => Some(Stage::Connect),
            Self::Proxy { .. } => Some(Stage::Proxy),
            #[cfg(feature = "tls")]
            Self::Tls { .. } => Some(Stage::Tls),
            Self::Redirect(_) | Self::Refused { .. } | Self::Answer(_) | Self::Head(_) | Self::SpeaksTls | Self::Ended | Self::Io(_) => {
                Some(Stage::Handshake)
            }
        }
    }
}

impl From<AnswerError> for DialError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}

fn timeout_cure(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => ": does this machine's name server answer?",
        Stage::Connect => ": is the host up, and does no firewall drop what comes to this port?",
        Stage::Proxy => ": does the proxy reach this host?",
        Stage::Tls => ": does this port speak TLS?",
        Stage::Handshake => ": does something in between hold the upgrade back?",
    }
}

/// The status, the first line of a body that is text, and what to do about it.
fn refused(response: &Response<Bytes>) -> String {
    let status = response.status();
    let mut text = format!("the server refused with {status}");
    let line: String = String::from_utf8_lossy(response.body()).lines().next().unwrap_or_default().chars().take(200).collect();
    if !line.is_empty() && !line.starts_with('<') && !line.contains(char::is_control) {
        let _ = write!(text, " and says: {line}");
    }
    if let Some(cure) = refusal_cure(status) {
        let _ = write!(text, ". {cure}");
    }
    text
}

fn refusal_cure(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        StatusCode::UNAUTHORIZED => "Send good credentials, such as an `Authorization` header",
        StatusCode::FORBIDDEN => "Are the credentials enough, and is the `Origin` header one that the server allows?",
        StatusCode::NOT_FOUND => "Is the path right?",
        StatusCode::UPGRADE_REQUIRED => "Something on the way has dropped the upgrade",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            "A proxy in front of the server does not reach it, or it has too much to do: try again later"
        }
        StatusCode::TOO_MANY_REQUESTS => "Try again later",
        status if status.is_redirection() => "It is a redirect that was not followed: allow some with `redirects`",
        status if status.is_success() => "This address is not one of a WebSocket, or something on the way has dropped the upgrade",
        _ => return None,
    })
}
