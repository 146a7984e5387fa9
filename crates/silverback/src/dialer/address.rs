//! The address of a WebSocket (RFC 6455, 3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Why an address is not one that can be dialled. It never shows the address, which may hold a secret.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use silverback::{DialError, Dialer};
/// use silverback::dialer::AddressError;
///
/// match Dialer::default().connect("ws://example.com/#top").await {
///     Err(DialError::Address(AddressError::Fragment)) => {}
///     other => unreachable!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no URL at all.
    #[error("this is not an address ({0}): write one like wss://example.com/path")]
    NotAnAddress(&'static str),
    /// Its scheme is neither `ws` nor `wss`.
    #[error("the address of a WebSocket begins with ws:// or wss://, and this one begins with {scheme}:")]
    Scheme {
        /// The scheme that it has.
        scheme: String,
    },
    /// It has a fragment, which RFC 6455, 3 forbids.
    #[error("the address of a WebSocket has no fragment (RFC 6455, 3): take away the # and what follows, or write # as %23")]
    Fragment,
    /// It begins with `wss://`, and this program was built without TLS.
    #[error("wss:// needs silverback's Cargo feature `tls`")]
    NoTls,
}

/// An address that can be dialled: `ws` or `wss`, with a host, without userinfo and fragment. It is shown without path and query, which may
/// hold a secret.
#[derive(Clone)]
pub(super) struct Address(Url);

impl Address {
    /// Reads an address. Its userinfo becomes the value of an `Authorization` header.
    pub(super) fn parse(text: &str) -> Result<(Self, Option<HeaderValue>), AddressError> {
        let url = Url::parse(text).map_err(not_an_address)?;
        if url.fragment().is_some() {
            return Err(AddressError::Fragment);
        }
        let authorization = basic(&url);
        Ok((Self::of(url)?, authorization))
    }

    /// The address that a redirect leads to. `Location` may be relative (RFC 9110, 10.2.2) and speak of http; its userinfo and its fragment are
    /// no part of it here.
    pub(super) fn join(&self, location: &str) -> Result<Self, AddressError> {
        let mut url = self.0.join(location).map_err(not_an_address)?;
        url.set_fragment(None);
        let scheme = match url.scheme() {
            "http" => "ws",
            "https" => "wss",
            _ => return Self::of(url),
        };
        let _ = url.set_scheme(scheme); // from one special scheme to another, which is allowed
        Self::of(url)
    }

    fn of(mut url: Url) -> Result<Self, AddressError> {
        match url.scheme() {
            "ws" => {}
            "wss" if cfg!(feature = "tls") => {}
            "wss" => return Err(AddressError::NoTls),
            scheme => return Err(AddressError::Scheme { scheme: scheme.to_owned() }),
        }
        // Both fail only for addresses without a host, and these two schemes have one.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self(url))
    }

    pub(super) fn is_secure(&self) -> bool {
        self.0.scheme() == "wss"
    }

    pub(super) fn host(&self) -> Host<&str> {
        self.0.host().unwrap_or(Host::Domain(""))
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// The host as an address writes it (an IPv6 address in brackets), and the port.
    pub(super) fn host_and_port(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    pub(super) fn uri(&self) -> Result<Uri, AddressError> {
        self.0.as_str().parse().map_err(|_| AddressError::NotAnAddress("a character that HTTP has no place for"))
    }

    /// The same address with the scheme of HTTP, which is what the variables of the environment are named after.
    pub(super) fn http_uri(&self) -> Result<Uri, AddressError> {
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{}/", self.host_and_port()).parse().map_err(|_| AddressError::NotAnAddress("its host"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme(), self.host_and_port())
    }
}

/// `Basic` credentials from the userinfo (RFC 7617).
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials: Vec<u8> = percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn not_an_address(error: url::ParseError) -> AddressError {
    AddressError::NotAnAddress(match error {
        url::ParseError::RelativeUrlWithoutBase => "it has no scheme",
        url::ParseError::EmptyHost => "it has no host",
        url::ParseError::InvalidPort => "its port is no number up to 65535",
        url::ParseError::InvalidIpv4Address => "its IPv4 address is malformed",
        url::ParseError::InvalidIpv6Address => "its IPv6 address is malformed",
        url::ParseError::InvalidDomainCharacter | url::ParseError::IdnaError => "its host has a character that no host may have",
        _ => "it is malformed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap().0
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        let (address, authorization) = Address::parse("ws://user:p%40ss@[::1]/path?token=secret").unwrap();
        assert_eq!(address.to_string(), "ws://[::1]:80");
        assert_eq!(address.uri().unwrap().to_string(), "ws://[::1]/path?token=secret");
        let authorization = authorization.unwrap();
        assert_eq!(authorization, "Basic dXNlcjpwQHNz");
        assert!(authorization.is_sensitive());
    }

    #[test]
    fn what_cannot_be_dialled_says_what_to_write() {
        for (text, error) in [
            ("example.com", AddressError::NotAnAddress("it has no scheme")),
            ("ws://", AddressError::NotAnAddress("it has no host")),
            ("ws://a:70000", AddressError::NotAnAddress("its port is no number up to 65535")),
            ("http://a/", AddressError::Scheme { scheme: "http".to_owned() }),
            ("ws://a/#", AddressError::Fragment),
            ("ws://a/#b", AddressError::Fragment),
        ] {
            assert_eq!(Address::parse(text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn a_name_beyond_ascii_is_dialled_by_its_punycode() {
        assert_eq!(parse("ws://bücher.example").to_string(), "ws://xn--bcher-kva.example:80");
    }

    #[test]
    fn a_redirect_may_be_relative_and_may_speak_of_http() {
        let base = parse("ws://a:1/b/c?d");
        for (location, address) in [
            ("e", "ws://a:1/b/e"),
            ("../e?f", "ws://a:1/e?f"),
            ("/e#f", "ws://a:1/e"),
            ("//b/e", "ws://b/e"),
            ("http://b:80/e", "ws://b/e"),
            ("ws://user:secret@b/e", "ws://b/e"),
        ] {
            assert_eq!(base.join(location).unwrap().0.as_str(), address, "{location}");
        }
        #[cfg(feature = "tls")]
        assert_eq!(base.join("https://b:443/e").unwrap().0.as_str(), "wss://b/e");
        assert!(matches!(base.join("ftp://b/"), Err(AddressError::Scheme { .. })));
    }
}
