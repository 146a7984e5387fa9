//! Compressors and decompressors that belong to the thread.
//!
//! Without context takeover nothing is carried from one message to the next, so a connection needs one only while a message is in work. It
//! borrows the thread's, and gives it back wherever it then is.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress};

use super::Kind;

/// So many are kept by a thread. More are in use at once only while messages in fragments overlap.
const KEPT: usize = 4;

thread_local! {
    static COMPRESSORS: RefCell<Vec<(Kind, Compress)>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSORS: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
}

/// A compressor that remembers nothing.
pub(super) fn compressor(kind: Kind) -> Compress {
    let kept = COMPRESSORS.with_borrow_mut(|kept| {
        let at = kept.iter().position(|(other, _)| *other == kind)?;
        Some(kept.swap_remove(at).1)
    });
    kept.unwrap_or_else(|| Compress::new_with_window_bits(Compression::new(kind.level.into()), false, kind.window_bits))
}

pub(super) fn give_back_compressor(kind: Kind, mut compressor: Compress) {
    compressor.reset();
    COMPRESSORS.with_borrow_mut(|kept| {
        if kept.len() == KEPT {
            kept.remove(0); // of a policy that is no longer used, most likely
        }
        kept.push((kind, compressor));
    });
}

/// A decompressor that remembers nothing, with the largest window, which can read what was written with any.
pub(super) fn decompressor() -> Decompress {
    DECOMPRESSORS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Decompress::new(false))
}

pub(super) fn give_back_decompressor(mut decompressor: Decompress) {
    decompressor.reset(false);
    DECOMPRESSORS.with_borrow_mut(|kept| {
        if kept.len() < KEPT {
            kept.push(decompressor);
        }
    });
}
