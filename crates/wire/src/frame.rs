//! One frame's header (RFC 6455, 5.2): two to fourteen bytes in front of a payload.
//!
//! ```
//! use silverback_wire::frame::{Header, Opcode};
//! use silverback_wire::mask;
//!
//! let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"; // from RFC 6455, 5.7
//! let (header, length) = Header::decode(frame)?.expect("it is complete");
//! assert_eq!((header.opcode, header.length), (Opcode::Text, 5));
//!
//! let mut payload = frame[length..].to_vec();
//! mask::apply(&mut payload, header.mask.expect("a client masks"), 0);
//! assert_eq!(payload, b"Hello");
//! # Ok::<(), silverback_wire::ProtocolError>(())
//! ```

use bytes::BytesMut;

use crate::ProtocolError;

/// The first reserved bit. On the first frame of a message it says that the message is compressed (RFC 7692, 6).
pub const RSV1: u8 = 4;

/// What a frame is.
///
/// ```
/// use silverback_wire::frame::Opcode;
///
/// assert!(Opcode::Ping.is_control());
/// assert!(!Opcode::Continuation.is_control());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// 0: more of the message that is being sent in fragments.
    Continuation,
    /// 1: text.
    Text,
    /// 2: bytes.
    Binary,
    /// 8: the closing handshake.
    Close,
    /// 9: asks for a Pong.
    Ping,
    /// 10: answers a Ping.
    Pong,
}

impl Opcode {
    /// Whether this is a control frame, which may come between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn decode(nibble: u8) -> Result<Self, ProtocolError> {
        match nibble {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            reserved => Err(ProtocolError::ReservedOpcode(reserved)),
        }
    }

    fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }
}

/// A frame's header.
///
/// ```
/// use bytes::BytesMut;
/// use silverback_wire::frame::{Header, Opcode};
///
/// let header = Header { fin: true, reserved: 0, opcode: Opcode::Binary, mask: None, length: 1000 };
/// let mut bytes = BytesMut::new();
/// header.encode(&mut bytes);
/// assert_eq!(&bytes[..], b"\x82\x7e\x03\xe8");
/// assert_eq!(Header::decode(&bytes)?, Some((header, 4)));
/// # Ok::<(), silverback_wire::ProtocolError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 as the bits 4, 2 and 1.
    pub reserved: u8,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, where the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// The payload's length in bytes.
    pub length: u64,
}

impl Header {
    /// The most bytes that a header has.
    pub const LONGEST: usize = 14;

    /// The header of a whole message or a control frame, but for its length and its mask.
    pub(crate) fn whole(opcode: Opcode) -> Self {
        Self { fin: true, reserved: 0, opcode, mask: None, length: 0 }
    }

    /// The same, of a compressed message.
    pub(crate) fn compressed(opcode: Opcode) -> Self {
        Self { reserved: RSV1, ..Self::whole(opcode) }
    }

    /// Reads a header from the front of `bytes`: the header and how many bytes it took, or `None` while it is incomplete.
    ///
    /// # Errors
    /// What is wrong in every role and state, at the first byte that shows it: a reserved opcode, a control frame that is fragmented or
    /// too long, a length that is out of range or longer than it needs to be. Reserved bits and masks are judged by the connection,
    /// which knows its role and its extensions.
    ///
    /// ```
    /// use silverback_wire::ProtocolError;
    /// use silverback_wire::frame::Header;
    ///
    /// assert_eq!(Header::decode(b"\x82\x7e\x03"), Ok(None)); // a byte of the length is missing
    /// assert_eq!(Header::decode(b"\x09"), Err(ProtocolError::ControlFragmented)); // the first byte shows it
    /// ```
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let Some(beginning) = Beginning::decode(bytes)? else { return Ok(None) };
        let Some((length, at)) = beginning.length(bytes)? else { return Ok(None) };
        Ok(beginning.header(length, at, bytes))
    }

    /// Appends this header to `out`, its length in the fewest bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        let (bytes, length) = self.bytes();
        out.extend_from_slice(&bytes[..length]);
    }

    /// The same in an array, and how much of it is used.
    #[inline]
    pub(crate) fn bytes(&self) -> ([u8; Self::LONGEST], usize) {
        let mut bytes = [0; Self::LONGEST];
        bytes[0] = u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode.nibble();
        let masked = u8::from(self.mask.is_some()) << 7;
        let at = if let Ok(short @ 0..=125) = u8::try_from(self.length) {
            bytes[1] = masked | short;
            2
        } else if let Ok(medium) = u16::try_from(self.length) {
            bytes[1] = masked | 126;
            bytes[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        } else {
            bytes[1] = masked | 127;
            bytes[2..10].copy_from_slice(&self.length.to_be_bytes());
            10
        };
        let Some(key) = self.mask else { return (bytes, at) };
        bytes[at..at + 4].copy_from_slice(&key);
        (bytes, at + 4)
    }
}

/// What the first two bytes of a header tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    pub(crate) fin: bool,
    pub(crate) reserved: u8,
    pub(crate) opcode: Opcode,
    /// `None` while the second byte is missing.
    pub(crate) is_masked: Option<bool>,
}

impl Beginning {
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let opcode = Opcode::decode(first & 0x0f)?;
        if opcode.is_control() && !fin {
            return Err(ProtocolError::ControlFragmented);
        }
        let is_masked = bytes.get(1).map(|second| second & 0x80 != 0);
        Ok(Some(Self { fin, reserved: (first >> 4) & 0x7, opcode, is_masked }))
    }

    /// The payload's length, which comes before the masking key, and where the header goes on, or `None` while bytes are missing.
    #[inline]
    pub(crate) fn length(&self, bytes: &[u8]) -> Result<Option<(u64, usize)>, ProtocolError> {
        let Some(second) = bytes.get(1) else { return Ok(None) };
        let short = second & 0x7f;
        match (self.opcode, short) {
            (Opcode::Close, 1) => return Err(ProtocolError::CloseTooShort),
            (opcode, 126 | 127) if opcode.is_control() => return Err(ProtocolError::ControlTooLong),
            _ => {}
        }
        match short {
            126 => {
                let Some(length) = bytes.get(2..).and_then(<[u8]>::first_chunk::<2>) else { return Ok(None) };
                let length = u16::from_be_bytes(*length);
                if length < 126 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                Ok(Some((length.into(), 4)))
            }
            127 => {
                let Some(length) = bytes.get(2..).and_then(<[u8]>::first_chunk::<8>) else { return Ok(None) };
                let length = u64::from_be_bytes(*length);
                if length >> 63 != 0 {
                    return Err(ProtocolError::LengthOutOfRange);
                }
                if length <= u64::from(u16::MAX) {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                Ok(Some((length, 10)))
            }
            short => Ok(Some((short.into(), 2))),
        }
    }

    /// The whole header with this length, behind which it goes on `at`, and how many bytes it has; `None` while the masking key is incomplete.
    #[inline]
    pub(crate) fn header(&self, length: u64, at: usize, bytes: &[u8]) -> Option<(Header, usize)> {
        let header = Header { fin: self.fin, reserved: self.reserved, opcode: self.opcode, mask: None, length };
        if self.is_masked != Some(true) {
            return Some((header, at));
        }
        let key = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>)?;
        Some((Header { mask: Some(*key), ..header }, at + 4))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header() -> impl Strategy<Value = Header> {
        let opcode = prop_oneof![
            Just(Opcode::Continuation),
            Just(Opcode::Text),
            Just(Opcode::Binary),
            Just(Opcode::Close),
            Just(Opcode::Ping),
            Just(Opcode::Pong)
        ];
        let length = prop_oneof![0..130u64, 65_000..66_000u64, 0..=u64::MAX >> 1];
        (any::<bool>(), 0..8u8, opcode, any::<Option<[u8; 4]>>(), length).prop_map(|(fin, reserved, opcode, mask, length)| {
            let control = opcode.is_control();
            Header { fin: fin || control, reserved, opcode, mask, length: if control { 2 + length % 124 } else { length } }
        })
    }

    proptest! {
        #[test]
        fn a_header_survives_encoding_and_waits_for_its_last_byte(header in header()) {
            let mut bytes = BytesMut::new();
            header.encode(&mut bytes);
            prop_assert_eq!(Header::decode(&bytes), Ok(Some((header, bytes.len()))));
            for cut in 0..bytes.len() {
                prop_assert_eq!(Header::decode(&bytes[..cut]), Ok(None));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Header::decode(&bytes);
        }
    }

    #[test]
    fn reserved_opcodes_are_named_at_the_first_byte() {
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(Header::decode(&[0x80 | opcode]), Err(ProtocolError::ReservedOpcode(opcode)));
        }
    }

    #[test]
    fn a_control_frame_must_not_be_fragmented() {
        assert_eq!(Header::decode(&[0x09]), Err(ProtocolError::ControlFragmented));
    }

    #[test]
    fn a_control_frame_of_125_bytes_is_good_and_126_is_too_long() {
        assert!(matches!(Header::decode(&[0x89, 125]), Ok(Some(_))));
        assert_eq!(Header::decode(&[0x89, 126]), Err(ProtocolError::ControlTooLong));
        assert_eq!(Header::decode(&[0x89, 127]), Err(ProtocolError::ControlTooLong));
    }

    #[test]
    fn a_length_in_more_bytes_than_it_needs_is_refused() {
        assert_eq!(Header::decode(&[0x82, 126, 0, 125]), Err(ProtocolError::LengthNotMinimal));
        assert!(matches!(Header::decode(&[0x82, 126, 0, 126]), Ok(Some(_))));
        assert_eq!(Header::decode(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), Err(ProtocolError::LengthNotMinimal));
        assert!(matches!(Header::decode(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Ok(Some(_))));
    }

    #[test]
    fn a_length_of_2_to_the_63_is_out_of_range() {
        assert_eq!(Header::decode(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), Err(ProtocolError::LengthOutOfRange));
    }
}
