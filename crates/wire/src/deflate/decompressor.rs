//! From compressed payloads to messages (RFC 7692, 7.2.2).

use std::cell::Cell;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Direction, pool};
use crate::ProtocolError;

/// What every message was sent without (RFC 7692, 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// An empty block. Behind a message that ends where a block does, it is nothing; anywhere else, it is something.
const EMPTY_BLOCK: [u8; 5] = [0x00, 0x00, 0x00, 0xff, 0xff];
/// The bit of its first byte that makes it the last of the stream.
const BFINAL: u8 = 0x01;

/// So much is inflated at a time.
const STEP: usize = 16 * 1024;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The receiving half of an agreement.
#[derive(Debug)]
pub(crate) struct Decompressor {
    direction: Direction,
    /// With context takeover from the first message on, without it while a message is in work.
    held: Option<Decompress>,
    /// The last output filled its room: more may come without more input.
    is_full: bool,
    /// A last block (BFINAL) was the last thing that came, and nothing is to follow it.
    is_ended: bool,
}

impl Decompressor {
    pub(super) fn new(direction: Direction) -> Self {
        Self { direction, held: None, is_full: false, is_ended: false }
    }

    /// Inflates the front of `input`, at most 16 KiB of output, to `sink`. Tells how much of the input it took. Call it again while input
    /// is left or [`has_more`](Self::has_more).
    pub(crate) fn inflate(&mut self, input: &[u8], sink: impl FnOnce(&[u8]) -> Result<(), ProtocolError>) -> Result<usize, ProtocolError> {
        let mut scratch = SCRATCH.take();
        scratch.resize(STEP, 0);
        let (made, taken) = self.step(input, &mut scratch);
        self.is_full = made == STEP;
        // What came out in front of a fault is judged first, as it would have been had it arrived by itself.
        let outcome = sink(&scratch[..made]);
        SCRATCH.set(scratch);
        outcome.and(taken)
    }

    /// Whether output is left that waits for no input.
    pub(crate) fn has_more(&self) -> bool {
        self.is_full
    }

    /// The message is complete: inflates what its end has been spared.
    pub(crate) fn finish(&mut self, mut sink: impl FnMut(&[u8]) -> Result<(), ProtocolError>) -> Result<(), ProtocolError> {
        if !self.is_ended {
            let mut tail = &TAIL[..];
            while !tail.is_empty() || self.has_more() {
                let taken = self.inflate(tail, &mut sink)?;
                tail = &tail[taken..];
            }
        }
        if !self.is_ended {
            self.check_end()?;
        }
        self.is_ended = false;
        if !self.direction.context_takeover
            && let Some(held) = self.held.take()
        {
            pool::give_back_decompressor(held);
        }
        Ok(())
    }

    /// A message that was cut would otherwise pass for a shorter one, or spoil the next.
    fn check_end(&mut self) -> Result<(), ProtocolError> {
        let is_last = !self.direction.context_takeover; // nothing has to be left for the next message
        let mut block = EMPTY_BLOCK;
        block[0] |= if is_last { BFINAL } else { 0 };
        match self.step(&block, &mut [0]) {
            (0, Ok(5)) if self.is_ended == is_last => Ok(()),
            _ => Err(ProtocolError::InflateFailed),
        }
    }

    /// One call of zlib: how much it made, and how much it took unless there is a fault behind that.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> (usize, Result<usize, ProtocolError>) {
        let window_bits = self.direction.window_bits.max(9);
        let held = self.held.get_or_insert_with(|| match self.direction.context_takeover {
            true => Decompress::new_with_window_bits(false, window_bits),
            false => pool::decompressor(),
        });
        let (total_in, total_out) = (held.total_in(), held.total_out());
        let status = held.decompress(input, out, FlushDecompress::Sync);
        let (taken, made) = ((held.total_in() - total_in) as usize, (held.total_out() - total_out) as usize);
        let Ok(status) = status else { return (made, Err(ProtocolError::InflateFailed)) };
        if !input.is_empty() || made > 0 {
            self.is_ended = status == Status::StreamEnd;
        }
        if self.is_ended {
            held.reset(false); // what follows a last block is a new stream (RFC 7692, 7.2.3.4); it cannot refer to the old one
        }
        if taken == 0 && made == 0 && !input.is_empty() {
            return (0, Err(ProtocolError::InflateFailed)); // it would never end
        }
        (made, Ok(taken))
    }
}
