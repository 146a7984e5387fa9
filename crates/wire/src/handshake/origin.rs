//! Which pages may connect (RFC 6454; RFC 6455, 10.2).

use std::fmt;

/// The origins that a server takes. A request without `Origin` does not come from a page and is always taken; `null` never is, but under
/// [`Any`](Self::Any).
///
/// ```
/// use silverback_wire::handshake::{Origin, Origins, server::Policy};
///
/// let mut policy = Policy::default();
/// assert_eq!(policy.origins, Origins::Same);
/// policy.origins = Origins::SameAnd(vec![Origin::parse("https://app.example.com")?]);
/// # Ok::<(), silverback_wire::handshake::NotAnOrigin>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Origins {
    /// Only pages of the server's own scheme, host and port.
    #[default]
    Same,
    /// Those, and these: `https://app.example.com`.
    SameAnd(Vec<Origin>),
    /// Every page in every browser. Safe only when something else than a cookie tells who the user is.
    Any,
}

/// A scheme, a host and a port, in lower case. Browser extensions and app frames have schemes of their own.
///
/// ```
/// use silverback_wire::handshake::Origin;
///
/// let origin = Origin::parse("https://App.Example.com:443")?;
/// assert_eq!(origin, Origin::parse("https://app.example.com")?);
/// assert_eq!(origin.to_string(), "https://app.example.com");
/// # Ok::<(), silverback_wire::handshake::NotAnOrigin>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    /// Always there for `http` and `https`.
    port: Option<u16>,
}

/// A text that is not an origin.
///
/// ```
/// use silverback_wire::handshake::Origin;
///
/// let error = Origin::parse("https://app.example.com/").expect_err("an origin has no path");
/// assert!(error.to_string().starts_with(r#""https://app.example.com/" is not an origin: write scheme and host"#));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin: write scheme and host, and the port if it is not the scheme's own, as in https://app.example.com")]
pub struct NotAnOrigin(String);

impl Origin {
    /// Reads `scheme://host[:port]`.
    ///
    /// # Errors
    /// [`NotAnOrigin`] for anything else, a path or a `*` among them.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        let fail = || NotAnOrigin(text.to_owned());
        let (scheme, authority) = text.split_once("://").ok_or_else(fail)?;
        Self::of(scheme, authority).ok_or_else(fail)
    }

    /// The origin of what is served under this scheme and authority (the `Host` header's value).
    pub(crate) fn of(scheme: &str, authority: &str) -> Option<Self> {
        let scheme = scheme.to_ascii_lowercase();
        let default_port = default_port(&scheme);
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)); // RFC 3986, 3.1
        if !is_scheme || authority.bytes().any(|byte| b"/?#@* \\".contains(&byte)) {
            return None;
        }
        let authority: http::uri::Authority = authority.strip_suffix(':').unwrap_or(authority).parse().ok()?;
        let port = match authority.port_u16() {
            Some(port) => Some(port),
            None if authority.as_str() == authority.host() => default_port,
            None => return None, // a port beyond 65,535
        };
        Some(Self { scheme, host: authority.host().to_ascii_lowercase(), port })
    }

    pub(crate) fn is_https_of(&self, other: &Self) -> bool {
        self.scheme == "https" && other.scheme == "http" && self.host == other.host && (self.port == Some(443) || self.port == other.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if self.port != default_port(&self.scheme) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl Origins {
    /// Whether pages of `origin` may connect to a server that is `own` to them.
    pub(crate) fn allow(&self, origin: &Origin, own: Option<&Origin>) -> bool {
        match self {
            Self::Any => true,
            Self::Same => own == Some(origin),
            Self::SameAnd(others) => own == Some(origin) || others.contains(origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_own_port_and_case_make_no_difference() {
        let origin = |text| Origin::parse(text).unwrap();
        assert_eq!(origin("https://App.Example.com"), origin("HTTPS://app.example.com:443"));
        assert_eq!(origin("http://[::1]:8080").to_string(), "http://[::1]:8080");
        assert_ne!(origin("http://a"), origin("https://a"));
        assert_ne!(origin("http://a"), origin("http://a:81"));
        assert_eq!(origin("capacitor://localhost").to_string(), "capacitor://localhost");
    }

    #[test]
    fn what_is_no_origin_is_named() {
        for bad in ["null", "*", "example.com", "https://*", "https://a/b", "://a", "1a://a", "https://u@a", "https://", "https://a:99999"]
        {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
