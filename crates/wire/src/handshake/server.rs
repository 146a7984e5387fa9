//! The server's side of the handshake (RFC 6455, 4.2).
//!
//! ```
//! use http::Request;
//! use silverback_wire::handshake::server::Policy;
//!
//! let request = Request::get("/chat").header("host", "example.com").body(())?; // it asks for no upgrade
//! let refusal = Policy::default().judge(&request).expect_err("it is no handshake");
//! assert_eq!(refusal.status(), 426);
//! println!("{refusal}");
//! let answer = refusal.response(request.headers()); // to be sent
//! # assert_eq!(answer.status(), 426);
//! # Ok::<(), http::Error>(())
//! ```

use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};

use super::fields::{self, Single, has_token, single};
use super::origin::Origin;
use super::{Origins, Refusal, causes, extensions, key};
use crate::deflate;

/// What a server takes.
///
/// ```
/// use http::Request;
/// use silverback_wire::handshake::server::Policy;
///
/// let mut policy = Policy::default();
/// policy.subprotocols = vec!["chat.v2".to_owned(), "chat.v1".to_owned()];
///
/// let request = Request::get("/chat")
///     .header("host", "example.com")
///     .header("connection", "Upgrade")
///     .header("upgrade", "websocket")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .header("sec-websocket-protocol", "chat.v1, chat.v2")
///     .body(())?;
/// let acceptance = policy.judge(&request)?;
/// assert_eq!(acceptance.response.status(), 101);
/// assert_eq!(acceptance.subprotocol.as_deref(), Some("chat.v2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    /// Which pages may connect. Default: those of the same origin.
    pub origins: Origins,
    /// The subprotocols that this server speaks, the best first. Default: none.
    pub subprotocols: Vec<String>,
    /// Compression, for clients that offer it (RFC 7692). Default: none.
    pub deflate: Option<deflate::Options>,
    /// Whether requests come in by TLS that ends here. A proxy that ends it says so with `X-Forwarded-Proto: https`.
    pub is_tls: bool,
}

/// The part of a request that a handshake is judged by.
///
/// ```
/// use http::Request;
/// use silverback_wire::handshake::server::{Head, Policy};
///
/// let (parts, _body) = Request::post("/chat").body("hello")?.into_parts();
/// let refusal = Policy::default().judge(Head::from(&parts)).expect_err("a handshake is a GET");
/// assert_eq!(refusal.cause(), "method-not-get");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub(super) method: &'a Method,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
}

impl<'a, B> From<&'a Request<B>> for Head<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self { method: request.method(), version: request.version(), headers: request.headers() }
    }
}

impl<'a> From<&'a Parts> for Head<'a> {
    fn from(request: &'a Parts) -> Self {
        Self { method: &request.method, version: request.version, headers: &request.headers }
    }
}

/// A handshake that was accepted.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use silverback_wire::handshake::{encode_response, server::Policy};
/// use silverback_wire::{Connection, Role};
/// # use silverback_wire::handshake::client::Offer;
/// # let offer = Offer::new(&"ws://example.com/".parse()?, http::HeaderMap::new())?;
/// # let request = offer.request();
///
/// let acceptance = Policy::default().judge(request)?;
/// let answer = encode_response(&acceptance.response); // to be written to the stream
/// let connection = Connection::new(Role::Server, Arc::default(), Instant::now()).with_deflate(acceptance.deflate);
/// # assert!(answer.starts_with(b"HTTP/1.1 101 ") && connection.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Acceptance {
    /// The response with status 101. Send it, and what follows on the transport is frames.
    pub response: Response<()>,
    /// The subprotocol that was chosen, if there was one that both sides speak.
    pub subprotocol: Option<String>,
    /// The compression that was agreed on, if any: for [`Connection::with_deflate`](crate::Connection::with_deflate).
    pub deflate: Option<deflate::Agreement>,
}

impl Policy {
    /// Judges a request (RFC 6455, 4.2.1). Its path and its credentials are the caller's business.
    ///
    /// # Errors
    /// A [`Refusal`] that names the first thing that is wrong, in this order: the method, the HTTP version, the host, a body that should not
    /// be there, the upgrade, the version of the protocol, the key, the origin, the subprotocols, the extensions.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use silverback_wire::handshake::{client::Offer, server::Policy};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("origin", "https://stranger.example".parse()?);
    /// let offer = Offer::new(&"ws://example.com/chat".parse()?, headers)?; // what a stranger's page makes a browser send
    /// let refusal = Policy::default().judge(offer.request()).expect_err("only pages of the same origin may connect");
    /// assert_eq!((refusal.status().as_u16(), refusal.cause()), (403, "origin-not-allowed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn judge<'a>(&self, request: impl Into<Head<'a>>) -> Result<Acceptance, Refusal> {
        let request = request.into();
        let headers = request.headers;
        if request.method != Method::GET {
            return Err(causes::method_not_get(request));
        }
        self.judge_message(request)?;
        judge_upgrade(request)?;
        let key = judge_key(request)?;
        self.judge_origin(request)?;
        let subprotocol = self.choose_subprotocol(headers)?;
        let offers = extensions::extensions(headers).map_err(|_| causes::extensions_not_valid(request))?;
        // Declining an offer is saying nothing (RFC 7692, 5.1).
        let accepted = self.deflate.as_ref().and_then(|options| deflate::accept(options, &offers));

        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let answer = response.headers_mut();
        answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        answer.insert(SEC_WEBSOCKET_ACCEPT, key::accept(key.as_bytes()));
        if let Some(chosen) = subprotocol.as_deref().and_then(|chosen| HeaderValue::try_from(chosen).ok()) {
            answer.insert(SEC_WEBSOCKET_PROTOCOL, chosen);
        }
        let deflate = accepted.map(|(agreement, header)| {
            answer.insert(SEC_WEBSOCKET_EXTENSIONS, header);
            agreement
        });
        Ok(Acceptance { response, subprotocol, deflate })
    }

    /// What any HTTP/1.1 request without a body must be.
    fn judge_message(&self, request: Head<'_>) -> Result<(), Refusal> {
        let headers = request.headers;
        if request.version < Version::HTTP_11 {
            return Err(causes::through_a_deaf_proxy(request));
        }
        match single(headers, HOST) {
            Single::Once(host) if !host.is_empty() => {}
            _ => return Err(causes::host_not_single(request)),
        }
        let is_empty = headers.get_all(CONTENT_LENGTH).iter().all(|length| length == "0");
        if headers.contains_key(TRANSFER_ENCODING) || !is_empty {
            return Err(causes::has_body());
        }
        Ok(())
    }

    fn judge_origin(&self, request: Head<'_>) -> Result<(), Refusal> {
        let headers = request.headers;
        let line = match single(headers, ORIGIN) {
            Single::Absent => return Ok(()), // not a page
            Single::Once(line) => Some(line),
            Single::Repeated => None,
        };
        if self.origins == Origins::Any {
            return Ok(());
        }
        let own = self.own_origin(headers);
        let origin = line.and_then(|line| line.to_str().ok()).and_then(|line| Origin::parse(line).ok());
        match &origin {
            Some(origin) if self.origins.allow(origin, own.as_ref()) => Ok(()),
            _ => Err(causes::origin_not_allowed(request, origin.as_ref(), own.as_ref())),
        }
    }

    /// What a page that this server serves has as its origin. `X-Forwarded-Proto` is believed here without asking who sent it: the origin
    /// check guards against pages of strangers, and no page can set this header on a handshake.
    fn own_origin(&self, headers: &HeaderMap) -> Option<Origin> {
        const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
        let is_https = self.is_tls || fields::items(headers, FORWARDED_PROTO).next().is_some_and(is_secure);
        let host = headers.get(HOST)?.to_str().ok()?;
        Origin::of(if is_https { "https" } else { "http" }, host)
    }

    fn choose_subprotocol(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let offered = || fields::items(headers, SEC_WEBSOCKET_PROTOCOL);
        if !offered().all(fields::is_token) {
            return Err(causes::subprotocol_not_token());
        }
        // Case counts in the names of subprotocols (RFC 6455, 11.5).
        Ok(self.subprotocols.iter().find(|own| offered().any(|offer| offer == own.as_str())).cloned())
    }
}

/// Some proxies name the scheme of the page, some that of the WebSocket.
fn is_secure(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

fn judge_upgrade(request: Head<'_>) -> Result<(), Refusal> {
    let headers = request.headers;
    if has_token(headers, CONNECTION, "upgrade") && has_token(headers, UPGRADE, "websocket") {
        return match single(headers, SEC_WEBSOCKET_VERSION) {
            Single::Once(version) if version == "13" => Ok(()),
            _ => Err(causes::version_not_13(request)),
        };
    }
    if has_token(headers, CONNECTION, "close") && causes::has_proxy(headers) {
        return Err(causes::through_a_deaf_proxy(request));
    }
    Err(causes::not_an_upgrade(request))
}

fn judge_key<'a>(request: Head<'a>) -> Result<&'a HeaderValue, Refusal> {
    match single(request.headers, SEC_WEBSOCKET_KEY) {
        Single::Once(key) if key::is_valid(key.as_bytes()) => Ok(key),
        _ => Err(causes::key_not_valid(request)),
    }
}

/// The refusal of a head that could not even be read.
impl From<super::HeadError> for Refusal {
    fn from(error: super::HeadError) -> Self {
        use super::HeadError;
        match error {
            HeadError::TooLarge { limit } => causes::head_too_large(limit),
            HeadError::TooSlow { limit } => causes::head_too_slow(limit.as_secs_f32()),
            HeadError::Malformed(what) => causes::head_malformed(what),
            HeadError::Tls => causes::head_malformed("the beginning of a TLS connection, and this port speaks plain HTTP")
                .cure("use ws:// instead of wss://, or have TLS at this port: here, or at a proxy in front"),
        }
    }
}
