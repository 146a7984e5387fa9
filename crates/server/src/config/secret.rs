//! A value that is never printed.

use std::fmt;

use toml::Value;

use super::model::{Secrets, Setting};

/// A value that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For use, not for printing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Setting for Secret {
    const CURE: &'static str = "write a text in quotes";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(|text| Self(text.to_owned()))
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        Some(match secrets {
            Secrets::Masked => "(secret)".into(),
            Secrets::Compared => self.0.as_str().into(),
        })
    }
}
