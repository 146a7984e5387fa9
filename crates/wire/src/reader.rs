//! From bytes to messages and control frames.

use bytes::{Buf, Bytes, BytesMut};

use crate::assembly::Assembly;
use crate::frame::{Beginning, Header, Opcode};
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

    /// Drops everything. Used once nothing that arrives matters any more.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next thing that is whole, or `None` when more bytes are needed. After an error there is nothing more to read.
    pub(crate) fn next(&mut self, role: Role, message_limit: usize) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            let found = match self.at {
                Position::Header => {
                    self.judge_header(role, message_limit)?;
                    let Some((header, size)) = Header::decode(&self.input)? else { return self.wait() };
                    self.input.advance(size);
                    self.begin(header)?
                }
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

    /// Judges a header in its context, byte by byte, so that what is wrong is found as soon as it arrives and whatever the pieces it
    /// arrives in.
    fn judge_header(&self, role: Role, message_limit: usize) -> Result<(), ProtocolError> {
        let Some(header) = Beginning::decode(&self.input)? else { return Ok(()) };
        // RSV1 will mark the first frame of a compressed message once permessage-deflate is negotiated.
        if header.reserved != 0 {
            return Err(ProtocolError::ReservedBits(header.reserved));
        }
        match (header.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(ProtocolError::MessageInsideMessage),
            _ => {}
        }
        match (role, header.is_masked) {
            (Role::Server, Some(false)) => return Err(ProtocolError::UnmaskedFrame),
            (Role::Client, Some(true)) => return Err(ProtocolError::MaskedFrame),
            _ => {}
        }
        let so_far = self.message.as_ref().map_or(0, Assembly::len);
        let room = message_limit.saturating_sub(so_far);
        match Header::decode_length(&self.input)? {
            Some(length) if !header.opcode.is_control() && length > room as u64 => {
                Err(ProtocolError::MessageTooBig { limit: message_limit })
            }
            _ => Ok(()),
        }
    }

    /// Goes to the payload of a frame whose header was judged. A message that is here in one frame and whole is taken at once.
    fn begin(&mut self, header: Header) -> Result<Option<Incoming>, ProtocolError> {
        let length = header.length as usize; // at most the limit of a message, which is a `usize`, or 125
        if header.opcode.is_control() {
            self.at = Position::Control { opcode: header.opcode, mask: header.mask, length };
            return Ok(None);
        }
        let is_text = header.opcode == Opcode::Text;
        if self.message.is_none() && header.fin && length <= self.input.len() {
            return self.take_whole(is_text, header.mask, length).map(Some);
        }
        self.message.get_or_insert_with(|| Assembly::new(is_text));
        self.at = Position::Payload { fin: header.fin, mask: header.mask, taken: 0, left: length };
        Ok(None)
    }

    fn take_whole(&mut self, is_text: bool, mask: Option<[u8; 4]>, length: usize) -> Result<Incoming, ProtocolError> {
        let payload = self.unmasked(mask, 0, length);
        if is_text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(ProtocolError::InvalidUtf8);
        }
        let payload = if length < SHARE_FROM { self.copy(length) } else { self.input.split_to(length).freeze() };
        Ok(Incoming::Message(if is_text { Message::Text(Text::checked(payload)) } else { Message::Binary(payload) }))
    }

    fn take_control(&mut self, opcode: Opcode, mask: Option<[u8; 4]>, length: usize) -> Result<Incoming, ProtocolError> {
        let _ = self.unmasked(mask, 0, length);
        let payload = self.copy(length);
        Ok(match opcode {
            Opcode::Close => Incoming::Close(CloseFrame::decode(&payload)?),
            Opcode::Ping => Incoming::Ping(payload),
            _ => Incoming::Pong(payload),
        })
    }

    fn take_part(&mut self, mask: Option<[u8; 4]>, taken: usize, length: usize) -> Result<(), ProtocolError> {
        let _ = self.unmasked(mask, taken, length);
        if let Some(message) = &mut self.message {
            message.append(&self.input[..length])?;
        }
        self.input.advance(length);
        Ok(())
    }

    fn end_of_frame(&mut self, fin: bool) -> Result<Option<Incoming>, ProtocolError> {
        if !fin {
            return Ok(None);
        }
        self.message.take().map(|message| message.finish().map(Incoming::Message)).transpose()
    }

    /// The next `length` bytes, unmasked where they are. `taken` bytes of the same payload came before.
    fn unmasked(&mut self, mask: Option<[u8; 4]>, taken: usize, length: usize) -> &[u8] {
        let bytes = &mut self.input[..length];
        if let Some(key) = mask {
            mask::apply(bytes, key, taken);
        }
        bytes
    }

    fn copy(&mut self, length: usize) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.input[..length]);
        self.input.advance(length);
        bytes
    }

    /// More bytes are needed. The few that are here are copied, so that the buffer they came in is free for others.
    fn wait(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        self.input = if self.input.is_empty() { BytesMut::new() } else { BytesMut::from(&self.input[..]) };
        Ok(None)
    }
}
