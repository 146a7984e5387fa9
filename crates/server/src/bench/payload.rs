//! What is sent.

use std::fs;

use bytes::Bytes;
use bytesize::ByteSize;
use silverback::Message;

/// The largest message that is sent and taken, in bytes.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;

/// The content of every message.
#[derive(Clone)]
pub(super) struct Payload(Bytes);

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

impl Payload {
    /// `125`, `16KiB` or `@FILE`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bytes = match text.strip_prefix('@') {
            Some(file) => Bytes::from(fs::read(file).map_err(|error| format!("the file {file:?} cannot be read: {error}"))?),
            None => {
                let size: ByteSize = text.parse().map_err(|_| "write a size, as in 125 or 16KiB, or @FILE")?;
                let size = usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
                filler(size.min(LARGEST + 1))
            }
        };
        if bytes.len() > LARGEST { Err(format!("a message may have {} at most", ByteSize::b(LARGEST as u64))) } else { Ok(Self(bytes)) }
    }

    /// As a message.
    pub(super) fn message(&self, is_text: bool) -> Result<Message, &'static str> {
        if !is_text {
            return Ok(Message::binary(self.0.clone()));
        }
        let text = std::str::from_utf8(&self.0).map_err(|_| "the payload is not UTF-8, which a text message must be: leave --text out")?;
        Ok(Message::text(text.to_owned()))
    }
}

/// Readable, and not all the same.
fn filler(size: usize) -> Bytes {
    (b'a'..=b'z').cycle().take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_a_size_or_a_file() {
        assert_eq!(Payload::parse("3").unwrap().0, "abc");
        assert_eq!(Payload::parse("2KiB").unwrap().0.len(), 2048);
        assert_eq!(Payload::parse("0").unwrap().0.len(), 0);
        assert!(Payload::parse("@/nowhere").unwrap_err().contains("cannot be read"));
        assert!(Payload::parse("much").unwrap_err().starts_with("write a size"));
        assert!(Payload::parse("1TiB").unwrap_err().contains("at most"));
        assert!(Payload(Bytes::from_static(b"\xff")).message(true).is_err());
    }
}
