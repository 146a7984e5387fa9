//! The types of values: how each is read and written, and what to write where something else stands.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Value;

use super::model::{Secrets, Setting};

impl Setting for Duration {
    const CURE: &'static str = "write a time, as in 20s or 500ms";

    fn read(value: &Value) -> Option<Self> {
        humantime::parse_duration(value.as_str()?).ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(humantime::format_duration(*self).to_string().replace(' ', "").into())
    }
}

impl Setting for ByteSize {
    const CURE: &'static str = "write a size, as in 1MiB";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Integer(bytes) => u64::try_from(*bytes).ok().map(Self::b),
            value => value.as_str()?.parse().ok(),
        }
    }

    /// In the largest unit of which it is a whole number: nothing is rounded.
    fn written(&self, _: Secrets) -> Option<Value> {
        let bytes = self.as_u64();
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB"), (0, "B")];
        let (shift, unit) = units.into_iter().find(|(shift, _)| bytes >> shift << shift == bytes && bytes >> shift > 0).unwrap_or((0, "B"));
        Some(format!("{}{unit}", bytes >> shift).into())
    }
}

impl Setting for bool {
    const CURE: &'static str = "write true or false";

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some((*self).into())
    }
}

impl Setting for u8 {
    const CURE: &'static str = "write a small number";

    fn read(value: &Value) -> Option<Self> {
        value.as_integer()?.try_into().ok()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(i64::from(*self).into())
    }
}

impl Setting for NonZeroUsize {
    const CURE: &'static str = "write a number above 0";

    fn read(value: &Value) -> Option<Self> {
        usize::try_from(value.as_integer()?).ok()?.try_into().ok()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(i64::try_from(self.get()).unwrap_or(i64::MAX).into())
    }
}

impl Setting for String {
    const CURE: &'static str = "write a text in quotes";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.as_str().into())
    }
}

impl Setting for PathBuf {
    const CURE: &'static str = "write a path in quotes";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(Self::from)
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.display().to_string().into())
    }
}

impl Setting for SocketAddr {
    const CURE: &'static str = "write an IP address and a port, as in 127.0.0.1:8080";

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.to_string().into())
    }
}

/// What may be left out.
impl<T: Setting> Setting for Option<T> {
    const CURE: &'static str = T::CURE;
    const IS_SCALAR: bool = T::IS_SCALAR;

    fn read(value: &Value) -> Option<Self> {
        T::read(value).map(Some)
    }

    fn read_text(text: &str) -> Option<Self> {
        T::read_text(text).map(Some)
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        self.as_ref().and_then(|value| value.written(secrets))
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

/// A list; in a variable, with commas in between.
impl Setting for Vec<String> {
    const CURE: &'static str = "write a list of texts, as in [\"one\", \"two\"]";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(String::read).collect()
    }

    fn read_text(text: &str) -> Option<Self> {
        Some(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    fn add(&mut self, text: &str) -> bool {
        self.push(text.to_owned());
        true
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.clone().into())
    }
}

/// Implements [`Setting`] for an enum whose variants are words.
macro_rules! words {
    ($type:ty, $cure:literal, { $($word:literal => $variant:path),* $(,)? }) => {
        impl $crate::config::Setting for $type {
            const CURE: &'static str = $cure;

            fn read(value: &toml::Value) -> Option<Self> {
                match value.as_str()? {
                    $($word => Some($variant),)*
                    _ => None,
                }
            }

            fn written(&self, _: $crate::config::Secrets) -> Option<toml::Value> {
                Some(match self { $($variant => $word,)* }.into())
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    fn round<T: Setting>(text: &str) -> Option<String> {
        T::read_text(text)?.written(Secrets::Masked).map(|value| value.as_str().map_or(value.to_string(), str::to_owned))
    }

    #[test]
    fn a_value_is_written_as_it_would_be_read_and_never_rounded() {
        for text in ["1MiB", "1025B", "3KiB", "5GiB", "0B", "1048577B"] {
            assert_eq!(round::<ByteSize>(text).as_deref(), Some(text));
        }
        for text in ["20s", "1m30s", "500ms", "0s", "2h"] {
            assert_eq!(round::<Duration>(text).as_deref(), Some(text));
        }
        assert_eq!(round::<ByteSize>("1.5 MiB").as_deref(), Some("1536KiB"));
        assert_eq!(round::<bool>("true").as_deref(), Some("true"));
        assert_eq!(round::<NonZeroUsize>("7").as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_such_value_is_not_taken_for_one() {
        assert_eq!(round::<ByteSize>("small"), None);
        assert_eq!(round::<Duration>("soon"), None);
        assert_eq!(round::<bool>("yes"), None);
        assert_eq!(round::<NonZeroUsize>("0"), None);
        assert_eq!(round::<u8>("256"), None);
        assert!(Duration::read(&Value::Integer(20)).is_none(), "a time has a unit");
        assert!(ByteSize::read(&Value::Integer(-1)).is_none());
        assert_eq!(ByteSize::read(&Value::Integer(7)), Some(ByteSize::b(7)));
    }

    #[test]
    fn a_list_in_a_variable_has_commas() {
        assert_eq!(Vec::<String>::read_text("https://a, https://b,"), Some(vec!["https://a".to_owned(), "https://b".to_owned()]));
    }
}
