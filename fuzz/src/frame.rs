//! Frames written and read by hand, so that nothing here trusts the codec that it tests.

use silverback_wire::Role;

/// Added to the first byte of a compressed message's first frame (RFC 7692, 6).
pub const RSV1: u8 = 0x40;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // RFC 6455, 5.7

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub first: u8,
    /// As it should be from a client.
    pub is_masked: bool,
    /// Without its mask.
    pub payload: Vec<u8>,
}

/// A frame as `sender` has to send it.
pub fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let is_masked = sender == Role::Client;
    let bit = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(bit | short as u8),
        medium @ 126..=0xffff => {
            bytes.push(bit | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(bit | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    if is_masked {
        bytes.extend(KEY);
    }
    bytes.extend(payload.iter().enumerate().map(|(i, byte)| if is_masked { byte ^ KEY[i % 4] } else { *byte }));
    bytes
}

/// The whole frames in front, and what is left of the last one.
pub fn read_frames(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, rest)) = read_frame(bytes) {
        frames.push(frame);
        bytes = rest;
    }
    (frames, bytes)
}

fn read_frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (short.into(), rest),
    };
    let is_masked = second & 0x80 != 0;
    let (key, rest) = if is_masked { rest.split_first_chunk().map(|(key, rest)| (*key, rest))? } else { ([0; 4], rest) };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let payload = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    Some((Frame { first, is_masked, payload }, rest))
}
