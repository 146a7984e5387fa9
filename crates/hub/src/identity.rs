//! Whose a connection is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

/// The most bytes that are kept of what is said about a handshake.
const HANDSHAKE: usize = 256;

/// Whose connection it is, and how that is known.
///
/// ```
/// use serde_json::{Map, json};
/// use silverback_hub::{Attributes, Identity};
///
/// let attributes = Attributes::new(Map::from_iter([("room".to_owned(), json!(7))]))?;
/// let identity = Identity::new("alice").on_device("phone").with_attributes(attributes).from_source("cookie");
/// assert_eq!(identity.attributes.value("room"), Some(&json!(7)));
/// # Ok::<(), silverback_hub::AttributesTooLarge>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user's name.
    pub user: Arc<str>,
    /// Which of the user's devices it is, where that is known: see [`Policy::one_per_device`](crate::Policy::one_per_device).
    pub device: Option<Arc<str>>,
    /// What else is known of the session.
    pub attributes: Attributes,
    /// What the name was taken from, in a word for people: `header`, `cookie`. Empty where it is not said.
    pub source: &'static str,
    /// Where the connection comes from.
    pub remote: Option<SocketAddr>,
    /// Until when the identity is good, as it was when the session joined. Whoever gave the identity ends the session; the hub does not.
    pub expires_at: Option<SystemTime>,
    /// What is worth knowing of the handshake, in a line for people: a page's origin, a program's name. At most 256 bytes.
    pub handshake: Option<Arc<str>>,
}

impl Identity {
    /// The identity of a user of whom nothing else is known.
    pub fn new(user: impl Into<Arc<str>>) -> Self {
        Self {
            user: user.into(),
            device: None,
            attributes: Attributes::default(),
            source: "",
            remote: None,
            expires_at: None,
            handshake: None,
        }
    }

    /// Adds the user's device.
    #[must_use]
    pub fn on_device(mut self, device: impl Into<Arc<str>>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Adds what else is known.
    #[must_use]
    pub fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = attributes;
        self
    }

    /// Adds what the name was taken from.
    #[must_use]
    pub fn from_source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Adds where the connection comes from.
    #[must_use]
    pub fn from_remote(mut self, remote: SocketAddr) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Adds until when it is good.
    #[must_use]
    pub fn until(mut self, expires_at: SystemTime) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// Adds a line about the handshake, cut at the last character that ends within 256 bytes.
    #[must_use]
    pub fn with_handshake(mut self, line: &str) -> Self {
        self.handshake = Some(line[..line.floor_char_boundary(HANDSHAKE)].into());
        self
    }

    /// About how many bytes it holds beside itself.
    pub(crate) fn memory(&self) -> usize {
        let texts = [Some(&self.user), self.device.as_ref(), self.handshake.as_ref()];
        self.attributes.memory() + texts.into_iter().flatten().map(|text| text.len() + 16).sum::<usize>()
    }
}

/// What is known of a session beside its user and device: a JSON object of at most [`LIMIT`](Self::LIMIT) bytes. Clones share it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Option<Arc<Bounded>>);

#[derive(Debug, PartialEq, Eq)]
struct Bounded {
    object: Map<String, Value>,
    memory: usize,
}

/// Attributes are written in too many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attributes of a session have at most {limit} bytes as JSON, and these have {0}: keep the rest where the user is stored", limit = Attributes::LIMIT)]
pub struct AttributesTooLarge(pub usize);

impl Attributes {
    /// The most bytes that they may have, written as JSON without spaces.
    pub const LIMIT: usize = 4096;

    /// Takes an object.
    ///
    /// # Errors
    /// [`AttributesTooLarge`] for more than [`LIMIT`](Self::LIMIT) bytes.
    pub fn new(object: Map<String, Value>) -> Result<Self, AttributesTooLarge> {
        if object.is_empty() {
            return Ok(Self(None));
        }
        let object = Value::Object(object);
        let written = object.to_string().len();
        if written > Self::LIMIT {
            return Err(AttributesTooLarge(written));
        }
        let memory = memory(&object);
        let Value::Object(object) = object else { return Ok(Self(None)) };
        Ok(Self(Some(Arc::new(Bounded { object, memory }))))
    }

    /// What stands under a key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.0.as_ref()?.object.get(key)
    }

    /// The object, unless it is empty.
    pub fn object(&self) -> Option<&Map<String, Value>> {
        self.0.as_ref().map(|bounded| &bounded.object)
    }

    /// About how many bytes they hold.
    fn memory(&self) -> usize {
        self.0.as_ref().map_or(0, |bounded| bounded.memory)
    }
}

/// About how many bytes a value holds beside itself.
fn memory(value: &Value) -> usize {
    const EACH: usize = size_of::<Value>();
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.capacity(),
        Value::Array(values) => values.capacity() * EACH + values.iter().map(memory).sum::<usize>(),
        // A tree's nodes have room for eleven entries, and are at least half full but for the first.
        Value::Object(object) => {
            let nodes = object.len().div_ceil(5) * 11 * (EACH + size_of::<String>());
            nodes + object.iter().map(|(key, value)| key.capacity() + memory(value)).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(length: usize) -> Map<String, Value> {
        Map::from_iter([("a".to_owned(), Value::from("x".repeat(length)))])
    }

    #[test]
    fn attributes_are_bounded_as_they_are_written() {
        let frame = r#"{"a":""}"#.len();
        let most = Attributes::new(object(Attributes::LIMIT - frame)).unwrap();
        assert_eq!(most.value("a").unwrap().as_str().unwrap().len(), Attributes::LIMIT - frame);
        assert_eq!(Attributes::new(object(Attributes::LIMIT - frame + 1)), Err(AttributesTooLarge(Attributes::LIMIT + 1)));
        assert_eq!(Attributes::new(Map::new()), Ok(Attributes::default()));
        assert_eq!(Attributes::default().value("a"), None);
    }

    #[test]
    fn what_attributes_hold_is_counted_with_what_they_are_held_in() {
        let nested: Value = serde_json::from_str("[[1],[2],{}]").unwrap();
        let attributes = Attributes::new(Map::from_iter([("a".to_owned(), nested)])).unwrap();
        assert!(attributes.memory() >= 11 * (size_of::<Value>() + 24) + 5 * size_of::<Value>());
    }

    #[test]
    fn a_line_about_the_handshake_is_cut_between_characters() {
        let identity = Identity::new("alice").with_handshake(&format!("a{}", "ö".repeat(200)));
        assert_eq!(identity.handshake.unwrap().len(), 255);
    }
}
