//! The messages of a run, made once, and the answers that they must get.

use crate::deflate::deflated;
use crate::failure::Result;
use crate::frame::{COMPRESSED, put_masked, put_plain};
use crate::payload::Kind;

/// `slots` messages that every connection sends in turn, and their answers.
pub(crate) struct Ring {
    pub(crate) slots: usize,
    pub(crate) sent: Lap,
    pub(crate) answers: Lap,
    pub(crate) payloads: Vec<Vec<u8>>,
}

/// The frames of one time around, twice, so that as many as there are slots stand in a row wherever one begins.
#[derive(Default)]
pub(crate) struct Lap {
    pub(crate) bytes: Vec<u8>,
    /// Where each frame of the two times around ends.
    pub(crate) ends: Vec<usize>,
}

impl Lap {
    pub(crate) fn of(frames: &[Vec<u8>]) -> Self {
        let mut lap = Self::default();
        for frame in frames.iter().chain(frames) {
            lap.bytes.extend_from_slice(frame);
            lap.ends.push(lap.bytes.len());
        }
        lap
    }

    /// The bytes of one time around.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len() / 2
    }

    /// The bytes of `count` frames from this one on; both are at most a time around.
    pub(crate) fn span(&self, slot: usize, count: usize) -> usize {
        let before = |at: usize| if at == 0 { 0 } else { self.ends[at - 1] };
        before(slot + count) - before(slot)
    }
}

impl Ring {
    /// `raw`: the bytes come back as they were sent. `compress`: what comes back is found out by asking; see `answers.rs`.
    pub(crate) fn new(kind: Kind, length: usize, slots: usize, raw: bool, compress: bool) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(0x5EED);
        let (mut sent, mut answers, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..slots.max(1) {
            let payload = kind.payload(length, &mut random);
            let key = random.u32(..).to_ne_bytes();
            let (mut frame, mut answer) = (Vec::new(), Vec::new());
            if compress {
                put_masked(&mut frame, COMPRESSED | kind.opcode(), &deflated(&payload)?, key);
            } else {
                put_masked(&mut frame, kind.opcode(), &payload, key);
            }
            if raw {
                answer.clone_from(&frame);
            } else {
                put_plain(&mut answer, kind.opcode(), &payload);
            }
            sent.push(frame);
            answers.push(answer);
            payloads.push(payload);
        }
        Ok(Self { slots: slots.max(1), sent: Lap::of(&sent), answers: Lap::of(&answers), payloads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_goes_over_the_end_of_a_lap() {
        let lap = Lap::of(&[vec![0; 3], vec![1; 5]]);
        assert_eq!(lap.length(), 8);
        assert_eq!([lap.span(0, 1), lap.span(0, 2), lap.span(1, 2), lap.span(1, 0)], [3, 8, 8, 0]);
        assert_eq!(lap.bytes[3..11], [1, 1, 1, 1, 1, 0, 0, 0]);
    }

    #[test]
    fn a_plain_tcp_server_answers_with_what_was_sent() {
        let ring = Ring::new(Kind::Binary, 125, 4, true, false).unwrap();
        assert_eq!(ring.sent.bytes, ring.answers.bytes);
        let ring = Ring::new(Kind::Binary, 125, 4, false, false).unwrap();
        assert_eq!((ring.sent.length(), ring.answers.length()), (4 * 131, 4 * 127));
    }
}
