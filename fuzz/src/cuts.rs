//! The pieces that bytes arrive in, and where to.

use arbitrary::Arbitrary;

use crate::Life;

/// Lengths of pieces, taken in turn: up to 127 bytes, or a multiple of 64 above. 0 takes everything that is left.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Cuts {
    lengths: [u8; 4],
}

impl Cuts {
    /// Byte by byte.
    pub const SINGLE: Self = Self { lengths: [1; 4] };

    /// The bytes in pieces.
    pub fn pieces(self, mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut pieces = Vec::new();
        for length in self.lengths.into_iter().cycle() {
            let length = match usize::from(length) {
                0 => bytes.len(),
                short @ ..128 => short,
                long => (long - 127) * 64,
            };
            let (piece, rest) = bytes.split_at(length.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
            if bytes.is_empty() {
                break;
            }
        }
        pieces
    }
}

/// Which pieces are read into room that the connection lends, where it lends some: one of eight for each bit, from the lowest.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Lent {
    pieces: u8,
}

impl Lent {
    /// The piece at this place among all arrives.
    pub fn hear(self, life: &mut Life, at: usize, piece: &[u8]) {
        match self.pieces.rotate_right((at % 8) as u32) & 1 {
            0 => life.hear(piece),
            _ => life.hear_lent(piece),
        }
    }
}
