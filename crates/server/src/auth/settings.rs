//! The section `[auth]` of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use crate::config::Secret;
use crate::http_url::HttpUrl;

/// Who may connect, and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// The key of tokens (HS256), at least 32 bytes. `silverback token` signs with it.
    pub(crate) secret: Option<Secret>,
    /// Further keys.
    pub(crate) keys: Vec<KeySetting>,
    /// Where a key set (JWKS) is served.
    pub(crate) jwks_url: Option<HttpUrl>,
    /// The least time between two requests for the key set.
    #[serde(with = "humantime_serde")]
    pub(crate) jwks_min_interval: Duration,
    /// A token must be for one of these (`aud`). None: whom it is for is not looked at.
    pub(crate) audience: OneOrMore,
    /// A token must be from one of these (`iss`). None: whom it is from is not looked at.
    pub(crate) issuer: OneOrMore,
    /// How far clocks may differ. By default 30 s for `nbf`, and nothing for `exp`.
    #[serde(with = "humantime_serde::option")]
    pub(crate) leeway: Option<Duration>,
    /// Claims that a token must have, with these values.
    pub(crate) required: BTreeMap<String, Value>,
    pub(crate) claims: ClaimNames,
    /// How long before the end of its token a client is told.
    #[serde(with = "humantime_serde")]
    pub(crate) expiry_warning: Duration,
}

/// Which claim says what.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClaimNames {
    pub(crate) user: String,
    pub(crate) device: String,
    pub(crate) attributes: AttributeClaims,
}

/// Where a session's attributes come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "the name of a claim, or a list of names")]
pub(crate) enum AttributeClaims {
    /// One claim, a JSON object.
    Object(String),
    /// These claims, those of them that are there.
    Claims(Vec<String>),
}

/// A key for one algorithm: a secret, a file with a public key in PEM, or a file with a JWK or a set of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySetting {
    pub(crate) kid: Option<String>,
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) secret: Option<Secret>,
    pub(crate) public_key: Option<PathBuf>,
    pub(crate) jwk: Option<PathBuf>,
}

/// One text or a list of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Texts")]
pub(crate) struct OneOrMore(pub(crate) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum Texts {
    One(String),
    More(Vec<String>),
}

impl From<Texts> for OneOrMore {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => Self(vec![text]),
            Texts::More(texts) => Self(texts),
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            secret: None,
            keys: Vec::new(),
            jwks_url: None,
            jwks_min_interval: Duration::from_secs(10),
            audience: OneOrMore::default(),
            issuer: OneOrMore::default(),
            leeway: None,
            required: BTreeMap::new(),
            claims: ClaimNames::default(),
            expiry_warning: Duration::from_secs(60),
        }
    }
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { user: "sub".to_owned(), device: "device".to_owned(), attributes: AttributeClaims::Object("attributes".to_owned()) }
    }
}

impl Auth {
    /// Whether there is anything to check a token with.
    pub(crate) fn has_keys(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty() || self.jwks_url.is_some()
    }

    /// What is wrong by itself, without a look at any file: the key and the problem.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        for (index, key) in self.keys.iter().enumerate() {
            key.check().map_err(|problem| ("auth.keys", format!("has a wrong entry (number {}): {problem}", index + 1)))?;
        }
        if self.jwks_min_interval < Duration::from_secs(1) {
            return Err(("auth.jwks_min_interval", "must be at least 1s".to_owned()));
        }
        for (key, OneOrMore(texts)) in [("auth.audience", &self.audience), ("auth.issuer", &self.issuer)] {
            if texts.iter().any(String::is_empty) {
                return Err((key, "has an empty text: name whom a token must be for (or from), or take it out".to_owned()));
            }
        }
        if self.claims.user.is_empty() {
            return Err(("auth.claims.user", "is empty: name the claim with the user, as in sub".to_owned()));
        }
        Ok(())
    }
}

impl KeySetting {
    fn check(&self) -> Result<(), &'static str> {
        match (&self.secret, &self.public_key, &self.jwk) {
            (Some(secret), None, None) if secret.expose().is_empty() => Err("its `secret` is empty"),
            (Some(_), None, None) | (None, Some(_), None) if self.algorithm.is_none() => {
                Err("it needs an `algorithm`, as in algorithm = \"RS256\"")
            }
            (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(_)) => Ok(()),
            _ => Err("it needs exactly one of `secret`, `public_key` (a PEM file) and `jwk` (a file with a JWK or a set of them)"),
        }
    }
}
