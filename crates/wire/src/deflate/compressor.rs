//! From messages to compressed payloads (RFC 7692, 7.2.1).

use std::cell::Cell;

use bytes::{BufMut, Bytes};
use flate2::{Compress, FlushCompress};

use super::Direction;
use super::pool;

/// What a sync flush ends with, and every message goes without.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

thread_local! {
    /// Where messages are compressed to.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The scratch that is kept between messages is not larger than this, in bytes.
const SCRATCH_KEPT: usize = 64 * 1024;

/// The sending half of an agreement.
#[derive(Debug)]
pub(crate) struct Compressor {
    direction: Direction,
    level: u8,
    threshold: usize,
    /// With context takeover from the first message on, without it while a message is in work.
    held: Option<Compress>,
}

impl Compressor {
    pub(super) fn new(direction: Direction, level: u8, threshold: usize) -> Self {
        Self { direction, level, threshold, held: None }
    }

    /// Whether messages can be compressed: zlib has no window of 8 bits, and RFC 7692, 6 leaves every message free to go uncompressed.
    pub(crate) fn is_able(&self) -> bool {
        self.direction.window_bits >= 9
    }

    /// Whether a message of this length is worth it.
    pub(crate) fn wants(&self, length: usize) -> bool {
        length >= self.threshold() && self.is_able()
    }

    /// Compresses a whole message and hands it to `send`; `None` when it would not shrink.
    pub(crate) fn message<T>(&mut self, payload: &[u8], send: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let mut out = SCRATCH.take();
        self.part(payload, true, &mut out);
        // With context takeover the peer has to see what later messages refer to.
        let is_worth_it = self.direction.context_takeover || out.len() < payload.len();
        let sent = send(is_worth_it.then_some(&out[..]));
        out.clear();
        out.shrink_to(SCRATCH_KEPT);
        SCRATCH.set(out);
        sent
    }

    /// Compresses the next part of a message.
    pub(crate) fn next_part(&mut self, payload: &[u8], is_last: bool) -> Bytes {
        let mut out = Vec::new();
        self.part(payload, is_last, &mut out);
        out.into()
    }

    /// The peer will have seen a message that this compressor has not: later ones must not refer past it.
    pub(crate) fn forget(&mut self) {
        if let Some(held) = &mut self.held {
            held.reset();
        }
    }

    /// Whether messages refer to those before them.
    pub(crate) fn has_context(&self) -> bool {
        self.direction.context_takeover
    }

    /// From this length on messages are compressed.
    pub(crate) fn threshold(&self) -> usize {
        self.threshold.max(1)
    }

    pub(crate) fn kind(&self) -> Kind {
        Kind { level: self.level, window_bits: self.direction.window_bits }
    }

    fn part(&mut self, payload: &[u8], is_last: bool, out: &mut Vec<u8>) {
        let kind = self.kind();
        let mut compressor = self.held.take().unwrap_or_else(|| pool::compressor(kind));
        compress(&mut compressor, payload, out);
        if is_last {
            cut_tail(out);
        }
        if is_last && !self.direction.context_takeover {
            pool::give_back_compressor(kind, compressor);
        } else {
            self.held = Some(compressor);
        }
    }
}

/// What a compressor is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(super) level: u8,
    pub(super) window_bits: u8,
}

impl Kind {
    /// Compresses a message by itself: it refers to no other.
    pub(crate) fn compress(self, payload: &[u8]) -> Bytes {
        let mut compressor = pool::compressor(self);
        let mut out = Vec::new();
        compress(&mut compressor, payload, &mut out);
        cut_tail(&mut out);
        pool::give_back_compressor(self, compressor);
        out.into()
    }
}

fn cut_tail(out: &mut Vec<u8>) {
    if out.ends_with(&TAIL) {
        out.truncate(out.len() - TAIL.len());
    }
    if out.is_empty() {
        out.put_u8(0); // an empty block (RFC 7692, 7.2.3.6)
    }
}

/// Appends `payload`, compressed and flushed to a byte.
fn compress(compressor: &mut Compress, mut payload: &[u8], out: &mut Vec<u8>) {
    loop {
        out.reserve(payload.len() / 2 + 64);
        let before = compressor.total_in();
        let outcome = compressor.compress_vec(payload, out, FlushCompress::Sync);
        debug_assert!(outcome.is_ok(), "deflate takes any bytes: {outcome:?}");
        payload = &payload[(compressor.total_in() - before) as usize..];
        // With room left over, all of it is out.
        if outcome.is_err() || (payload.is_empty() && out.len() < out.capacity()) {
            return;
        }
    }
}
