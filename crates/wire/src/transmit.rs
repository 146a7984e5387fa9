//! What waits to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::Header;
use crate::{Role, mask};

/// Payloads below this are copied behind their header, so that many frames go out as one piece; larger ones are referred to.
const COPY_BELOW: usize = 4096;

/// Encoded frames on their way to the transport: a [`Buf`]. Write from it (vectored, if the transport can) and `advance` by what was taken.
/// It holds no memory while it is empty.
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
    sealed: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    taken: u64,
    frames: u64,
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
        self.frames += 1;
        let before = self.tail.len();
        self.tail.reserve(Header::LONGEST);
        Header { length: payload.len() as u64, ..header }.encode(&mut self.tail);
        self.length += self.tail.len() - before;
        self.share(payload);
    }

    /// The same, of a payload that is only lent.
    pub(crate) fn copied_frame(&mut self, role: Role, header: Header, payload: &[u8]) {
        let mask = match role {
            Role::Server => None,
            Role::Client => Some(rand::random()), // unpredictable, RFC 6455, 10.3
        };
        self.frames += 1;
        let before = self.tail.len();
        self.tail.reserve(Header::LONGEST + payload.len());
        Header { mask, length: payload.len() as u64, ..header }.encode(&mut self.tail);
        let start = self.tail.len();
        self.tail.extend_from_slice(payload);
        if let Some(key) = mask {
            mask::apply(&mut self.tail[start..], key, 0);
        }
        self.length += self.tail.len() - before;
    }

    /// A server's frame that is encoded already.
    pub(crate) fn encoded(&mut self, frame: Bytes) {
        self.frames += 1;
        if frame.len() < COPY_BELOW {
            self.tail.extend_from_slice(&frame);
            self.length += frame.len();
        } else {
            self.share(frame);
        }
    }

    fn share(&mut self, bytes: Bytes) {
        if !self.tail.is_empty() {
            self.sealed.push_back(self.tail.split().freeze());
        }
        self.length += bytes.len();
        self.sealed.push_back(bytes);
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        self.sealed.front().map_or(&self.tail[..], |sealed| &sealed[..])
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let chunks = self.sealed.iter().map(|sealed| &sealed[..]).chain([&self.tail[..]]).filter(|chunk| !chunk.is_empty());
        slices.iter_mut().zip(chunks).map(|(slice, chunk)| *slice = IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.length, "cannot advance past the end");
        self.length -= count;
        self.taken += count as u64;
        while let Some(front) = self.sealed.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.sealed.pop_front();
        }
        self.tail.advance(count);
        if self.length == 0 {
            *self = Self { taken: self.taken, frames: self.frames, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn frames_come_out_in_order_whatever_their_size_and_the_steps() {
        let payloads = [0, 1, COPY_BELOW - 1, COPY_BELOW, COPY_BELOW + 1, 3, 70_000].map(|size| Bytes::from(vec![size as u8; size]));
        for step in [1, 7, 5000, usize::MAX] {
            let mut transmit = Transmit::default();
            let mut expected = BytesMut::new();
            for payload in &payloads {
                transmit.frame(Role::Server, Header::whole(Opcode::Binary), payload.clone());
                Header { fin: true, reserved: 0, opcode: Opcode::Binary, mask: None, length: payload.len() as u64 }.encode(&mut expected);
                expected.extend_from_slice(payload);
            }
            assert_eq!(transmit.remaining(), expected.len());
            let mut slices = [IoSlice::new(&[]); 64];
            let filled = transmit.chunks_vectored(&mut slices);
            assert_eq!(slices[..filled].iter().map(|slice| slice.len()).sum::<usize>(), expected.len());
            assert_eq!(drain(&mut transmit, step), expected);
        }
    }

    #[test]
    fn nothing_is_held_once_it_is_empty() {
        let mut transmit = Transmit::default();
        transmit.frame(Role::Server, Header::whole(Opcode::Text), Bytes::from_static(b"hello"));
        transmit.frame(Role::Server, Header::whole(Opcode::Text), Bytes::from(vec![b'x'; COPY_BELOW]));
        drain(&mut transmit, 100);
        assert_eq!((transmit.tail.capacity(), transmit.sealed.capacity()), (0, 0));
    }
}
