//! Messages that arrive in parts, put together for those who want them whole.

use bytes::{Bytes, BytesMut};
use silverback_wire::{Message, Part, Text};

/// The parts of a message so far. Their sum is bounded by the limit of a message.
#[derive(Debug, Default)]
pub(crate) struct Gather(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

impl Gather {
    /// Adds a part; the message, if it was the last.
    pub(crate) fn add(&mut self, part: Part) -> Option<Message> {
        if part.is_last && self.0.is_none() {
            return Some(part.piece); // all of it
        }
        let is_text = matches!(part.piece, Message::Text(_));
        let begun = self.0.get_or_insert_with(|| Box::new(Begun { is_text, bytes: BytesMut::new() }));
        begun.bytes.extend_from_slice(part.piece.payload());
        if !part.is_last {
            return None;
        }
        self.0.take().map(|begun| message(begun.is_text, begun.bytes.freeze()))
    }

    /// What has been added so far, as a part, for someone who goes on part by part.
    pub(crate) fn take(&mut self) -> Option<Part> {
        self.0.take().map(|begun| Part { piece: message(begun.is_text, begun.bytes.freeze()), is_last: false })
    }
}

#[expect(clippy::expect_used, reason = "it is made of pieces of text")]
fn message(is_text: bool, bytes: Bytes) -> Message {
    if is_text { Message::Text(Text::try_from(bytes).expect("pieces of text make a text")) } else { Message::Binary(bytes) }
}
