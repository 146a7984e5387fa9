//! The section `[otlp]` of the configuration: where traces go.

use serde::Deserialize;
use url::Url;

use crate::config::ConfigError;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtlpSettings {
    /// The address of a collector, as in `http://127.0.0.1:4318`.
    pub(crate) endpoint: Option<Url>,
    /// The share of traces that are sent, 0 to 1.
    pub(crate) sample: f64,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self { endpoint: None, sample: 1.0 }
    }
}

impl OtlpSettings {
    /// The address for traces: the one that is configured if it has a path, otherwise the usual one there.
    pub(crate) fn traces(&self) -> Option<String> {
        let mut url = self.endpoint.clone()?;
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        Some(url.into())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let fail = |key, problem: &str| Err(ConfigError::Key { key, problem: problem.to_owned() });
        if !(0.0..=1.0).contains(&self.sample) {
            return fail("otlp.sample", "must be 0 (no trace) to 1 (every trace)");
        }
        match &self.endpoint {
            Some(url) if !matches!(url.scheme(), "http" | "https") || url.username() != "" || url.password().is_some() => {
                fail("otlp.endpoint", "must be an address with http:// or https:// and no user in it, as in http://127.0.0.1:4318")
            }
            Some(_) if cfg!(not(feature = "otlp")) => {
                fail("otlp.endpoint", "is set, and this program was built without traces: build it with the feature `otlp`")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str, sample: f64) -> OtlpSettings {
        OtlpSettings { endpoint: Some(endpoint.parse().unwrap()), sample }
    }

    #[test]
    fn traces_go_to_the_usual_path_unless_the_address_has_one() {
        for (endpoint, traces) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://collector.example.com/otlp", "https://collector.example.com/otlp"),
        ] {
            assert_eq!(settings(endpoint, 1.0).traces().unwrap(), traces);
        }
        assert_eq!(OtlpSettings::default().traces(), None);
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn a_share_is_from_0_to_1_and_an_address_has_no_user() {
        for sample in [0.0, 0.5, 1.0] {
            assert!(settings("http://localhost:4318", sample).check().is_ok());
        }
        for sample in [-0.01, 1.01, f64::NAN] {
            assert!(settings("http://localhost:4318", sample).check().unwrap_err().to_string().contains("otlp.sample must be 0"));
        }
        for endpoint in ["ftp://localhost", "http://user:password@localhost"] {
            let error = settings(endpoint, 1.0).check().unwrap_err().to_string();
            assert!(error.contains("no user") && !error.contains("password@"), "{error}");
        }
    }
}
