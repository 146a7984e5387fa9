//! What waits to be written.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::frame::Header;
use crate::{Role, mask};

/// Payloads below this are copied behind their header, so that many frames go out as one piece; larger ones are referred to.
const COPY_BELOW: usize = 4096;

/// A thread keeps so many buffers. More are in use at once only while several transports are blocked.
const KEPT: usize = 4;

/// A buffer that has grown beyond this is not kept.
const KEPT_SIZE: usize = 128 * 1024;

thread_local! {
    #[expect(clippy::vec_box, reason = "the boxes are what is lent")]
    static BUFFERS: RefCell<Vec<Box<Waiting>>> = const { RefCell::new(Vec::new()) };
}

/// Encoded frames on their way to the transport: a [`Buf`]. Write from it (vectored, if the transport can) and `advance` by what was taken.
/// It holds no memory while it is empty: its buffer is the thread's, which is lent for as long as something waits.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// use std::io::{IoSlice, Write};
/// use bytes::Buf;
///
/// # use silverback_wire::{Connection, Role};
/// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
/// # let mut socket = Vec::new();
/// server.send(vec![0; 10_000].into())?; // referred to, not copied: the header is a slice of its own
/// while let Some(out) = server.poll_transmit() {
///     let mut slices = [IoSlice::new(&[]); 8];
///     let count = out.chunks_vectored(&mut slices);
///     let taken = socket.write_vectored(&slices[..count])?;
///     out.advance(taken);
/// }
/// assert_eq!(socket.len(), 4 + 10_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Transmit {
    /// There when something waits.
    waiting: Option<Box<Waiting>>,
    length: usize,
    taken: u64,
    frames: u64,
}

/// Frames, in one piece but for the large payloads among them.
#[derive(Debug, Default)]
struct Waiting {
    copied: Vec<u8>,
    /// How much of `copied` was taken.
    from: usize,
    /// Large payloads, each with the length of `copied` in front of it.
    shared: VecDeque<(usize, Bytes)>,
}

impl Transmit {
    /// How many bytes were ever taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many frames were ever encoded.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// How many bytes will have been taken once everything that waits now is.
    pub(crate) fn end(&self) -> u64 {
        self.taken + self.length as u64
    }

    /// Encodes one frame with this header, whose length and mask are filled in. A client's payload is copied to be masked, a server's large
    /// one is not copied at all.
    pub(crate) fn frame(&mut self, role: Role, header: Header, payload: Bytes) {
        if role == Role::Client || payload.len() < COPY_BELOW {
            return self.copied_frame(role, header, &payload);
        }
        let (head, size) = Header { length: payload.len() as u64, ..header }.bytes();
        let waiting = self.begin(size + payload.len());
        waiting.copy(&head[..size], &[]);
        waiting.share(payload);
    }

    /// The same, of a payload that is only lent.
    pub(crate) fn copied_frame(&mut self, role: Role, header: Header, payload: &[u8]) {
        let mask = match role {
            Role::Server => None,
            Role::Client => Some(rand::random()), // unpredictable, RFC 6455, 10.3
        };
        let (head, size) = Header { mask, length: payload.len() as u64, ..header }.bytes();
        let waiting = self.begin(size + payload.len());
        waiting.copy(&head[..size], payload);
        if let Some(key) = mask {
            let start = waiting.copied.len() - payload.len();
            mask::apply(&mut waiting.copied[start..], key, 0);
        }
    }

    /// A server's frame that is encoded already.
    pub(crate) fn encoded(&mut self, frame: &Bytes) {
        let waiting = self.begin(frame.len());
        if frame.len() < COPY_BELOW {
            waiting.copy(frame, &[]);
        } else {
            waiting.share(frame.clone());
        }
    }

    /// So many frames went out beside this, but for the rest of the last one.
    pub(crate) fn went_past(&mut self, frames: u64, taken: u64, rest: &Bytes) {
        if !rest.is_empty() {
            self.encoded(rest);
            self.frames -= 1; // which is one of them
        }
        self.frames += frames;
        self.taken += taken;
    }

    /// The transport takes nothing more now. What waits may wait for long: the thread gets its buffer back if that is much larger.
    pub(crate) fn blocked(&mut self) {
        if let Some(waiting) = &mut self.waiting
            && let Some(buffer) = waiting.shrink()
        {
            give_back(Box::new(buffer));
        }
    }

    fn begin(&mut self, length: usize) -> &mut Waiting {
        self.frames += 1;
        self.length += length;
        self.waiting.get_or_insert_with(lend)
    }
}

/// A connection may be dropped while its thread ends and has no buffers any more.
fn lend() -> Box<Waiting> {
    BUFFERS.try_with(|kept| kept.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

fn give_back(mut buffer: Box<Waiting>) {
    buffer.copied.clear();
    buffer.from = 0;
    buffer.shared.clear();
    if buffer.copied.capacity() <= KEPT_SIZE && buffer.shared.capacity() * size_of::<(usize, Bytes)>() <= KEPT_SIZE {
        let _ = BUFFERS.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT {
                kept.push(buffer);
            }
        });
    }
}

impl Waiting {
    fn copy(&mut self, head: &[u8], payload: &[u8]) {
        let size = head.len() + payload.len();
        if self.copied.capacity() - self.copied.len() < size && self.from > self.copied.len() / 2 {
            self.forget_taken();
        }
        self.copied.reserve(size);
        self.copied.extend_from_slice(head);
        self.copied.extend_from_slice(payload);
    }

    fn share(&mut self, payload: Bytes) {
        self.shared.push_back((self.copied.len(), payload));
    }

    /// The piece that is copied and goes out next, which may be empty.
    fn front(&self) -> &[u8] {
        let end = self.shared.front().map_or(self.copied.len(), |(at, _)| *at);
        &self.copied[self.from..end]
    }

    fn chunk(&self) -> &[u8] {
        match (self.front(), self.shared.front()) {
            ([], Some((_, payload))) => payload,
            (front, _) => front,
        }
    }

    fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.from;
        let shared = self.shared.iter().flat_map(move |(at, payload)| {
            let copied = &self.copied[from..*at];
            from = *at;
            [copied, payload]
        });
        let last = &self.copied[self.shared.back().map_or(self.from, |(at, _)| *at)..];
        shared.chain([last]).filter(|chunk| !chunk.is_empty())
    }

    fn advance(&mut self, mut count: usize) {
        loop {
            let front = self.front().len();
            let copied = count.min(front);
            self.from += copied;
            count -= copied;
            if count == 0 {
                return;
            }
            let Some((_, payload)) = self.shared.front_mut() else { return };
            if count < payload.len() {
                return payload.advance(count);
            }
            count -= payload.len();
            self.shared.pop_front();
        }
    }

    fn forget_taken(&mut self) {
        self.copied.drain(..self.from);
        self.shared.iter_mut().for_each(|(at, _)| *at -= self.from);
        self.from = 0;
    }

    /// Moves to a buffer of its own size, if that is a quarter of this one at most, which is what remains.
    fn shrink(&mut self) -> Option<Self> {
        if self.copied.capacity() / 4 < self.copied.len() - self.from || self.copied.capacity() < COPY_BELOW {
            return None;
        }
        let shared = self.shared.iter().map(|(at, payload)| (at - self.from, payload.clone())).collect();
        let own = Self { copied: self.copied[self.from..].to_vec(), from: 0, shared };
        Some(std::mem::replace(self, own))
    }
}

impl Buf for Transmit {
    #[inline]
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.waiting.as_ref().map_or(&[], |waiting| waiting.chunk())
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let Some(waiting) = &self.waiting else { return 0 };
        slices.iter_mut().zip(waiting.chunks()).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, count: usize) {
        assert!(count <= self.length, "cannot advance past the end");
        self.length -= count;
        self.taken += count as u64;
        if self.length == 0 {
            self.waiting.take().into_iter().for_each(give_back);
        } else if let Some(waiting) = &mut self.waiting {
            waiting.advance(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::frame::Opcode;

    fn drain(transmit: &mut Transmit, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while transmit.has_remaining() {
            let step = step.min(transmit.chunk().len());
            out.extend_from_slice(&transmit.chunk()[..step]);
            transmit.advance(step);
        }
        out
    }

    fn vectored(transmit: &Transmit) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 64];
        let filled = transmit.chunks_vectored(&mut slices);
        slices[..filled].iter().map(|slice| &slice[..]).collect::<Vec<_>>().concat()
    }

    fn binary(transmit: &mut Transmit, payload: &Bytes) {
        transmit.frame(Role::Server, Header::whole(Opcode::Binary), payload.clone());
    }

    fn expected(payloads: &[Bytes]) -> BytesMut {
        let mut expected = BytesMut::new();
        for payload in payloads {
            Header { length: payload.len() as u64, ..Header::whole(Opcode::Binary) }.encode(&mut expected);
            expected.extend_from_slice(payload);
        }
        expected
    }

    fn payloads() -> [Bytes; 9] {
        [0, 1, COPY_BELOW - 1, COPY_BELOW, COPY_BELOW + 1, COPY_BELOW, 3, 70_000, 5].map(|size| Bytes::from(vec![size as u8; size]))
    }

    #[test]
    fn frames_come_out_in_order_whatever_their_size_and_the_steps() {
        for step in [1, 7, 5000, usize::MAX] {
            let mut transmit = Transmit::default();
            payloads().iter().for_each(|payload| binary(&mut transmit, payload));
            let expected = expected(&payloads());
            assert_eq!(transmit.remaining(), expected.len());
            assert_eq!(vectored(&transmit), expected);
            assert_eq!(drain(&mut transmit, step), expected);
        }
    }

    #[test]
    fn a_step_may_end_anywhere_and_what_is_sent_behind_it_follows() {
        let mut transmit = Transmit::default();
        let mut out = Vec::new();
        for round in 0..20 {
            payloads().iter().for_each(|payload| binary(&mut transmit, payload));
            for _ in 0..3 {
                let mut taken = vectored(&transmit);
                taken.truncate(20_000 + round);
                transmit.advance(taken.len());
                out.extend(taken);
            }
            if round % 7 == 0 {
                transmit.blocked();
            }
        }
        out.extend(drain(&mut transmit, usize::MAX));
        assert_eq!(out, expected(&payloads()).repeat(20));
    }

    #[test]
    fn what_was_taken_is_forgotten_though_something_always_waits() {
        let mut transmit = Transmit::default();
        let payload = Bytes::from(vec![7; 1000]);
        binary(&mut transmit, &payload);
        for _ in 0..10_000 {
            binary(&mut transmit, &payload);
            transmit.advance(1004);
        }
        assert!(transmit.waiting.is_some_and(|waiting| waiting.copied.capacity() < KEPT_SIZE));
    }

    #[test]
    fn nothing_is_held_once_it_is_empty() {
        let mut transmit = Transmit::default();
        binary(&mut transmit, &Bytes::from_static(b"hello"));
        binary(&mut transmit, &Bytes::from(vec![b'x'; COPY_BELOW]));
        drain(&mut transmit, 100);
        assert!(transmit.waiting.is_none());
    }

    #[test]
    fn a_buffer_that_has_grown_is_lent_again_up_to_a_size() {
        for (size, is_kept) in [(KEPT_SIZE - 1, true), (KEPT_SIZE, true), (KEPT_SIZE + 1, false)] {
            let buffer = Waiting { copied: Vec::with_capacity(size), ..Waiting::default() };
            let kept = std::thread::spawn(|| {
                give_back(Box::new(buffer));
                BUFFERS.with_borrow(Vec::len)
            });
            assert_eq!(kept.join().unwrap(), usize::from(is_kept));
        }
    }

    #[test]
    fn a_thread_keeps_a_few_buffers() {
        let kept = std::thread::spawn(|| {
            (1..KEPT + 3).map(|_| give_back(Box::default())).count();
            BUFFERS.with_borrow(Vec::len)
        });
        assert_eq!(kept.join().unwrap(), KEPT);
    }

    #[test]
    fn a_small_rest_that_is_blocked_does_not_hold_a_large_buffer() {
        let mut transmit = Transmit::default();
        (0..60).for_each(|_| binary(&mut transmit, &Bytes::from(vec![7; 1000])));
        transmit.advance(60 * 1004 - 10);
        transmit.blocked();
        assert!(transmit.waiting.as_ref().is_some_and(|waiting| waiting.copied.capacity() < 100));
        assert_eq!(drain(&mut transmit, usize::MAX), [7; 10]);
    }
}
