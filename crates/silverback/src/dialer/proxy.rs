//! Which connections go through which proxy.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Host;

use super::DialError;
use super::address::Address;

/// Stands for a proxy that a variable names in a way that cannot be read, so that `NO_PROXY` is still asked first.
const UNREADABLE: &str = "http://unreadable.invalid";

/// Through which proxy a [`Dialer`](crate::Dialer) connects.
///
/// ```
/// use silverback::Dialer;
/// use silverback::dialer::Proxy;
///
/// let dialer = Dialer::builder().proxy(Proxy::at("socks5h://user:password@proxy.example:1080")?).build()?;
/// let direct = Dialer::builder().proxy(Proxy::none()).build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Proxy(Option<Arc<Rules>>);

struct Rules {
    matcher: Matcher,
    /// The variable that names the proxy of `ws`, where it cannot be read.
    unreadable_http: Option<&'static str>,
    /// The same for `wss`.
    unreadable_https: Option<&'static str>,
    /// Whether this machine is reached directly.
    spares_loopback: bool,
}

/// What a proxy's address must be.
///
/// ```
/// use silverback::dialer::{NotAProxy, Proxy};
///
/// assert_eq!(Proxy::at("ftp://proxy.example").err(), Some(NotAProxy));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a proxy: write http://host:port, https://host:port, socks5://host:port or socks5h://host:port, with user:password@ before the host if it wants them"
)]
pub struct NotAProxy;

impl Proxy {
    /// No proxy, whatever the environment says.
    pub fn none() -> Self {
        Self(None)
    }

    /// One proxy for everything: `http://` (asked by `CONNECT`, for `ws://` too), `https://` (the same inside TLS, with the feature `tls`), `socks5://`
    /// (names are resolved here) or `socks5h://` (names are resolved by the proxy), each with `user:password@` where the proxy wants them.
    ///
    /// # Errors
    /// [`NotAProxy`] for anything else.
    pub fn at(address: &str) -> Result<Self, NotAProxy> {
        if !is_readable(address) {
            return Err(NotAProxy);
        }
        let matcher = Matcher::builder().all(address).build();
        Ok(Self(Some(Arc::new(Rules { matcher, unreadable_http: None, unreadable_https: None, spares_loopback: false }))))
    }

    /// As the environment says now: `HTTP_PROXY` for `ws://`, `HTTPS_PROXY` for `wss://`, `ALL_PROXY` for both, except for the hosts in `NO_PROXY`; each
    /// in lower case as well. `localhost` and loopback addresses are always reached directly.
    pub fn environment() -> Self {
        Self::variables(|name| std::env::var(name).ok())
    }

    /// As [`environment`](Self::environment), with variables that come from elsewhere.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use silverback::Dialer;
    /// use silverback::dialer::Proxy;
    ///
    /// let settings = HashMap::from([("ALL_PROXY", "http://proxy.example:3128"), ("NO_PROXY", "intranet.example")]);
    /// let proxy = Proxy::variables(|name| settings.get(name).map(|value| (*value).to_owned()));
    /// let dialer = Dialer::builder().proxy(proxy).build()?;
    /// # Ok::<(), silverback::dialer::BuildError>(())
    /// ```
    pub fn variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()).map(|value| (*name, value)))
        };
        // In a CGI program, HTTP_PROXY is the request's header `Proxy`, which is anybody's (CVE-2016-5385).
        let http = if variable("REQUEST_METHOD").is_some() { &["http_proxy"][..] } else { &["HTTP_PROXY", "http_proxy"] };
        let all = || first(&["ALL_PROXY", "all_proxy"]);
        let (http, unreadable_http) = readable(first(http).or_else(all));
        let (https, unreadable_https) = readable(first(&["HTTPS_PROXY", "https_proxy"]).or_else(all));
        if http.is_empty() && https.is_empty() {
            return Self::none();
        }
        let no = first(&["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
        let matcher = Matcher::builder().http(http).https(https).no(no).build();
        Self(Some(Arc::new(Rules { matcher, unreadable_http, unreadable_https, spares_loopback: true })))
    }

    /// The proxy for `address`, if there is one.
    pub(super) fn for_address(&self, address: &Address) -> Result<Option<Hop>, DialError> {
        let Some(rules) = &self.0 else { return Ok(None) };
        if rules.spares_loopback && is_loopback(address.host()) {
            return Ok(None);
        }
        let Some(intercept) = rules.matcher.intercept(&address.http_uri()?) else { return Ok(None) };
        match if address.is_secure() { rules.unreadable_https } else { rules.unreadable_http } {
            Some(variable) => Err(DialError::ProxyVariable { variable, source: NotAProxy }),
            None => Ok(Some(Hop(intercept))),
        }
    }
}

/// Without the proxies' addresses, in which a program may have put a password where none belongs.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            None => "Proxy(none)",
            Some(rules) if rules.spares_loopback => "Proxy(from variables)",
            Some(_) => "Proxy(one for all)",
        })
    }
}

/// One proxy, to be connected through.
pub(super) struct Hop(Intercept);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `CONNECT`.
    Http,
    /// `CONNECT` inside TLS.
    Https,
    /// SOCKS 5, asked for an address.
    Socks5,
    /// SOCKS 5, asked for a name.
    Socks5h,
}

impl Hop {
    pub(super) fn kind(&self) -> Kind {
        kind(self.0.uri()).unwrap_or(Kind::Http) // it was read before
    }

    pub(super) fn host(&self) -> Host<String> {
        let host = self.0.uri().host().unwrap_or_default();
        Host::parse(host).unwrap_or_else(|_| Host::Domain(host.to_owned()))
    }

    pub(super) fn port(&self) -> u16 {
        let default = match self.kind() {
            Kind::Http => 80,
            Kind::Https => 443,
            Kind::Socks5 | Kind::Socks5h => 1080,
        };
        self.0.uri().port_u16().unwrap_or(default)
    }

    /// The user and the password for SOCKS.
    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.0.raw_auth()
    }

    /// The user and the password for `CONNECT`.
    pub(super) fn authorization(&self) -> Option<&http::HeaderValue> {
        self.0.basic_auth()
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.uri().scheme_str().unwrap_or("http");
        write!(f, "{scheme}://{}:{}", self.host(), self.port())
    }
}

fn readable(setting: Option<(&'static str, String)>) -> (String, Option<&'static str>) {
    match setting {
        None => (String::new(), None),
        Some((_, value)) if is_readable(&value) => (value, None),
        Some((name, _)) => (UNREADABLE.to_owned(), Some(name)),
    }
}

fn is_readable(address: &str) -> bool {
    let matcher = Matcher::builder().all(address).build();
    matcher.intercept(&Uri::from_static("http://a/")).is_some_and(|proxy| kind(proxy.uri()).is_some())
}

fn kind(proxy: &Uri) -> Option<Kind> {
    match proxy.scheme_str() {
        Some("http") => Some(Kind::Http),
        Some("https") if cfg!(feature = "tls") => Some(Kind::Https),
        Some("socks5") => Some(Kind::Socks5),
        Some("socks5h") => Some(Kind::Socks5h),
        _ => None,
    }
}

fn is_loopback(host: Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(proxy: &Proxy, address: &str) -> String {
        match proxy.for_address(&Address::parse(address).unwrap().0) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(hop)) => hop.to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn variables(set: &'static [(&'static str, &'static str)]) -> Proxy {
        Proxy::variables(|name| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn each_scheme_has_its_variable_and_both_have_all_proxy() {
        let proxy = variables(&[("HTTP_PROXY", "http://a:1"), ("all_proxy", "socks5h://b")]);
        assert_eq!(way(&proxy, "ws://x.test/"), "http://a:1");
        #[cfg(feature = "tls")]
        assert_eq!(way(&proxy, "wss://x.test/"), "socks5h://b:1080");
        assert_eq!(way(&variables(&[("http_proxy", "c")]), "ws://x.test/"), "http://c:80");
        assert_eq!(way(&variables(&[("HTTPS_PROXY", "http://a:1")]), "ws://x.test/"), "direct");
        assert_eq!(way(&variables(&[("HTTP_PROXY", ""), ("http_proxy", "http://a:1")]), "ws://x.test/"), "http://a:1");
        assert_eq!(way(&variables(&[]), "ws://x.test/"), "direct");
    }

    #[test]
    fn no_proxy_and_this_machine_are_reached_directly() {
        let proxy = variables(&[("ALL_PROXY", "http://a:1"), ("NO_PROXY", "x.test, 10.0.0.0/8")]);
        for address in ["ws://x.test/", "ws://y.x.test/", "ws://10.1.2.3/", "ws://localhost:1/", "ws://127.0.0.1/", "ws://[::1]/"] {
            assert_eq!(way(&proxy, address), "direct", "{address}");
        }
        for address in ["ws://notx.test/", "ws://11.1.2.3/", "ws://[::2]/"] {
            assert_eq!(way(&proxy, address), "http://a:1", "{address}");
        }
        assert_eq!(way(&Proxy::at("http://a:1").unwrap(), "ws://127.0.0.1/"), "http://a:1", "a proxy that the program gave is for all");
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_an_error_that_names_it_where_it_would_be_used() {
        let proxy = variables(&[("HTTP_PROXY", "socks://user:secret@a:1"), ("NO_PROXY", "x.test")]);
        let error = way(&proxy, "ws://y.test/");
        assert!(error.contains("HTTP_PROXY") && error.contains("socks5h://") && !error.contains("secret"), "{error}");
        assert_eq!(way(&proxy, "ws://x.test/"), "direct");
        #[cfg(feature = "tls")]
        assert_eq!(way(&proxy, "wss://y.test/"), "direct");
    }

    #[test]
    fn a_cgi_program_does_not_take_its_proxy_from_a_request() {
        assert_eq!(way(&variables(&[("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://a:1")]), "ws://x.test/"), "direct");
        assert_eq!(way(&variables(&[("REQUEST_METHOD", "GET"), ("http_proxy", "http://a:1")]), "ws://x.test/"), "http://a:1");
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_secrets_are_not_shown() {
        for address in ["", "ftp://a", "socks4://a", "http://", "a b"] {
            assert_eq!(Proxy::at(address).err(), Some(NotAProxy), "{address}");
        }
        let proxy = Proxy::at("http://user:secret@a:1").unwrap();
        assert!(!format!("{proxy:?}").contains("secret"));
        assert_eq!(way(&proxy, "ws://x.test/"), "http://a:1");
    }
}
