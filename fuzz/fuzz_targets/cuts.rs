//! How bytes were cut on their way, when they are read, and where to, changes nothing: not what arrives, not what is written, not how it
//! ends.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Cuts, Ending, Lent, Life, Setting};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setting: Setting,
    cuts: Cuts,
    lent: Lent,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let pieces = input.cuts.pieces(input.bytes);
    let whole = life_of(input.setting, &[input.bytes], |life, _, piece| life.hear(piece));
    same(&whole, &life_of(input.setting, &pieces, |life, _, piece| life.hear(piece)));
    same(&whole, &life_of(input.setting, &pieces, |life, _, piece| life.hear_one(piece)));
    same(&whole, &life_of(input.setting, &pieces, |life, at, piece| input.lent.hear(life, at, piece)));
    same(&whole, &life_of(input.setting, &Cuts::SINGLE.pieces(input.bytes), |life, _, piece| life.hear(piece)));
});

/// The life that hears each piece in this way, which may depend on where it is among them.
fn life_of(setting: Setting, pieces: &[&[u8]], hear: impl Fn(&mut Life, usize, &[u8])) -> Ending {
    let mut life = Life::new(setting);
    pieces.iter().enumerate().for_each(|(at, piece)| hear(&mut life, at, piece));
    let mut ending = life.end();
    ending.report.lived = std::time::Duration::ZERO;
    ending
}

/// All but how much of a message that never ended was given out.
fn same(one: &Ending, other: &Ending) {
    assert_eq!(one.heard, other.heard);
    assert_eq!(one.written, other.written);
    assert_eq!(one.report, other.report);
    if let (Some((is_text, one)), Some((is_others_text, other))) = (&one.unfinished, &other.unfinished) {
        assert_eq!(is_text, is_others_text);
        assert!(one.starts_with(other) || other.starts_with(one));
    }
}
