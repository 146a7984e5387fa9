//! Messages that arrive in parts, put together for those who want them whole.

use bytes::BytesMut;
use silverback_wire::{Message, Part, Text};

/// The parts of a message so far. Their sum is bounded by the limit of a message.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    begun: Option<Box<Begun>>,
    /// Some of the message was received in parts: the rest of it is no message.
    is_skipping: bool,
}

#[derive(Debug)]
struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

impl Gather {
    /// Adds a part; the message, if it was the last.
    pub(crate) fn add(&mut self, part: Part) -> Option<Message> {
        if self.is_skipping {
            self.is_skipping = !part.is_last;
            return None;
        }
        if part.is_last && self.begun.is_none() {
            return Some(part.piece); // all of it
        }
        let is_text = matches!(part.piece, Message::Text(_));
        let begun = self.begun.get_or_insert_with(|| Box::new(Begun { is_text, bytes: BytesMut::new() }));
        begun.bytes.extend_from_slice(part.piece.payload());
        if !part.is_last {
            return None;
        }
        self.begun.take().map(|begun| begun.into_message())
    }

    /// What has been added so far, as a part, for someone who goes on part by part.
    pub(crate) fn take(&mut self) -> Option<Part> {
        let begun = self.begun.take()?;
        self.is_skipping = true;
        Some(Part { piece: begun.into_message(), is_last: false })
    }

    /// A part was received as such.
    pub(crate) fn passed(&mut self, part: &Part) {
        self.is_skipping = !part.is_last;
    }
}

impl Begun {
    fn into_message(self) -> Message {
        let bytes = self.bytes.freeze();
        match self.is_text {
            true => Text::try_from(bytes.clone()).map_or(Message::Binary(bytes), Message::Text), // pieces of text make a text
            false => Message::Binary(bytes),
        }
    }
}
