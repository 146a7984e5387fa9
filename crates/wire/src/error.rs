//! Every way in which a peer can break the protocol, by name.

use std::time::Duration;

use crate::CloseCode;

/// A violation of RFC 6455 by the peer. The connection answers it with a Close frame that carries [`code`](Self::code) and this
/// error's text as its reason.
///
/// ```
/// use silverback_wire::frame::Header;
/// use silverback_wire::{CloseCode, ProtocolError};
///
/// let error = Header::decode(b"\x83\x00").expect_err("nobody has defined opcode 3");
/// match error {
///     ProtocolError::ReservedOpcode(opcode) => assert_eq!(opcode, 3),
///     other => unreachable!("{other}"),
/// }
/// assert_eq!(error.code(), CloseCode::PROTOCOL_ERROR);
/// assert_eq!(error.to_string(), "opcode 3 is reserved (RFC 6455, 5.2)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A client sent a frame without a mask (RFC 6455, 5.1).
    #[error("a client must mask its frames (RFC 6455, 5.1)")]
    UnmaskedFrame,
    /// A server sent a frame with a mask (RFC 6455, 5.1).
    #[error("a server must not mask its frames (RFC 6455, 5.1)")]
    MaskedFrame,
    /// A reserved bit was set that no negotiated extension defines (RFC 6455, 5.2). The bits are RSV1, RSV2, RSV3 from the left.
    #[error("reserved bits {0:03b} are set, and no extension was negotiated that uses them (RFC 6455, 5.2)")]
    ReservedBits(u8),
    /// RSV1, which marks the first frame of a compressed message, on another frame (RFC 7692, 6).
    #[error("RSV1 belongs only on the first frame of a message (RFC 7692, 6)")]
    CompressedBitMisplaced,
    /// An opcode that the RFC reserves: 3 to 7 or 11 to 15 (RFC 6455, 5.2).
    #[error("opcode {0} is reserved (RFC 6455, 5.2)")]
    ReservedOpcode(u8),
    /// A Close, Ping or Pong with more than 125 bytes of payload (RFC 6455, 5.5).
    #[error("a control frame holds at most 125 bytes (RFC 6455, 5.5)")]
    ControlTooLong,
    /// A Close, Ping or Pong without FIN (RFC 6455, 5.5).
    #[error("a control frame must not be fragmented (RFC 6455, 5.5)")]
    ControlFragmented,
    /// A payload length in more bytes than it needs (RFC 6455, 5.2).
    #[error("a payload length must use the fewest bytes (RFC 6455, 5.2)")]
    LengthNotMinimal,
    /// A 64-bit payload length with its highest bit set (RFC 6455, 5.2).
    #[error("a payload length must be below 2^63 (RFC 6455, 5.2)")]
    LengthOutOfRange,
    /// A continuation frame while no message is being continued (RFC 6455, 5.4).
    #[error("a continuation frame came with nothing to continue (RFC 6455, 5.4)")]
    UnexpectedContinuation,
    /// A text or binary frame in the middle of a fragmented message (RFC 6455, 5.4).
    #[error("a new message began inside a fragmented one (RFC 6455, 5.4)")]
    MessageInsideMessage,
    /// A text message that is not UTF-8 (RFC 6455, 8.1). Found at the first byte that cannot be mended by what follows.
    #[error("a text message must be UTF-8 (RFC 6455, 8.1)")]
    InvalidUtf8,
    /// A compressed message that is not DEFLATE, refers to what was not sent, or ends in the middle of a block (RFC 7692, 7.2.2).
    #[error("a compressed message must be whole DEFLATE blocks (RFC 7692, 7.2)")]
    InflateFailed,
    /// More fragments without a single byte than any message needs. RFC 6455, 5.4 allows them, and they would cost work without end.
    #[error("a message may have at most {limit} empty fragments here")]
    TooManyEmptyFragments {
        /// The limit, for each message.
        limit: u16,
    },
    /// A message that was not complete within the configured time, counted from its first byte.
    #[error("a message has to be complete within {} s here", .limit.as_secs_f32())]
    MessageTooSlow {
        /// The time it had.
        limit: Duration,
    },
    /// A message beyond the configured limit (RFC 6455, 7.4.1: close code 1009). Found in the frame's header, before its payload, or, if it is
    /// compressed, while it is inflated.
    #[error("a message may have at most {limit} bytes here")]
    MessageTooBig {
        /// The limit, in bytes of payload.
        limit: usize,
    },
    /// A Close frame with a payload of one byte, which is half a code (RFC 6455, 5.5.1).
    #[error("a close frame's payload is empty or at least 2 bytes (RFC 6455, 5.5.1)")]
    CloseTooShort,
    /// A Close frame with a code that must not be on the wire (RFC 6455, 7.4).
    #[error("close code {0} must not be sent (RFC 6455, 7.4)")]
    CloseCodeInvalid(u16),
    /// A Close frame with a reason that is not UTF-8 (RFC 6455, 5.5.1).
    #[error("a close reason must be UTF-8 (RFC 6455, 5.5.1)")]
    CloseReasonNotUtf8,
}

impl ProtocolError {
    /// The close code that answers this violation (RFC 6455, 7.4.1).
    pub fn code(&self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::CloseReasonNotUtf8 | Self::InflateFailed => CloseCode::INVALID_PAYLOAD,
            Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            // The protocol allows them; this end does not.
            Self::TooManyEmptyFragments { .. } | Self::MessageTooSlow { .. } => CloseCode::POLICY_VIOLATION,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_into_a_close_frame() {
        for error in [
            ProtocolError::UnmaskedFrame,
            ProtocolError::MaskedFrame,
            ProtocolError::ReservedBits(7),
            ProtocolError::CompressedBitMisplaced,
            ProtocolError::InflateFailed,
            ProtocolError::TooManyEmptyFragments { limit: u16::MAX },
            ProtocolError::MessageTooSlow { limit: Duration::MAX },
            ProtocolError::ReservedOpcode(15),
            ProtocolError::ControlTooLong,
            ProtocolError::ControlFragmented,
            ProtocolError::LengthNotMinimal,
            ProtocolError::LengthOutOfRange,
            ProtocolError::UnexpectedContinuation,
            ProtocolError::MessageInsideMessage,
            ProtocolError::InvalidUtf8,
            ProtocolError::MessageTooBig { limit: usize::MAX },
            ProtocolError::CloseTooShort,
            ProtocolError::CloseCodeInvalid(u16::MAX),
            ProtocolError::CloseReasonNotUtf8,
        ] {
            let reason = error.to_string();
            assert!(reason.len() <= crate::CloseFrame::REASON_LIMIT, "{reason}");
        }
    }
}
