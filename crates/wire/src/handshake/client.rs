//! The client's side of the handshake (RFC 6455, 4.1).
//!
//! ```
//! use http::HeaderMap;
//! use silverback_wire::handshake::{client::Offer, encode_request, parse_response};
//! # use silverback_wire::handshake::{encode_response, server::Policy};
//!
//! let offer = Offer::new(&"ws://example.com/chat".parse()?, HeaderMap::new())?;
//! let request = encode_request(offer.request()); // to be written to the stream
//! assert!(request.starts_with(b"GET /chat HTTP/1.1\r\n"));
//!
//! # let arrived = encode_response(&Policy::default().judge(offer.request())?.response);
//! let (response, end) = parse_response(&arrived, 16 * 1024)?.expect("it is complete");
//! offer.judge(&response)?; // what arrived behind `end` is frames
//! # assert_eq!(end, arrived.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};

use super::fields::{self, Single, has_token, printable, single};
use super::{extensions, key};
use crate::deflate::{self, Agreement};

/// A request for a WebSocket connection, and what its answer must be.
///
/// ```
/// use http::{HeaderMap, header::AUTHORIZATION};
/// use silverback_wire::handshake::client::Offer;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(AUTHORIZATION, "Bearer TOKEN".parse()?);
/// let offer = Offer::new(&"ws://example.com:8080/chat".parse()?, headers)?;
/// assert_eq!(offer.request().headers()["host"], "example.com:8080");
/// assert_eq!(offer.request().headers()["sec-websocket-version"], "13");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Offer {
    request: Request<()>,
    key: String,
    deflate: Option<deflate::Offer>,
}

/// What a server that accepted has agreed to.
///
/// ```
/// # use http::HeaderMap;
/// # use silverback_wire::handshake::{client::Offer, server::Policy};
/// # let mut policy = Policy::default();
/// # policy.subprotocols = vec!["chat.v1".to_owned()];
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-websocket-protocol", "chat.v2, chat.v1".parse()?);
/// let offer = Offer::new(&"ws://example.com/".parse()?, headers)?;
/// # let response = policy.judge(offer.request())?.response;
/// let answer = offer.judge(&response)?; // of a server that speaks only the older one
/// assert_eq!(answer.subprotocol.as_deref(), Some("chat.v1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The subprotocol that it chose.
    pub subprotocol: Option<String>,
    /// The compression that it accepted: for [`Connection::with_deflate`](crate::Connection::with_deflate).
    pub deflate: Option<Agreement>,
}

/// Without the headers, which may hold secrets.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer").field("host", &self.request.uri().host()).finish_non_exhaustive()
    }
}

/// Why the answer to a handshake is not a WebSocket connection.
///
/// ```
/// # use http::{HeaderMap, Response};
/// use silverback_wire::handshake::client::{AnswerError, Offer};
///
/// let offer = Offer::new(&"ws://example.com/".parse()?, HeaderMap::new())?;
/// let response = Response::builder().status(403).body(())?;
/// match offer.judge(&response) {
///     Err(AnswerError::Status(status)) => assert_eq!(status, 403),
///     other => unreachable!("{other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The server refused: the status is not 101. Its body may say why.
    #[error("the server answered {0} instead of 101 Switching Protocols")]
    Status(StatusCode),
    /// The server answered 101 and broke RFC 6455, 4.1 with this header.
    #[error("the server answered 101 with a wrong `{header}` ({value}): it does not speak WebSocket, or something in between does not")]
    Header {
        /// The header's name.
        header: &'static str,
        /// What it was, made printable.
        value: String,
    },
}

/// A request cannot be made for this address.
///
/// ```
/// # use http::HeaderMap;
/// use silverback_wire::handshake::client::{NoHost, Offer};
///
/// assert_eq!(Offer::new(&"/chat".parse()?, HeaderMap::new()).err(), Some(NoHost));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a WebSocket address has a host, as in ws://example.com/path")]
pub struct NoHost;

impl Offer {
    /// A request to `uri`, of which the host and port become the `Host` header. `headers` are sent along, subprotocols as
    /// `Sec-WebSocket-Protocol` among them. Extensions are not: they are [`with_deflate`](Self::with_deflate)'s.
    ///
    /// # Errors
    /// [`NoHost`] for an address without a host.
    pub fn new(uri: &Uri, headers: HeaderMap) -> Result<Self, NoHost> {
        let authority = uri.authority().ok_or(NoHost)?;
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let key = key::generate();
        let mut request = Request::new(());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        headers.insert(HOST, HeaderValue::try_from(host).map_err(|_| NoHost)?);
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::try_from(key.as_str()).map_err(|_| NoHost)?);
        Ok(Self { request, key, deflate: None })
    }

    /// Offers compression as well (RFC 7692).
    ///
    /// ```
    /// # use http::HeaderMap;
    /// use silverback_wire::{deflate::Options, handshake::client::Offer};
    ///
    /// let offer = Offer::new(&"ws://example.com/".parse()?, HeaderMap::new())?.with_deflate(Some(&Options::default()));
    /// let offered = offer.request().headers()["sec-websocket-extensions"].to_str()?;
    /// assert!(offered.starts_with("permessage-deflate"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_deflate(mut self, options: Option<&deflate::Options>) -> Self {
        self.deflate = options.map(deflate::Offer::new);
        match self.deflate.as_ref().and_then(deflate::Offer::header) {
            Some(header) => self.request.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, header),
            None => self.request.headers_mut().remove(SEC_WEBSOCKET_EXTENSIONS),
        };
        self
    }

    /// The request to send.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Judges the answer.
    ///
    /// # Errors
    /// [`AnswerError`] for every answer that RFC 6455, 4.1 tells a client to fail on.
    ///
    /// ```
    /// use http::{HeaderMap, Response};
    /// use silverback_wire::handshake::client::{AnswerError, Offer};
    ///
    /// let offer = Offer::new(&"ws://example.com/".parse()?, HeaderMap::new())?;
    /// let response = Response::builder()
    ///     .status(101)
    ///     .header("upgrade", "websocket")
    ///     .header("connection", "Upgrade")
    ///     .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") // of another key
    ///     .body(())?;
    /// assert!(matches!(offer.judge(&response), Err(AnswerError::Header { header: "sec-websocket-accept", .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn judge(&self, response: &Response<()>) -> Result<Answer, AnswerError> {
        let headers = response.headers();
        let wrong = |header: &'static str| {
            let value = match headers.get(header) {
                None => "absent".to_owned(),
                // It may repeat a token that was offered as a subprotocol.
                Some(_) if header == "sec-websocket-protocol" => "not shown".to_owned(),
                Some(line) => printable(line.as_bytes()),
            };
            Err(AnswerError::Header { header, value })
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(AnswerError::Status(response.status()));
        }
        if !has_token(headers, UPGRADE, "websocket") {
            return wrong("upgrade");
        }
        if !has_token(headers, CONNECTION, "upgrade") {
            return wrong("connection");
        }
        match single(headers, SEC_WEBSOCKET_ACCEPT) {
            Single::Once(accept) if *accept == key::accept(self.key.as_bytes()) => {}
            _ => return wrong("sec-websocket-accept"),
        }
        let Some(deflate) = self.judge_extensions(headers) else { return wrong("sec-websocket-extensions") };
        let subprotocol = match single(headers, SEC_WEBSOCKET_PROTOCOL) {
            Single::Absent => None,
            Single::Once(chosen) if self.offers(chosen) => chosen.to_str().ok().map(str::to_owned),
            _ => return wrong("sec-websocket-protocol"),
        };
        Ok(Answer { subprotocol, deflate })
    }

    /// `None` for extensions that were not offered, or not so (RFC 6455, 4.1, and RFC 7692, 5.1).
    fn judge_extensions(&self, headers: &HeaderMap) -> Option<Option<Agreement>> {
        match (&extensions::extensions(headers).ok()?[..], &self.deflate) {
            ([], _) => Some(None),
            ([accepted], Some(offer)) => offer.judge(accepted).ok().map(Some),
            _ => None,
        }
    }

    fn offers(&self, chosen: &HeaderValue) -> bool {
        fields::items(self.request.headers(), SEC_WEBSOCKET_PROTOCOL).any(|offer| offer.as_bytes() == chosen.as_bytes())
    }
}
