//! One message for many receivers.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use bytes::{Bytes, BytesMut};

use crate::deflate::Kind;
use crate::frame::Header;
use crate::{Message, Text};

/// A message that is encoded once, and compressed once for each kind of compressor that its receivers have negotiated, however many they
/// are. Cloning is cheap: clones share their bytes.
///
/// ```
/// use silverback_wire::{Message, Prepared};
///
/// let news = Prepared::new("to everybody");
/// assert_eq!(news.message(), &Message::text("to everybody"));
/// ```
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Frames>);

#[derive(Debug)]
struct Frames {
    /// Shares the bytes of `plain`.
    message: Message,
    /// As a server sends it.
    plain: Bytes,
    /// At most one for each kind; `None` where the message does not shrink.
    compressed: Mutex<Vec<(Kind, Option<Compressed>)>>,
}

/// A compressed message as a server sends it.
#[derive(Debug, Clone)]
pub(crate) struct Compressed {
    pub(crate) frame: Bytes,
    header: usize,
}

impl Compressed {
    /// For a client, which has to mask it.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.frame[self.header..]
    }
}

impl Prepared {
    /// Encodes a message.
    pub fn new(message: impl Into<Message>) -> Self {
        let message = message.into();
        let (plain, header) = encode(Header::whole(message.opcode()), message.payload());
        let payload = plain.slice(header..);
        let message = match message {
            Message::Text(_) => Message::Text(Text::checked(payload)),
            Message::Binary(_) => Message::Binary(payload),
        };
        Self(Arc::new(Frames { message, plain, compressed: Mutex::default() }))
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.0.message
    }

    pub(crate) fn plain(&self) -> &Bytes {
        &self.0.plain
    }

    /// The message as this kind of compressor makes it; `None` when it does not shrink. Whoever comes first makes it, and others wait as
    /// long as that takes.
    pub(crate) fn compressed(&self, kind: Kind) -> Option<Compressed> {
        let mut known = self.0.compressed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, compressed)) = known.iter().find(|(other, _)| *other == kind) {
            return compressed.clone();
        }
        let payload = self.0.message.payload();
        let compressed = Some(kind.compress(payload)).filter(|shrunk| shrunk.len() < payload.len()).map(|shrunk| {
            let (frame, header) = encode(Header::compressed(self.0.message.opcode()), &shrunk);
            Compressed { frame, header }
        });
        known.push((kind, compressed.clone()));
        compressed
    }

    /// The same without waiting: `None` where it is not known yet.
    pub(crate) fn compressed_at_hand(&self, kind: Kind) -> Option<Option<Compressed>> {
        let known = match self.0.compressed.try_lock() {
            Ok(known) => known,
            Err(TryLockError::Poisoned(known)) => known.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        known.iter().find(|(other, _)| *other == kind).map(|(_, compressed)| compressed.clone())
    }
}

impl<M: Into<Message>> From<M> for Prepared {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

/// A frame as a server sends it, and how long its header is.
fn encode(header: Header, payload: &[u8]) -> (Bytes, usize) {
    let mut frame = BytesMut::with_capacity(Header::LONGEST + payload.len());
    Header { length: payload.len() as u64, ..header }.encode(&mut frame);
    let length = frame.len();
    frame.extend_from_slice(payload);
    (frame.freeze(), length)
}
