//! What waits in the queue, and what of it is encoded in one go.

use silverback_wire::{Connection, Message, Part};

use crate::outgoing::Outgoing;

#[derive(Debug)]
pub(crate) enum Content {
    Whole(Outgoing),
    /// The first part of a message; the others follow it by way of `Outbox::part`.
    FirstPart(Part),
    Part(Part),
}

/// What is taken out of the queue under one lock, and encoded without it.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    contents: [Option<Content>; 16],
    len: usize,
}

impl Batch {
    pub(crate) fn has_room(&self) -> bool {
        self.len < self.contents.len()
    }

    /// Adds one; there must be room.
    pub(crate) fn push(&mut self, content: Content) {
        self.contents[self.len] = Some(content);
        self.len += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Encodes it, and leaves it empty.
    pub(crate) fn send(&mut self, connection: &mut Connection) {
        for content in self.contents.iter_mut().filter_map(Option::take) {
            // The connection was open when these were taken, and nothing else writes to it meanwhile.
            let _ = match content {
                Content::Whole(Outgoing::Message(message)) => connection.send(message),
                Content::Whole(Outgoing::Prepared(prepared)) => connection.send_prepared(&prepared),
                Content::FirstPart(part) | Content::Part(part) => connection.send_part(part),
            };
        }
        self.len = 0;
    }
}

impl Content {
    pub(crate) fn into_message(self) -> Message {
        match self {
            Self::Whole(outgoing) => outgoing.into_message(),
            Self::FirstPart(part) | Self::Part(part) => part.piece,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(outgoing) => outgoing.message().len(),
            Self::FirstPart(part) | Self::Part(part) => part.piece.len(),
        }
    }
}
