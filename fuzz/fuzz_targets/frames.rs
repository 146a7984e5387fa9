//! Any bytes to a connection of either role: it holds a bounded amount, answers what it has to, and ends in order.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Cuts, Deadlines, Lent, Life, Setting};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setting: Setting,
    deadlines: Deadlines,
    cuts: Cuts,
    lent: Lent,
    /// How many bytes the transport takes after each event; 255 for all.
    room: u8,
    /// Seconds between the pieces.
    pause: u8,
    /// The piece after which the application closes; 255 for never.
    closes_after: u8,
    /// How many times more the bytes come, in one piece each.
    repeats: u8,
    bytes: &'a [u8],
}

/// With repetitions no more bytes than this are heard.
const MOST: usize = 24 * 1024;

fuzz_target!(|input: Input<'_>| {
    let room = if input.room == u8::MAX { usize::MAX } else { input.room.into() };
    let repeats = usize::from(input.repeats).min(MOST / input.bytes.len().max(1));
    let pieces = input.cuts.pieces(input.bytes);
    let mut config = input.setting.config();
    input.deadlines.set(&mut config);
    let mut life = Life::with(input.setting, config, room);
    for (i, piece) in pieces.into_iter().enumerate() {
        input.lent.hear(&mut life, i, piece);
        if i == usize::from(input.closes_after) && input.closes_after != u8::MAX {
            life.close();
        }
        life.wait(Duration::from_secs(input.pause.into()));
    }
    for i in 0..repeats {
        input.lent.hear(&mut life, i, input.bytes);
    }
    life.end();
});
