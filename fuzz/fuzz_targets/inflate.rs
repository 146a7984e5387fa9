//! Compressed messages, good ones and mutated ones, to a connection with a small limit: none becomes larger than it, and a good one is
//! what was sent.

#![no_main]

use arbitrary::Arbitrary;
use flate2::{Compress, Compression, FlushCompress};
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Cuts, Heard, Life, RSV1, Setting, frame};
use silverback_wire::Role;

/// No message has more bytes than this before it is compressed.
const MOST: usize = 32 * 1024;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setting: Setting,
    cuts: Cuts,
    is_text: bool,
    /// 0 if `bytes` are compressed as they stand. Otherwise they are compressed here, this many times over.
    times: u16,
    /// How often it is sent. What is compressed here refers to no message before, which is good with and without context takeover.
    messages: u8,
    /// This byte of what is compressed is changed by this.
    mutated: (u16, u8),
    /// Where the message is cut into two frames.
    frames_at: u16,
    bytes: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    if !input.setting.is_compressing() {
        return;
    }
    let payload = input.bytes.repeat(usize::from(input.times).min(MOST / input.bytes.len().max(1)));
    let messages = usize::from(input.messages % 4) + 1;
    let mut is_good = input.times > 0 && (!input.is_text || std::str::from_utf8(&payload).is_ok());
    let mut compressed = if input.times == 0 { input.bytes.to_vec() } else { deflated(&payload) };
    let (at, by) = input.mutated;
    if let Some(byte) = compressed.get_mut(usize::from(at)).filter(|_| by != 0) {
        *byte ^= by;
        is_good = false;
    }
    let bytes = message(&input, &compressed).repeat(messages);
    let pieces = input.cuts.pieces(&bytes);
    let mut life = Life::new(input.setting);
    pieces.iter().for_each(|piece| life.hear(piece));
    let ending = life.end();
    if is_good && payload.len() <= input.setting.message_limit.into() {
        let is_payload = |heard: &Heard| matches!(heard, Heard::Message { payload: arrived, .. } if *arrived == payload);
        assert!(ending.heard.len() == messages && ending.heard.iter().all(is_payload), "{}", ending.report);
    } else if is_good {
        assert_eq!(ending.report.sent.and_then(|close| close.code).map(|code| code.get()), Some(1009));
    }
});

/// The message in two frames.
fn message(input: &Input<'_>, compressed: &[u8]) -> Vec<u8> {
    let sender = if input.setting.is_client { Role::Server } else { Role::Client };
    let opcode = if input.is_text { 0x01 } else { 0x02 };
    let (front, back) = compressed.split_at(compressed.len().min(input.frames_at.into()));
    [frame(sender, RSV1 | opcode, front), frame(sender, 0x80, back)].concat()
}

/// As a peer with the smallest window compresses (RFC 7692, 7.2.1).
#[expect(clippy::unwrap_used, reason = "zlib compresses any bytes")]
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 8 + 100);
    Compress::new_with_window_bits(Compression::fast(), false, 9).compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "all of it has room");
    out.truncate(out.len() - 4);
    out
}
