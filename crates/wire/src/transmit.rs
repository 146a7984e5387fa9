//! What waits to be written.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

use crate::frame::{Header, Opcode};
use crate::{Role, mask};

/// Payloads below this are copied behind their header, so that many frames go out as one piece; larger ones are referred to.
const COPY_BELOW: usize = 4096;

/// Encoded frames on their way to the transport: a [`Buf`]. Write from it (vectored, if the transport can) and `advance` by what was taken.
/// It holds no memory while it is empty.
#[derive(Debug, Default)]
pub struct Transmit {
    sealed: VecDeque<Bytes>,
    tail: BytesMut,
    length: usize,
    taken: u64,
}

impl Transmit {
    /// How many bytes were ever taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many bytes will have been taken once everything that waits now is.
    pub(crate) fn end(&self) -> u64 {
        self.taken + self.length as u64
    }

    /// Encodes one frame. A client's payload is copied to be masked, a server's large one is not copied at all.
    pub(crate) fn frame(&mut self, role: Role, opcode: Opcode, payload: Bytes) {
        let before = self.tail.len();
        let length = payload.len();
        self.tail.reserve(Header::LONGEST + if length < COPY_BELOW || role == Role::Client { length } else { 0 });
        let mask = match role {
            Role::Server => None,
            Role::Client => Some(rand::random()), // unpredictable, RFC 6455, 10.3
        };
        Header { fin: true, reserved: 0, opcode, mask, length: length as u64 }.encode(&mut self.tail);
        match mask {
            Some(key) => {
                let start = self.tail.len();
                self.tail.extend_from_slice(&payload);
                mask::apply(&mut self.tail[start..], key, 0);
                self.length += self.tail.len() - before;
            }
            None if length < COPY_BELOW => {
                self.tail.extend_from_slice(&payload);
                self.length += self.tail.len() - before;
            }
            None => {
                self.length += self.tail.len() - before + length;
                self.sealed.push_back(self.tail.split().freeze());
                self.sealed.push_back(payload);
            }
        }
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
            *self = Self { taken: self.taken, ..Self::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                transmit.frame(Role::Server, Opcode::Binary, payload.clone());
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
        transmit.frame(Role::Server, Opcode::Text, Bytes::from_static(b"hello"));
        transmit.frame(Role::Server, Opcode::Text, Bytes::from(vec![b'x'; COPY_BELOW]));
        drain(&mut transmit, 100);
        assert_eq!((transmit.tail.capacity(), transmit.sealed.capacity()), (0, 0));
    }
}
