//! From bytes to messages and control frames.

use bytes::{Buf, Bytes, BytesMut};

use crate::assembly::{Assembly, Finished, most_compressed};
use crate::deflate::Decompressor;
use crate::frame::{Beginning, Header, Opcode, RSV1};
use crate::{CloseFrame, Config, Message, Part, ProtocolError, Role, Text, mask};

/// A payload of at least this many bytes is taken out of the buffer it arrived in. A smaller one is copied: a message that an
/// application keeps must not keep a whole read buffer alive.
const SHARE_FROM: usize = 16 * 1024;

/// What arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message(Message),
    Part(Part),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseFrame),
}

/// Reads frames out of the bytes it is fed, one at a time and only when asked, so that whoever stops asking stops the reading.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    input: BytesMut,
    /// How many bytes at the front of `input` are payload that is unmasked already.
    unmasked: usize,
    /// Frames whose headers were read.
    frames: u64,
    at: Position,
    /// Boxed: most connections are between messages.
    message: Option<Box<Assembly>>,
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

/// A message of at most 125 bytes.
struct Small {
    is_text: bool,
    /// How many bytes its header has, which ends with the masking key if there is one.
    header: usize,
    length: usize,
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
        *self = Self { frames: self.frames, ..Self::default() };
    }

    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether what arrived last is a beginning whose rest is awaited.
    pub(crate) fn is_inside(&self) -> bool {
        self.message.is_some() || !self.input.is_empty() || !matches!(self.at, Position::Header)
    }

    /// Whether nothing is here and nothing is awaited. The buffer that was read to its end is free for others then.
    #[inline]
    pub(crate) fn is_done(&mut self) -> bool {
        let is_done = !self.is_inside();
        if is_done {
            self.input = BytesMut::new();
        }
        is_done
    }

    /// The next thing that is whole, or `None` when more bytes are needed. After an error there is nothing more to read. A decompressor is
    /// there when permessage-deflate was negotiated.
    #[inline]
    pub(crate) fn next(
        &mut self,
        role: Role,
        config: &Config,
        decompressor: Option<&mut Decompressor>,
    ) -> Result<Option<Incoming>, ProtocolError> {
        match self.small_message(role, config) {
            Some(small) => self.take_small(small).map(Some),
            None => self.read_on(role, config, decompressor),
        }
    }

    /// A short message in one frame that is here whole, as most are: nothing else in its header is to be judged.
    #[inline]
    fn small_message(&self, role: Role, config: &Config) -> Option<Small> {
        let (Position::Header, None, [first @ (0x81 | 0x82), second, ..]) = (&self.at, &self.message, &self.input[..]) else { return None };
        let (header, length) = match role {
            Role::Server => (6, usize::from(second.checked_sub(0x80)?)),
            Role::Client => (2, usize::from(*second)),
        };
        let most = config.part_size.unwrap_or(125).min(config.message_limit).min(125);
        (length <= most && header + length <= self.input.len()).then_some(Small { is_text: *first == 0x81, header, length })
    }

    #[inline]
    fn take_small(&mut self, Small { is_text, header, length }: Small) -> Result<Incoming, ProtocolError> {
        self.frames += 1;
        let (head, rest) = self.input.split_at_mut(header);
        let payload = &mut rest[..length];
        if let [_, _, a, b, c, d] = *head {
            mask::apply(payload, [a, b, c, d], 0);
        }
        if is_text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(ProtocolError::InvalidUtf8);
        }
        let payload = Bytes::copy_from_slice(payload);
        self.input.advance(header + length);
        Ok(whole(is_text, payload))
    }

    fn read_on(
        &mut self,
        role: Role,
        config: &Config,
        mut decompressor: Option<&mut Decompressor>,
    ) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            let found = match self.at {
                Position::Header => {
                    let is_deflate = decompressor.is_some();
                    let Some((header, size)) = self.judged_header(role, config.message_limit, is_deflate)? else { return Ok(self.wait()) };
                    self.input.advance(size);
                    self.frames += 1;
                    self.begin(header, config)?
                }
                Position::Control { length, .. } if self.input.len() < length => return Ok(self.wait()),
                Position::Control { opcode, mask, length } => {
                    self.at = Position::Header;
                    Some(self.take_control(opcode, mask, length)?)
                }
                Position::Payload { fin, mask, taken, left } => {
                    let has_more = |decompressor: &Option<&mut Decompressor>| decompressor.as_ref().is_some_and(|it| it.has_more());
                    if left > 0 && self.input.is_empty() && !has_more(&decompressor) {
                        return Ok(self.wait());
                    }
                    let here = left.min(self.input.len()).min(self.room_in_part(config));
                    let part = self.take_part(mask, taken, here, config, decompressor.as_deref_mut())?;
                    let (taken, left) = (taken + part, left - part);
                    self.at = Position::Payload { fin, mask, taken, left };
                    if let Some(part) = self.cut_part(config) {
                        Some(Incoming::Part(part))
                    } else if left == 0 && !has_more(&decompressor) {
                        self.at = Position::Header;
                        self.end_of_frame(fin, taken == 0, config, decompressor.as_deref_mut())?
                    } else {
                        None
                    }
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Reads a header and judges it in its context, byte by byte, so that what is wrong is found as soon as it arrives and whatever the
    /// pieces it arrives in.
    #[inline]
    fn judged_header(&self, role: Role, message_limit: usize, is_deflate: bool) -> Result<Option<(Header, usize)>, ProtocolError> {
        let Some(header) = Beginning::decode(&self.input)? else { return Ok(None) };
        let begins_message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        match header.reserved {
            0 => {}
            RSV1 if is_deflate && begins_message => {}
            RSV1 if is_deflate => return Err(ProtocolError::CompressedBitMisplaced),
            reserved => return Err(ProtocolError::ReservedBits(reserved)),
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
        let Some((length, at)) = header.length(&self.input)? else { return Ok(None) };
        let room = match &self.message {
            Some(message) => message.room(message_limit),
            None if header.reserved == RSV1 => most_compressed(message_limit),
            None => message_limit,
        };
        if !header.opcode.is_control() && length > room as u64 {
            return Err(ProtocolError::MessageTooBig { limit: message_limit });
        }
        Ok(header.header(length, at, &self.input))
    }

    /// Goes to the payload of a frame whose header was judged. A message that is here in one frame and whole is taken at once.
    fn begin(&mut self, header: Header, config: &Config) -> Result<Option<Incoming>, ProtocolError> {
        let length = header.length as usize; // at most twice the limit of a message, which is a `usize`, or 125
        if header.opcode.is_control() {
            self.at = Position::Control { opcode: header.opcode, mask: header.mask, length };
            return Ok(None);
        }
        let is_text = header.opcode == Opcode::Text;
        let is_compressed = header.reserved == RSV1;
        let is_whole = self.message.is_none() && header.fin && !is_compressed && length <= self.input.len();
        if is_whole && config.part_size.is_none_or(|size| length <= size) {
            return self.take_whole(is_text, header.mask, length).map(Some);
        }
        self.message.get_or_insert_with(|| Box::new(Assembly::new(is_text, is_compressed)));
        self.at = Position::Payload { fin: header.fin, mask: header.mask, taken: 0, left: length };
        Ok(None)
    }

    #[inline]
    fn take_whole(&mut self, is_text: bool, mask: Option<[u8; 4]>, length: usize) -> Result<Incoming, ProtocolError> {
        let payload = self.unmasked(mask, 0, length);
        if is_text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(ProtocolError::InvalidUtf8);
        }
        let payload = if length < SHARE_FROM {
            self.copy(length)
        } else {
            self.unmasked = 0;
            self.input.split_to(length).freeze()
        };
        Ok(whole(is_text, payload))
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

    /// Takes what is here of the payload of a data frame, or, if it is compressed, some of it. Tells how many bytes it took.
    fn take_part(
        &mut self,
        mask: Option<[u8; 4]>,
        taken: usize,
        length: usize,
        config: &Config,
        decompressor: Option<&mut Decompressor>,
    ) -> Result<usize, ProtocolError> {
        let _ = self.unmasked(mask, taken, length);
        let Some(message) = &mut self.message else { return Ok(0) }; // there is one wherever there is payload
        let part = &self.input[..length];
        let count = match decompressor.filter(|_| message.is_compressed) {
            Some(decompressor) if length > 0 || decompressor.has_more() => {
                decompressor.inflate(part, |bytes| message.append(bytes, config.message_limit))?
            }
            _ => message.append(part, config.message_limit).map(|()| length)?,
        };
        message.arrived(count);
        self.advance(count);
        Ok(count)
    }

    /// So many bytes make the next part large enough to be cut off. Compressed ones may make it larger by what is inflated at a time.
    fn room_in_part(&self, config: &Config) -> usize {
        match (config.part_size, &self.message) {
            (Some(size), Some(message)) if !message.is_compressed => message.room_in_part(size),
            _ => usize::MAX,
        }
    }

    fn cut_part(&mut self, config: &Config) -> Option<Part> {
        self.message.as_mut()?.cut(config.part_size?)
    }

    fn end_of_frame(
        &mut self,
        fin: bool,
        is_empty: bool,
        config: &Config,
        decompressor: Option<&mut Decompressor>,
    ) -> Result<Option<Incoming>, ProtocolError> {
        let Some(message) = &mut self.message else { return Ok(None) };
        if !fin {
            return if is_empty { message.count_empty_fragment().map(|()| None) } else { Ok(None) };
        }
        if let Some(decompressor) = decompressor.filter(|_| message.is_compressed) {
            decompressor.finish(|bytes| message.append(bytes, config.message_limit))?;
        }
        let finished = self.message.take().map(|message| message.finish()).transpose()?;
        Ok(finished.map(|finished| match finished {
            Finished::Message(message) => Incoming::Message(message),
            Finished::Part(part) => Incoming::Part(part),
        }))
    }

    /// The next `length` bytes, unmasked where they are. `taken` bytes of the same payload came before.
    #[inline]
    fn unmasked(&mut self, mask: Option<[u8; 4]>, taken: usize, length: usize) -> &[u8] {
        if let Some(key) = mask
            && self.unmasked < length
        {
            mask::apply(&mut self.input[self.unmasked..length], key, taken + self.unmasked);
            self.unmasked = length;
        }
        &self.input[..length]
    }

    /// Lets go of payload that was taken.
    fn advance(&mut self, count: usize) {
        self.input.advance(count);
        self.unmasked = self.unmasked.saturating_sub(count);
    }

    fn copy(&mut self, length: usize) -> Bytes {
        let bytes = Bytes::copy_from_slice(&self.input[..length]);
        self.advance(length);
        bytes
    }

    /// More bytes are needed. The few that are here are copied, so that the buffer they came in is free for others.
    fn wait(&mut self) -> Option<Incoming> {
        self.input = if self.input.is_empty() { BytesMut::new() } else { BytesMut::from(&self.input[..]) };
        None
    }
}

#[inline]
fn whole(is_text: bool, payload: Bytes) -> Incoming {
    Incoming::Message(if is_text { Message::Text(Text::checked(payload)) } else { Message::Binary(payload) })
}
