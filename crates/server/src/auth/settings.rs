//! The section `[auth]` of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use jsonwebtoken::Algorithm;
use toml::Value;

use crate::config::{self, Problem, Secret, Secrets, Setting, section};

section! {
    /// Who may connect, and as whom: docs/authentication.md.
    pub(crate) struct Auth {
        /// A key of tokens (HS256), at least 32 bytes, as from `openssl rand -base64 32`. `silverback token` signs with it. On a loopback address one
        /// is made up where no key is configured.
        pub(crate) secret: Option<Secret> = None, like "\"at least 32 bytes, as from: openssl rand -base64 32\"";
        /// Where a key set (JWKS) is served.
        pub(crate) jwks_url: Option<JwksUrl> = None, like "\"https://id.example.com/.well-known/jwks.json\"";
        /// The least time between two requests for it because of unknown keys.
        pub(crate) jwks_min_interval: Duration = Duration::from_secs(10);
        /// Whom a token must be for (`aud`): a text or a list. Unset: it is not looked at.
        pub(crate) audience: OneOrMore = OneOrMore::default(), like "\"chat\"";
        /// Whom a token must be from (`iss`): a text or a list. Unset: it is not looked at.
        pub(crate) issuer: OneOrMore = OneOrMore::default(), like "\"https://id.example.com\"";
        /// How far clocks may differ. Unset: 30 s for `nbf`, and nothing for `exp`.
        pub(crate) leeway: Option<Duration> = None, like "\"30s\"";
        /// Claims that a token must have, with these values.
        pub(crate) required: Required = Required::default(), like "{ tier = \"gold\" }";
        /// How long before the end of its token a client is told; 0s is never.
        pub(crate) expiry_warning: Duration = Duration::from_secs(60);
        /// Further keys.
        pub(crate) keys: Vec<KeySetting> = Vec::new();
        pub(crate) claims: ClaimNames = ClaimNames::default();
    }
}

section! {
    /// Which claim says what.
    pub(crate) struct ClaimNames {
        /// The claim with the user.
        pub(crate) user: String = "sub".to_owned();
        /// The claim with the device.
        pub(crate) device: String = "device".to_owned();
        /// The claim with the attributes, an object; or a list of claims.
        pub(crate) attributes: AttributeClaims = AttributeClaims::Object("attributes".to_owned());
    }
}

section! {
    /// A key for one algorithm.
    pub(crate) struct KeySetting {
        /// What tokens call it.
        pub(crate) kid: Option<String> = None, like "\"2026-11\"";
        /// What it signs with.
        pub(crate) algorithm: Option<Algorithm> = None, like "\"RS256\"";
        /// Exactly one of `secret`, `public_key` and `jwk` says which key it is. This is a secret for HS256, HS384 or HS512.
        pub(crate) secret: Option<Secret> = None, like "\"as long as the hash, or longer\"";
        /// A file with a public key in PEM.
        pub(crate) public_key: Option<PathBuf> = None, like "\"/etc/silverback/id.pub.pem\"";
        /// A file with a JWK, or with a set of them.
        pub(crate) jwk: Option<PathBuf> = None, like "\"/etc/silverback/jwks.json\"";
    }
}

/// Where a session's attributes come from.
#[derive(Debug, Clone)]
pub(crate) enum AttributeClaims {
    /// One claim, a JSON object.
    Object(String),
    /// These claims, those of them that are there.
    Claims(Vec<String>),
}

/// One text or a list of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct OneOrMore(pub(crate) Vec<String>);

/// Claims and the values that they must have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Required(pub(crate) BTreeMap<String, serde_json::Value>);

/// The address of a key set. Its query, which may hold a secret, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct JwksUrl(pub(crate) Uri);

impl JwksUrl {
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    pub(crate) fn is_local(&self) -> bool {
        let host = self.0.host().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.0.scheme_str().unwrap_or_default(), self.0.authority().map_or("", |host| host.as_str()), self.0.path())
    }
}

impl fmt::Debug for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Auth {
    /// Whether there is anything to check a token with.
    pub(crate) fn has_keys(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty() || self.jwks_url.is_some()
    }

    /// What cannot be, without a look at any file.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, text: &str| problems.push(Problem::of(key, text));
        if self.secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
            add("auth.secret", "is empty: set it, or take it out");
        }
        if self.jwks_min_interval < Duration::from_secs(1) {
            add("auth.jwks_min_interval", "must be at least 1s");
        }
        for (key, OneOrMore(texts)) in [("auth.audience", &self.audience), ("auth.issuer", &self.issuer)] {
            if texts.iter().any(String::is_empty) {
                add(key, "has an empty text: name whom a token must be for (or from), or take it out");
            }
        }
        if self.claims.user.is_empty() {
            add("auth.claims.user", "is empty: name the claim with the user, as in sub");
        }
        for (index, key) in self.keys.iter().enumerate() {
            if let Err(text) = key.check() {
                add(&config::number("auth.keys", index), text);
            }
        }
        problems
    }
}

impl KeySetting {
    fn check(&self) -> Result<(), &'static str> {
        match (&self.secret, &self.public_key, &self.jwk) {
            (Some(secret), None, None) if secret.expose().is_empty() => Err("has an empty `secret`"),
            (Some(_), None, None) | (None, Some(_), None) if self.algorithm.is_none() => {
                Err("needs an `algorithm`, as in algorithm = \"RS256\"")
            }
            (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(_)) => Ok(()),
            _ => Err("needs exactly one of `secret`, `public_key` (a PEM file) and `jwk` (a file with a JWK or a set of them)"),
        }
    }
}

impl Setting for JwksUrl {
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

impl Setting for OneOrMore {
    const CURE: &'static str = "write a text, or a list of texts";

    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(|text| vec![text]).or_else(|| Vec::read(value)).map(Self)
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        match &*self.0 {
            [] => None,
            [one] => one.written(secrets),
            more => more.to_vec().written(secrets),
        }
    }
}

impl Setting for AttributeClaims {
    const CURE: &'static str = "write the name of a claim, or a list of names";

    fn read(value: &Value) -> Option<Self> {
        String::read(value).map(Self::Object).or_else(|| Vec::read(value).map(Self::Claims))
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        match self {
            Self::Object(name) => name.written(secrets),
            Self::Claims(names) => names.written(secrets),
        }
    }
}

impl Setting for Required {
    const CURE: &'static str = "write claims and their values, as in { tier = \"gold\" }";
    const IS_SCALAR: bool = false;

    fn read(value: &Value) -> Option<Self> {
        let claims = value.as_table()?.iter().map(|(name, value)| Some((name.clone(), serde_json::to_value(value).ok()?)));
        claims.collect::<Option<_>>().map(Self)
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Value::try_from(&self.0).ok().filter(|_| !self.0.is_empty())
    }
}

impl Setting for Algorithm {
    const CURE: &'static str = "write one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA";

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(format!("{self:?}").into())
    }
}
