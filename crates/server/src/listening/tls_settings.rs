//! The sections `[tls]` and `[api.tls]` of the configuration.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::ConfigError;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSettings {
    /// The certificates (PEM), the server's own first.
    pub(crate) cert: Option<PathBuf>,
    /// The private key (PEM).
    pub(crate) key: Option<PathBuf>,
    pub(crate) min_version: MinVersion,
}

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum MinVersion {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl TlsSettings {
    /// Whether TLS is spoken.
    pub(crate) fn is_on(&self) -> bool {
        self.cert.is_some()
    }

    /// `section` is `tls` or `api.tls`.
    pub(crate) fn check(&self, section: &'static str) -> Result<(), ConfigError> {
        let missing = match (&self.cert, &self.key) {
            (Some(_), None) => "key",
            (None, Some(_)) => "cert",
            _ => return Ok(()),
        };
        Err(ConfigError::Key { key: section, problem: format!("has no `{missing}`: give both `cert` and `key`, or neither") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_go_together() {
        let check = |cert: Option<&str>, key: Option<&str>| {
            let settings = TlsSettings { cert: cert.map(Into::into), key: key.map(Into::into), ..TlsSettings::default() };
            settings.check("api.tls").map_err(|error| error.to_string())
        };
        assert!(check(None, None).is_ok() && check(Some("c"), Some("k")).is_ok());
        assert_eq!(check(Some("c"), None).unwrap_err(), "api.tls has no `key`: give both `cert` and `key`, or neither");
        assert_eq!(check(None, Some("k")).unwrap_err(), "api.tls has no `cert`: give both `cert` and `key`, or neither");
    }
}
