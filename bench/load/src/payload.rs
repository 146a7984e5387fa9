//! What messages are made of: the same bytes in each run.

use clap::ValueEnum;

use crate::frame::{BINARY, TEXT};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Random bytes
    #[default]
    Binary,
    /// Text of one byte a character
    Ascii,
    /// Text of one to four bytes a character, mixed
    Multibyte,
    /// Text: an array of small objects
    Json,
}

impl Kind {
    pub(crate) fn opcode(self) -> u8 {
        if self == Self::Binary { BINARY } else { TEXT }
    }

    /// A payload of exactly this many bytes.
    pub(crate) fn payload(self, length: usize, random: &mut fastrand::Rng) -> Vec<u8> {
        match self {
            Self::Binary => (0..length).map(|_| random.u8(..)).collect(),
            Self::Ascii => (0..length).map(|_| random.u8(b' '..=b'~')).collect(),
            Self::Multibyte => filled(length, || random.choice(["e", "é", "к", "語", "€", "😀", "z"]).unwrap_or("e").to_owned()),
            Self::Json => {
                let start = "[".to_owned();
                let objects = filled(length.saturating_sub(2), || object(random));
                [start.into_bytes(), objects, b"]".to_vec()].concat()
            }
        }
    }
}

/// Pieces, as many as there is room for, and spaces for what is left.
fn filled(length: usize, mut piece: impl FnMut() -> String) -> Vec<u8> {
    let mut text = String::with_capacity(length);
    loop {
        let next = piece();
        if text.len() + next.len() > length {
            break;
        }
        text.push_str(&next);
    }
    text.extend(std::iter::repeat_n(' ', length - text.len()));
    text.into_bytes()
}

fn object(random: &mut fastrand::Rng) -> String {
    let user = random.choice(["alice", "bob", "carol", "dave"]).unwrap_or("alice");
    let kind = random.choice(["joined", "message", "price", "typing"]).unwrap_or("price");
    format!(
        r#"{{"id":{},"user":"{user}","kind":"{kind}","price":{}.{:02},"at":"2026-11-27T{:02}:{:02}:{:02}Z"}},"#,
        random.u32(..),
        random.u32(1..2000),
        random.u32(..100),
        random.u32(..24),
        random.u32(..60),
        random.u32(..60)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_gives_as_many_bytes_as_were_asked_for_and_text_is_utf8() {
        for kind in [Kind::Binary, Kind::Ascii, Kind::Multibyte, Kind::Json] {
            for length in [2, 125, 1024] {
                let payload = kind.payload(length, &mut fastrand::Rng::with_seed(1));
                assert_eq!(payload.len(), length, "{kind:?}");
                assert!(kind == Kind::Binary || std::str::from_utf8(&payload).is_ok(), "{kind:?}");
            }
        }
    }
}
