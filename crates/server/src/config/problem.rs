//! What is wrong with a configuration, where, and what to do. No value is ever quoted: it may be a secret.

use std::fmt;

use crate::auth::KeysError;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    /// A line of the file.
    Line(String, usize),
    Variable(String),
    Flag(&'static str),
}

/// A thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) source: Source,
    /// Empty where it is not about one.
    pub(crate) key: String,
    pub(crate) text: String,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the configuration file {0} cannot be read")]
    File(String, #[source] std::io::Error),
    #[error("{}", List(.0))]
    Problems(Vec<Problem>),
    #[error(transparent)]
    AuthKeys(#[from] KeysError),
}

impl Problem {
    /// Of a key, before it is known where its value is from.
    pub(crate) fn of(key: impl Into<String>, text: impl Into<String>) -> Self {
        Self { source: Source::Default, key: key.into(), text: text.into() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, key, text } = self;
        match source {
            Source::Line(..) if key.is_empty() => write!(f, "{source}: {text}"),
            Source::Line(..) => write!(f, "{source}: {key} {text}"),
            _ if key.is_empty() => f.write_str(text),
            Source::Default => write!(f, "{key} ({}) {text}", super::variable(key)),
            Source::Variable(_) | Source::Flag(_) => write!(f, "{key} ({source}) {text}"),
        }
    }
}

struct List<'a>(&'a [Problem]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, more @ ..] = self.0 else { return f.write_str("the configuration cannot be used") };
        first.fmt(f)?;
        more.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// The one of these names that was most likely meant; none if none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &str| strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    let (distance, nearest) = known.into_iter().map(|known| (distance(known), known)).min()?;
    (distance <= (name.len().min(nearest.len()) / 2).clamp(1, 4)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_may_have_been_meant() {
        let known = ["message", "connections", "head", "key", "keys"];
        for (written, meant) in [
            ("mesage", Some("message")),
            ("conections", Some("connections")),
            ("HEAD", Some("head")),
            ("kye", Some("key")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
