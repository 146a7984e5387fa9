//! What is echoed.

use bytes::{Bytes, BytesMut};
use silverback::Message;
use silverback::wire::frame::{Header, Opcode};
use silverback::wire::mask;

pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Messages that arrive together, as far as one read reaches.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) messages: usize,
    message: fn() -> Message,
}

/// Four kinds of traffic.
pub(crate) const ALL: [Workload; 4] = [
    Workload { name: "16 B binary x 1", messages: 1, message: || Message::binary(vec![7; 16]) },
    Workload { name: "125 B binary x 16", messages: 16, message: || Message::binary(vec![7; 125]) },
    Workload { name: "1 KiB text x 16", messages: 16, message: || Message::text(ascii(1024)) },
    // A read does not reach to the end of the last, so that one comes in two pieces.
    Workload { name: "16 KiB multibyte text x 4", messages: 4, message: || Message::text(multibyte(16 * 1024)) },
];

impl Workload {
    /// The messages as a client sends them, and how many bytes their echo has. Made when it is wanted: what other workloads leave on the heap would
    /// change what malloc costs this one.
    pub(crate) fn frames(&self) -> (Bytes, usize) {
        let message = (self.message)();
        (frame(&message, Some(KEY)).repeat(self.messages).into(), frame(&message, None).len() * self.messages)
    }
}

/// A frame with one message.
pub(crate) fn frame(message: &Message, mask: Option<[u8; 4]>) -> BytesMut {
    let mut frame = BytesMut::new();
    Header { fin: true, reserved: 0, opcode: opcode(message), mask, length: message.len() as u64 }.encode(&mut frame);
    let start = frame.len();
    frame.extend_from_slice(message.payload());
    if let Some(key) = mask {
        mask::apply(&mut frame[start..], key, 0);
    }
    frame
}

/// One message in so many frames, which are cut wherever that falls.
pub(crate) fn in_fragments(message: &Message, count: usize) -> BytesMut {
    let mut frames = BytesMut::new();
    let pieces: Vec<_> = message.payload().chunks(message.len().div_ceil(count)).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let opcode = if number == 0 { opcode(message) } else { Opcode::Continuation };
        Header { fin: number + 1 == pieces.len(), reserved: 0, opcode, mask: None, length: piece.len() as u64 }.encode(&mut frames);
        frames.extend_from_slice(piece);
    }
    frames
}

fn opcode(message: &Message) -> Opcode {
    if matches!(message, Message::Text(_)) { Opcode::Text } else { Opcode::Binary }
}

/// English, in one byte for each character.
pub(crate) fn ascii(length: usize) -> String {
    "the quick brown fox jumps over the lazy dog, ".chars().cycle().take(length).collect()
}

/// Text of which most characters have two, three or four bytes.
pub(crate) fn multibyte(length: usize) -> String {
    let mut text = String::with_capacity(length);
    let all = "Grüße, 世界! Привет 🦍 — ".chars().cycle();
    for character in all {
        if text.len() + character.len_utf8() > length {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n('.', length - text.len()));
    text
}
