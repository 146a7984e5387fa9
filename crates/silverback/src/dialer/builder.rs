//! What a dialer is made of.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use silverback_wire::{Config, deflate};
use url::Host;

use super::resolve::Known;
use super::{Dialer, Proxy, Timeouts};
use crate::QueueLimits;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) headers: HeaderMap,
    pub(super) config: Arc<Config>,
    pub(super) queue: QueueLimits,
    pub(super) deflate: Option<deflate::Options>,
    pub(super) timeouts: Timeouts,
    pub(super) redirects: u32,
    pub(super) proxy: Proxy,
    pub(super) known: Known,
    #[cfg(feature = "tls")]
    pub(super) trust: super::Trust,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            config: Arc::default(),
            queue: QueueLimits::default(),
            deflate: None,
            timeouts: Timeouts::default(),
            redirects: 5,
            proxy: Proxy::environment(),
            known: Known::new(),
            #[cfg(feature = "tls")]
            trust: super::Trust::default(),
        }
    }
}

/// Without the values of headers, which may be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("config", &self.config)
            .field("timeouts", &self.timeouts)
            .field("redirects", &self.redirects)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// Why a [`Dialer`] cannot be made.
///
/// ```
/// use silverback::Dialer;
/// use silverback::dialer::BuildError;
///
/// let error = Dialer::builder().header("host", "example.com").build().expect_err("the handshake sets it");
/// match &error {
///     BuildError::HeaderOwned(name) => assert_eq!(name, "host"),
///     other => unreachable!("{other}"),
/// }
/// assert!(error.to_string().ends_with("dial the host; its address can be given with `resolve`"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The handshake sets this header itself.
    #[error("the header {name} belongs to the handshake: leave it out{cure}", name = .0, cure = header_cure(.0))]
    HeaderOwned(HeaderName),
    /// A header's name or value cannot be one.
    #[error("the {0} of a header has a character that it may not have")]
    HeaderMalformed(&'static str),
    /// A subprotocol cannot be one.
    #[error(
        "a subprotocol is not a token (RFC 6455, 4.1) or stands there twice: use letters, digits and -._~ and no spaces, commas or slashes"
    )]
    Subprotocol,
}

/// Makes a [`Dialer`].
///
/// ```
/// use std::time::Duration;
/// use silverback::dialer::{Proxy, Timeouts};
/// use silverback::{Deflate, Dialer};
///
/// let dialer = Dialer::builder()
///     .header("authorization", "Bearer TOKEN")
///     .subprotocols(["chat.v2", "chat.v1"])
///     .timeouts(Timeouts { total: Duration::from_secs(15), ..Timeouts::default() })
///     .redirects(0)
///     .proxy(Proxy::none())
///     .message_limit(64 * 1024)
///     .deflate(Deflate::default())
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct DialerBuilder {
    settings: Settings,
    subprotocols: Option<Vec<String>>,
    /// The first thing that was wrong.
    error: Option<BuildError>,
}

/// Without the subprotocols, one of which may be a token.
impl fmt::Debug for DialerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialerBuilder").field("settings", &self.settings).field("error", &self.error).finish_non_exhaustive()
    }
}

impl From<Settings> for DialerBuilder {
    fn from(settings: Settings) -> Self {
        Self { settings, subprotocols: None, error: None }
    }
}

impl DialerBuilder {
    crate::settings::connection_settings!();

    /// A header to send along: credentials, a cookie, the `Origin` of a page. It takes the place of one with the same name.
    ///
    /// `Authorization`, `Cookie` and values that are marked as [sensitive](HeaderValue::set_sensitive) are not sent on when a redirect leads to another
    /// origin. [`build`](Self::build) refuses the headers that the handshake owns: `Host`, `Connection`, `Upgrade` and `Sec-WebSocket-…`. To ask one
    /// address for another's host, see [`resolve`](Self::resolve).
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        let (Ok(name), value) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return self.fail(BuildError::HeaderMalformed("name"));
        };
        let Ok(mut value) = value else { return self.fail(BuildError::HeaderMalformed("value")) };
        if is_owned(&name) {
            return self.fail(BuildError::HeaderOwned(name));
        }
        if name == AUTHORIZATION || name == COOKIE {
            value.set_sensitive(true);
        }
        self.settings.headers.insert(name, value);
        self
    }

    /// The subprotocols to offer, the best first (RFC 6455, 1.9). Default: none. They are sent on to wherever a redirect leads: a token belongs
    /// into `Authorization`.
    pub fn subprotocols<I: IntoIterator<Item: Into<String>>>(mut self, subprotocols: I) -> Self {
        self.subprotocols = Some(subprotocols.into_iter().map(Into::into).collect());
        self
    }

    /// Compression of messages (permessage-deflate, RFC 7692), offered to the server. Default: none.
    ///
    /// Without context takeover, which [`Deflate`](crate::Deflate) has by default, it holds no memory for a connection that is idle.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, options: impl Into<Option<deflate::Options>>) -> Self {
        self.settings.deflate = options.into();
        self
    }

    /// How long each stage of the way may take, and all together.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.settings.timeouts = timeouts;
        self
    }

    /// How many redirects are followed. Default: 5. With 0, a redirect is a refusal.
    pub fn redirects(mut self, most: u32) -> Self {
        self.settings.redirects = most;
        self
    }

    /// Which proxy is connected through. Default: the one that the environment named when [`Dialer::builder`] was called.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.settings.proxy = proxy;
        self
    }

    /// The addresses of `host`, which is then not looked up: as `curl --resolve` does. Port 0 stands for the port that is dialled.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use silverback::Dialer;
    ///
    /// // One of several servers behind a name, by its own address and with the name's certificate:
    /// let dialer = Dialer::builder().resolve("example.com", ["192.0.2.7:0".parse()?]).build()?;
    /// let socket = dialer.connect("wss://example.com/").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn resolve(mut self, host: &str, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        // As an address has it: in lower case, and in punycode.
        let host = Host::parse(host).map_or_else(|_| host.to_owned(), |host| host.to_string());
        self.settings.known.insert(host, addresses.into_iter().collect());
        self
    }

    /// Which servers are believed to be who they say. Default: those that the system believes.
    #[cfg(feature = "tls")]
    pub fn trust(mut self, trust: super::Trust) -> Self {
        self.settings.trust = trust;
        self
    }

    /// The finished dialer.
    ///
    /// # Errors
    /// [`BuildError`] for a header or a subprotocol that cannot be sent.
    pub fn build(mut self) -> Result<Dialer, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(subprotocols) = self.subprotocols {
            self.settings.headers.remove(SEC_WEBSOCKET_PROTOCOL);
            if !subprotocols.is_empty() {
                self.settings.headers.insert(SEC_WEBSOCKET_PROTOCOL, list(&subprotocols)?);
            }
        }
        Ok(Dialer { settings: Arc::new(self.settings) })
    }

    fn fail(mut self, error: BuildError) -> Self {
        self.error.get_or_insert(error);
        self
    }
}

/// Headers that make the request a handshake, or change where it ends.
fn is_owned(name: &HeaderName) -> bool {
    const OWNED: [HeaderName; 9] = [HOST, CONNECTION, UPGRADE, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, EXPECT, PROXY_AUTHORIZATION];
    OWNED.contains(name) || name.as_str().starts_with("sec-websocket-")
}

fn header_cure(name: &HeaderName) -> &'static str {
    match *name {
        HOST => ", and dial the host; its address can be given with `resolve`",
        SEC_WEBSOCKET_PROTOCOL => ", and name the subprotocols with `subprotocols`",
        PROXY_AUTHORIZATION => ", and put user:password@ into the proxy's address",
        _ => "",
    }
}

fn list(subprotocols: &[String]) -> Result<HeaderValue, BuildError> {
    for (at, subprotocol) in subprotocols.iter().enumerate() {
        // A token is what may be the name of a header (RFC 9110, 5.6.2).
        if HeaderName::try_from(subprotocol.as_str()).is_err() || subprotocols[..at].contains(subprotocol) {
            return Err(BuildError::Subprotocol);
        }
    }
    HeaderValue::try_from(subprotocols.join(", ")).map_err(|_| BuildError::Subprotocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_handshake_are_refused_by_name() {
        for name in ["Host", "Connection", "upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Extensions", "Content-Length"] {
            let error = Dialer::builder().header(name, "x").build().unwrap_err();
            assert_eq!(error, BuildError::HeaderOwned(name.parse().unwrap()));
            assert!(error.to_string().contains(&name.to_ascii_lowercase()), "{error}");
        }
        let error = Dialer::builder().header("sec-websocket-protocol", "a").build().unwrap_err();
        assert!(error.to_string().ends_with("`subprotocols`"), "{error}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        assert_eq!(Dialer::builder().header("a b", "x").build().unwrap_err(), BuildError::HeaderMalformed("name"));
        assert_eq!(Dialer::builder().header("a", "x\r\nb: y").build().unwrap_err(), BuildError::HeaderMalformed("value"));
        for subprotocols in [&["a b"][..], &["a,b"], &[""], &["a", "a"], &["a/b"]] {
            let subprotocols = subprotocols.iter().copied();
            assert_eq!(Dialer::builder().subprotocols(subprotocols).build().unwrap_err(), BuildError::Subprotocol);
        }
    }

    #[test]
    fn a_secret_is_not_in_debug() {
        let dialer = Dialer::builder().header("authorization", "Bearer secret").header("x-key", "secret").build().unwrap();
        let debug = format!("{dialer:?} {:?}", dialer.to_builder());
        assert!(debug.contains("x-key") && !debug.contains("secret"), "{debug}");
    }
}
