//! The section `[otlp]` of the configuration: where traces go.

use toml::Value;
use url::Url;

use crate::config::{Problem, Secrets, Setting, section};

section! {
    /// Traces for OpenTelemetry, by OTLP.
    pub(crate) struct OtlpSettings {
        /// The address of a collector. Unset: no traces.
        pub(crate) endpoint: Option<String> = None, like "\"http://127.0.0.1:4318\"" => restart;
        /// The share of traces that are sent, 0 to 1.
        pub(crate) sample: Share = Share(1.0) => restart;
    }
}

/// From 0, which is nothing, to 1, which is all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

impl Setting for Share {
    const CURE: &'static str = "write a number from 0 to 1";

    fn read(value: &Value) -> Option<Self> {
        let share = value.as_float().or_else(|| value.as_integer().map(|number| number as f64))?;
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    fn read_text(text: &str) -> Option<Self> {
        Self::read(&Value::Float(text.parse().ok()?))
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.0.into())
    }
}

impl OtlpSettings {
    /// The address for traces: the one that is configured if it has a path, otherwise the usual one there.
    pub(crate) fn traces(&self) -> Option<String> {
        let mut url = Url::parse(self.endpoint.as_ref()?).ok()?;
        if url.path() == "/" {
            url.set_path("/v1/traces");
        }
        Some(url.into())
    }

    /// What cannot be.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let Some(endpoint) = &self.endpoint else { return Vec::new() };
        let is_good = |url: &Url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        let text = match Url::parse(endpoint) {
            Ok(url) if !is_good(&url) => "must be an address with http:// or https:// and no user in it, as in http://127.0.0.1:4318",
            Err(_) => "must be an address with http:// or https://, as in http://127.0.0.1:4318",
            Ok(_) if cfg!(not(feature = "otlp")) => "is set, and this program was built without traces: build it with the feature `otlp`",
            Ok(_) => return Vec::new(),
        };
        vec![Problem::of("otlp.endpoint", text)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(endpoint: &str) -> OtlpSettings {
        OtlpSettings { endpoint: Some(endpoint.to_owned()), ..OtlpSettings::default() }
    }

    #[test]
    fn traces_go_to_the_usual_path_unless_the_address_has_one() {
        for (endpoint, traces) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://collector.example.com/otlp", "https://collector.example.com/otlp"),
        ] {
            assert_eq!(settings(endpoint).traces().unwrap(), traces);
        }
        assert_eq!(OtlpSettings::default().traces(), None);
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        for share in ["0", "0.5", "1"] {
            assert!(Share::read_text(share).is_some(), "{share}");
        }
        for share in ["-0.01", "1.01", "NaN", "all"] {
            assert_eq!(Share::read_text(share), None, "{share}");
        }
        assert_eq!(Share::read(&Value::Integer(1)), Some(Share(1.0)));
    }

    #[test]
    fn an_address_that_is_none_or_has_a_user_is_not_quoted() {
        for endpoint in ["ftp://localhost", "http://user:password@localhost", "collector"] {
            let problems = settings(endpoint).problems();
            assert!(problems[0].text.contains("must be an address with http://") && !problems[0].text.contains("password"), "{problems:?}");
        }
    }
}
