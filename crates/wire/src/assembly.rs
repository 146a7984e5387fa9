//! A message that is arriving in parts.

use bytes::BytesMut;

use crate::{Message, Part, ProtocolError, Text};

/// An end to what a peer can make us do for nothing. Others send a few at most, behind a flush or in front of the end.
const EMPTY_FRAGMENTS: u16 = 1000;

/// So many bytes are reserved for each that has come, if a frame promises them: a promise alone costs nothing, and a message in one frame is
/// copied for a thirtieth at most while it grows. A message of the default limit is not copied at all behind a read of 64 KiB, nor of half.
const PROMISED: usize = 32;

/// Room is lent from so many bytes on. Where fewer are to come or to be reserved, reading past them saves more than not copying them.
const LEND_FROM: usize = 32 * 1024;

/// At most so much is lent at once, so that it is in the processor's cache when it is unmasked and checked.
const LEND: usize = 256 * 1024;

/// The data frame that is being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    pub(crate) mask: Option<[u8; 4]>,
    /// How many bytes of its payload are in the message.
    pub(crate) taken: usize,
    /// How many are still to come.
    pub(crate) left: usize,
}

/// The parts of one message so far, unmasked and inflated. Text is checked as it comes, so that a bad byte is found when it arrives and not
/// when the message ends.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) frame: Frame,
    is_text: bool,
    pub(crate) is_compressed: bool,
    /// The beginning was given out already.
    is_cut: bool,
    empty_fragments: u16,
    bytes: BytesMut,
    /// How many bytes are known to be UTF-8. What follows them is at most the beginning of one character.
    checked: usize,
    /// How many bytes were given out already.
    given: usize,
    /// How many bytes came by the wire, which is less where they were compressed.
    arrived: usize,
}

impl Assembly {
    pub(crate) fn new(is_text: bool, is_compressed: bool) -> Self {
        let frame = Frame::default();
        Self { frame, is_text, is_compressed, is_cut: false, empty_fragments: 0, bytes: BytesMut::new(), checked: 0, given: 0, arrived: 0 }
    }

    /// How many bytes may still come by the wire. Compressed ones may be many for one of the message's, but not without end.
    pub(crate) fn room(&self, limit: usize) -> usize {
        let most = if self.is_compressed { most_compressed(limit) } else { limit };
        most.saturating_sub(self.arrived)
    }

    /// Notes that so many bytes of the message have come by the wire.
    pub(crate) fn arrived(&mut self, count: usize) {
        self.arrived += count;
        self.frame.taken += count;
        self.frame.left -= count;
    }

    pub(crate) fn append(&mut self, part: &[u8], limit: usize) -> Result<(), ProtocolError> {
        let room = limit - (self.given + self.bytes.len());
        self.bytes.extend_from_slice(&part[..part.len().min(room)]);
        if self.is_text {
            self.check()?; // a bad byte in front of the limit is found first, in whatever parts they come
        }
        if part.len() > room { Err(ProtocolError::MessageTooBig { limit }) } else { Ok(()) }
    }

    /// Adds payload of the frame. What was read into room that was [lent](Self::lend) is where it belongs already.
    pub(crate) fn join(&mut self, part: BytesMut) -> Result<(), ProtocolError> {
        let count = part.len();
        if !self.bytes.is_empty() && self.bytes.as_ptr_range().end == part.as_ptr() {
            self.bytes.unsplit(part);
        } else {
            self.make_room(count);
            self.bytes.extend_from_slice(&part);
        }
        self.arrived(count);
        if self.is_text { self.check() } else { Ok(()) }
    }

    /// Room behind what has come, for some of what is still to come of the frame. What does not come back by [`join`](Self::join) is found
    /// again.
    pub(crate) fn lend(&mut self) -> Option<BytesMut> {
        let size = self.frame.left.min(self.bytes.len().saturating_mul(PROMISED)).min(LEND);
        if self.is_compressed || size < LEND_FROM {
            return None;
        }
        self.make_room(size);
        let mut room = self.bytes.split_off(self.bytes.len());
        drop(room.split_off(size)); // the frame may end there
        Some(room)
    }

    /// Makes room for `wanted` bytes of the frame.
    fn make_room(&mut self, wanted: usize) {
        if self.bytes.try_reclaim(wanted) {
            return;
        }
        let here = self.bytes.len() + wanted;
        let promised = self.frame.left.min(here.saturating_mul(PROMISED));
        let more = if self.frame.fin { promised } else { promised.max(here) };
        let mut larger = BytesMut::with_capacity(self.bytes.len() + more);
        larger.extend_from_slice(&self.bytes);
        self.bytes = larger;
    }

    /// A fragment has ended that held nothing, and it was not the last.
    pub(crate) fn count_empty_fragment(&mut self) -> Result<(), ProtocolError> {
        self.empty_fragments += 1;
        if self.empty_fragments > EMPTY_FRAGMENTS {
            return Err(ProtocolError::TooManyEmptyFragments { limit: EMPTY_FRAGMENTS });
        }
        Ok(())
    }

    pub(crate) fn room_in_part(&self, size: usize) -> usize {
        size.saturating_add(1).saturating_sub(self.bytes.len()).max(1)
    }

    /// What has come, if that is more than `size` bytes.
    pub(crate) fn cut(&mut self, size: usize) -> Option<Part> {
        if self.bytes.len() <= size {
            return None;
        }
        let end = if self.is_text { self.checked } else { self.bytes.len() };
        if end == 0 {
            return None; // not one whole character
        }
        let bytes = self.bytes.split_to(end).freeze();
        self.is_cut = true;
        self.checked = 0;
        self.given += end;
        let piece = if self.is_text { Message::Text(Text::checked(bytes)) } else { Message::Binary(bytes) };
        Some(Part { piece, is_last: false })
    }

    pub(crate) fn finish(self) -> Result<Finished, ProtocolError> {
        let bytes = self.bytes.freeze();
        if self.is_text && self.checked != bytes.len() {
            return Err(ProtocolError::InvalidUtf8); // it ends inside a character
        }
        let rest = if self.is_text { Message::Text(Text::checked(bytes)) } else { Message::Binary(bytes) };
        Ok(if self.is_cut { Finished::Part(Part { piece: rest, is_last: true }) } else { Finished::Message(rest) })
    }

    fn check(&mut self) -> Result<(), ProtocolError> {
        match simdutf8::compat::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            // No length: the end may yet become a character.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(ProtocolError::InvalidUtf8),
        }
        Ok(())
    }
}

/// What a complete message comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    Message(Message),
    /// The last part of it.
    Part(Part),
}

/// How many bytes a compressed message may have on the wire, so that no sender is refused: one that flushes often may need more bytes for a
/// message that does not shrink than the message has.
pub(crate) fn most_compressed(limit: usize) -> usize {
    limit.saturating_mul(2).saturating_add(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_in_any_parts_is_judged_as_it_would_be_whole(bytes in prop_oneof![any::<Vec<u8>>(), any::<String>().prop_map(String::into_bytes)], cuts: Vec<prop::sample::Index>) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut assembly = Assembly::new(true, false);
            let mut from = 0;
            let judged = cuts.into_iter().chain([bytes.len()]).try_for_each(|to| {
                let part = &bytes[from..to];
                from = to;
                assembly.append(part, usize::MAX)
            });
            let judged = judged.and_then(|()| assembly.finish());
            prop_assert_eq!(judged.is_ok(), std::str::from_utf8(&bytes).is_ok());
            if let Ok(Finished::Message(message)) = judged {
                prop_assert_eq!(&message.payload()[..], &bytes[..]);
            }
        }
    }

    /// A message of which so many bytes have come, in a frame of so many.
    fn begun(came: usize, promised: usize) -> Assembly {
        let mut assembly = Assembly::new(false, false);
        assembly.frame = Frame { fin: true, left: promised, ..Frame::default() };
        assert_eq!(assembly.join(BytesMut::zeroed(came)), Ok(()));
        assembly
    }

    #[test]
    fn what_is_only_promised_costs_so_many_times_what_has_come_and_never_more_than_the_promise() {
        for (came, promised, most) in [(1000, 1 << 20, 32_000), (2047, 1 << 16, 65_504), (2048, 1 << 16, 1 << 16), (2049, 1 << 16, 1 << 16)]
        {
            assert_eq!(begun(came, promised).bytes.capacity(), most);
        }
    }

    #[test]
    fn a_message_in_small_fragments_grows_by_doubling() {
        let mut assembly = Assembly::new(false, false);
        let mut moved = 0;
        for _ in 0..1000 {
            let before = assembly.bytes.as_ptr();
            assembly.frame = Frame { fin: false, left: 100, ..Frame::default() };
            assert_eq!(assembly.join(BytesMut::zeroed(100)), Ok(()));
            moved += usize::from(assembly.bytes.as_ptr() != before);
        }
        assert!(moved <= 11 && assembly.bytes.capacity() <= 2 * 100_000, "{moved} times, {} bytes", assembly.bytes.capacity());
    }

    #[test]
    fn room_is_lent_from_a_size_on_up_to_the_end_of_the_frame_and_to_a_size() {
        let ends =
            [(LEND_FROM - 1, None), (LEND_FROM, Some(LEND_FROM)), (LEND - 1, Some(LEND - 1)), (LEND, Some(LEND)), (LEND + 1, Some(LEND))];
        for (left, lent) in ends {
            assert_eq!(begun(LEND, LEND + left).lend().map(|room| room.capacity()), lent);
        }
        let few = LEND_FROM / PROMISED;
        for (came, lent) in [(few - 1, None), (few, Some(LEND_FROM)), (few + 1, Some(LEND_FROM + PROMISED))] {
            assert_eq!(begun(came, 1 << 20).lend().map(|room| room.capacity()), lent);
        }
    }

    #[test]
    fn a_byte_that_nothing_can_mend_fails_at_once() {
        let mut assembly = Assembly::new(true, false);
        assert_eq!(assembly.append(&[0xf4], 2), Ok(()));
        assert_eq!(assembly.append(&[0x90], 2), Err(ProtocolError::InvalidUtf8), "0xf4 0x90 is beyond U+10FFFF whatever follows");
    }
}
