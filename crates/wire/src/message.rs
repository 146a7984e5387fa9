//! What applications send and receive.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::frame::Opcode;

/// A whole message (RFC 6455, 5.6). Cloning is cheap: clones share their bytes.
///
/// ```
/// use silverback_wire::Message;
///
/// fn describe(message: &Message) -> String {
///     match message {
///         Message::Text(text) => format!("{} characters", text.chars().count()),
///         Message::Binary(bytes) => format!("{} bytes", bytes.len()),
///     }
/// }
/// assert_eq!(describe(&"grüezi".into()), "6 characters");
/// assert_eq!(describe(&vec![1, 2, 3].into()), "3 bytes");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text (opcode 1).
    Text(Text),
    /// Bytes (opcode 2).
    Binary(Bytes),
}

impl Message {
    /// A text message.
    ///
    /// ```
    /// use silverback_wire::Message;
    ///
    /// assert_eq!(Message::text("grüezi").len(), 7);
    /// assert_eq!(Message::text(String::new()).as_text(), Some(""));
    /// ```
    pub fn text(text: impl Into<Text>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    ///
    /// ```
    /// use silverback_wire::Message;
    ///
    /// let message = Message::binary(vec![1, 2, 3]);
    /// assert_eq!(message.as_text(), None);
    /// assert_eq!(message.into_payload(), &[1, 2, 3][..]);
    /// ```
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The payload, whichever kind it is.
    pub fn payload(&self) -> &Bytes {
        match self {
            Self::Text(text) => &text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload's length in bytes.
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    pub(crate) fn opcode(&self) -> Opcode {
        match self {
            Self::Text(_) => Opcode::Text,
            Self::Binary(_) => Opcode::Binary,
        }
    }

    /// The payload, not copied.
    pub fn into_payload(self) -> Bytes {
        match self {
            Self::Text(text) => text.0,
            Self::Binary(bytes) => bytes,
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.payload().is_empty()
    }

    /// The text, if it is a text message. Costs what [`Text::as_str`] costs.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            Self::Binary(_) => None,
        }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

/// A piece of a message that is sent or received in parts, for messages that are larger than one wants to hold. The pieces of a text are
/// cut between characters.
///
/// ```
/// use silverback_wire::Part;
///
/// let parts = [Part { piece: "a long ".into(), is_last: false }, Part { piece: "story".into(), is_last: true }];
/// let whole: String = parts.iter().filter_map(|part| part.piece.as_text()).collect();
/// assert_eq!(whole, "a long story");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The next bytes, as the kind of message that they belong to. May be empty.
    pub piece: Message,
    /// Whether the message ends with it.
    pub is_last: bool,
}

/// UTF-8 by construction, over shared bytes.
///
/// ```
/// use bytes::Bytes;
/// use silverback_wire::Text;
///
/// let text = Text::try_from(Bytes::from_static(b"gr\xc3\xbcezi"))?;
/// assert_eq!(text.as_str(), "grüezi");
/// assert!(text.ends_with("ezi")); // it is a `str` to whoever borrows it
/// # Ok::<(), silverback_wire::NotText>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Text(Bytes);

/// Bytes that were to become a [`Text`] and are not UTF-8.
///
/// ```
/// use bytes::Bytes;
/// use silverback_wire::{NotText, Text};
///
/// assert_eq!(Text::try_from(Bytes::from_static(b"\xff")), Err(NotText));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a text message must be UTF-8, and these bytes are not")]
pub struct NotText;

impl Text {
    /// The text.
    ///
    /// The check that made this value is repeated (at memory speed, by vector instructions): the standard library's way around it
    /// is `unsafe`, which this crate forbids. Passing a message on, as an echo or a fan-out does, never pays for it.
    #[expect(clippy::expect_used, reason = "every constructor has checked the bytes")]
    pub fn as_str(&self) -> &str {
        simdutf8::basic::from_utf8(&self.0).expect("a Text is UTF-8 by construction")
    }

    /// The bytes below, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// For bytes that were checked as they came in.
    pub(crate) fn checked(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl TryFrom<Bytes> for Text {
    type Error = NotText;

    fn try_from(bytes: Bytes) -> Result<Self, NotText> {
        simdutf8::basic::from_utf8(&bytes).map_err(|_| NotText)?;
        Ok(Self(bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
