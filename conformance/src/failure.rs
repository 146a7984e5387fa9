//! Why a test could not go on: a sentence, shown as it is.

use std::error::Error;
use std::fmt;

/// What the parts of a test return.
pub type Result<T> = std::result::Result<T, Failure>;

/// A sentence, and perhaps what a program printed. Any error becomes one through `?`.
///
/// It is no [`Error`] itself: that is what lets it take in all of them, and its `Debug` is its text, so that a test that
/// returns it prints something a person can read.
pub struct Failure(String);

impl Failure {
    /// A failure that says this.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
