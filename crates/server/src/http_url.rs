//! An address that this server asks something of.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use toml::Value;

use crate::config::{Secrets, Setting};

/// An address with http:// or https:// and no user in it. Its query, which may hold a secret, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl(pub(crate) Uri);

impl HttpUrl {
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    pub(crate) fn is_local(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl Setting for HttpUrl {
    const CURE: &'static str = "write an address with http:// or https:// and no user in it";

    fn read(value: &Value) -> Option<Self> {
        let uri: Uri = value.as_str()?.parse().ok()?;
        let is_good =
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some_and(|host| !host.as_str().contains('@'));
        is_good.then_some(Self(uri))
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        Some(match secrets {
            Secrets::Masked => self.to_string().into(),
            Secrets::Compared => self.0.to_string().into(),
        })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme_str().unwrap_or_default(), self.0.authority().map_or("", |host| host.as_str()), self.0.path())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
