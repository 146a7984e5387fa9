//! From bytes to messages and control frames.

use bytes::{Bytes, BytesMut};

use crate::assembly::Assembly;
use crate::frame::{Header, Opcode};
use crate::{CloseFrame, Message, ProtocolError, Role, Text, mask};

/// A payload of at least this many bytes is taken out of the buffer it arrived in. A smaller one is copied: a message that an
/// application keeps must not keep a whole read buffer alive.
const SHARE_FROM: usize = 16 * 1024;

/// What arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseFrame),
}

/// Reads frames out of the bytes it is fed, one at a time and only when asked, so that whoever stops asking stops the reading.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    input: BytesMut,
    at: Position,
    message: Option<Assembly>,
}

#[derive(Debug, Default)]
enum Position {
    /// In front of a frame, or inside its header.
    #[default]
    Header,
    /// Behind the header of a control frame, whose payload is wanted whole.
    Control { opcode: Opcode, mask: Option<[u8; 4]>, length: usize },
    /// Inside the payload of a data frame. `taken` bytes of it are in the message already.
    Payload { fin: bool, mask: Option<[u8; 4]>, taken: usize, left: usize },
}

impl Reader {
    pub(crate) fn feed(&mut self, bytes: BytesMut) {
        if self.input.is_empty() {
            self.input = bytes;
        } else {
            self.input.unsplit(bytes);
        }
    }

    /// Whether bytes are here that have not been asked for.
    pub(crate) fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// Drops everything. Used once nothing that arrives matters any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next thing that is whole, or `None` when more bytes are needed. After an error there is nothing more to read.
    pub(crate) fn next(&mut self, role: Role, message_limit: usize) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            let found = match self.at {
                Position::Header => match Header::decode(&self.input) {
                    Ok(Some((header, size))) => {
                        let _ = self.input.split_to(size);
                        self.begin(header, role, message_limit)?
                    }
                    Ok(None) => return self.wait(),
                    Err(error) => return Err(error),
                },
                Position::Control { length, .. } if self.input.len() < length => return self.wait(),
                Position::Control { opcode, mask, length } => {
                    self.at = Position::Header;
                    Some(self.take_control(opcode, mask, length)?)
                }
                Position::Payload { fin, mask, taken, left } => {
                    let part = left.min(self.input.len());
                    if part == 0 && left > 0 {
                        return self.wait();
                    }
                    self.take_part(mask, taken, part)?;
                    if part < left {
                        self.at = Position::Payload { fin, mask, taken: taken + part, left: left - part };
                        None
                    } else {
                        self.at = Position::Header;
                        self.end_of_frame(fin)?
                    }
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Judges a header in its context and goes to its payload. A message that is here in one frame and whole is taken at once.
    fn begin(&mut self, header: Header, role: Role, message_limit: usize) -> Result<Option<Incoming>, ProtocolError> {
        // RSV1 will mark the first frame of a compressed message once permessage-deflate is negotiated.
        if header.reserved != 0 {
            return Err(ProtocolError::ReservedBits(header.reserved));
        }
        match (role, header.mask) {
            (Role::Server, None) => return Err(ProtocolError::UnmaskedFrame),
            (Role::Client, Some(_)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        if header.opcode.is_control() {
            // Below 126, which the header's decoding has checked.
            self.at = Position::Control { opcode: header.opcode, mask: header.mask, length: header.length as usize };
            return Ok(None);
        }
        match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(ProtocolError::MessageInsideMessage),
            _ => {}
        }
        let so_far = self.message.as_ref().map_or(0, Assembly::len);
        let length = match usize::try_from(header.length) {
            Ok(length) if length <= message_limit.saturating_sub(so_far) => length,
            _ => return Err(ProtocolError::MessageTooBig { limit: message_limit }),
        };
        let is_text = header.opcode == Opcode::Text;
        if self.message.is_none() && header.fin && length <= self.input.len() {
            return self.take_whole(is_text, header.mask, length).map(Some);
        }
        self.message.get_or_insert_with(|| Assembly::new(is_text));
        self.at = Position::Payload { fin: header.fin, mask: header.mask, taken: 0, left: length };
        Ok(None)
    }

    fn take_whole(&mut self, is_text: bool, mask: Option<[u8; 4]>, length: usize) -> Result<Incoming, ProtocolError> {
        let payload = self.take(mask, 0, length);
        if is_text && simdutf8::basic::from_utf8(&payload).is_err() {
            return Err(ProtocolError::InvalidUtf8);
        }
        let payload = if length < SHARE_FROM { Bytes::copy_from_slice(&payload) } else { payload.freeze() };
        Ok(Incoming::Message(if is_text { Message::Text(Text::checked(payload)) } else { Message::Binary(payload) }))
    }

    fn take_control(&mut self, opcode: Opcode, mask: Option<[u8; 4]>, length: usize) -> Result<Incoming, ProtocolError> {
        let payload = self.take(mask, 0, length);
        Ok(match opcode {
            Opcode::Close => Incoming::Close(CloseFrame::decode(&payload)?),
            Opcode::Ping => Incoming::Ping(Bytes::copy_from_slice(&payload)),
            _ => Incoming::Pong(Bytes::copy_from_slice(&payload)),
        })
    }

    fn take_part(&mut self, mask: Option<[u8; 4]>, taken: usize, length: usize) -> Result<(), ProtocolError> {
        let part = self.take(mask, taken, length);
        match &mut self.message {
            Some(message) => message.append(&part),
            None => Ok(()),
        }
    }

    fn end_of_frame(&mut self, fin: bool) -> Result<Option<Incoming>, ProtocolError> {
        if !fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.finish().map(Incoming::Message)).transpose()
    }

    /// The next `length` bytes, unmasked. `taken` bytes of the same payload came before.
    fn take(&mut self, mask: Option<[u8; 4]>, taken: usize, length: usize) -> BytesMut {
        let mut bytes = self.input.split_to(length);
        if let Some(key) = mask {
            mask::apply(&mut bytes, key, taken);
        }
        bytes
    }

    /// More bytes are needed. The few that are here are copied, so that the buffer they came in is free for others.
    fn wait(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        self.input = if self.input.is_empty() { BytesMut::new() } else { BytesMut::from(&self.input[..]) };
        Ok(None)
    }
}
