//! Close codes and the Close frame's payload (RFC 6455, 5.5.1 and 7.4).

use std::borrow::Cow;
use std::fmt;

use bytes::{BufMut, BytesMut};

use crate::ProtocolError;

/// A close code (RFC 6455, 7.4, and the IANA registry of WebSocket close codes).
///
/// ```
/// use silverback_wire::CloseCode;
///
/// assert_eq!(CloseCode::GOING_AWAY.get(), 1001);
/// assert_eq!(CloseCode::new(4000)?.to_string(), "4000"); // 4000 to 4999 are the application's own (RFC 6455, 7.4.2)
/// # Ok::<(), silverback_wire::ProtocolError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server is going down, or the browser navigated away.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that this end does not take.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: data that does not fit its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated and no other code fits.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message larger than this end takes.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: this end met a condition that it did not expect.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service is restarting.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// The code `code`, if it may be sent in a Close frame: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    ///
    /// # Errors
    /// [`ProtocolError::CloseCodeInvalid`] for every other number, among them 1005, 1006 and 1015, which only ever stand for
    /// the absence of a code.
    ///
    /// ```
    /// use silverback_wire::{CloseCode, ProtocolError};
    ///
    /// assert_eq!(CloseCode::new(1000), Ok(CloseCode::NORMAL));
    /// assert_eq!(CloseCode::new(1006), Err(ProtocolError::CloseCodeInvalid(1006)));
    /// ```
    pub fn new(code: u16) -> Result<Self, ProtocolError> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Self(code)),
            _ => Err(ProtocolError::CloseCodeInvalid(code)),
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a Close frame carries: a code and a reason, or nothing (RFC 6455, 5.5.1).
///
/// ```
/// use silverback_wire::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::SERVICE_RESTART, "back in a minute");
/// assert_eq!(frame.code, Some(CloseCode::SERVICE_RESTART));
/// assert_eq!(frame.reason(), "back in a minute");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// `None` where the frame had no payload. Such a frame has no reason either.
    pub code: Option<CloseCode>,
    /// At most [`REASON_LIMIT`](Self::REASON_LIMIT) bytes.
    reason: Cow<'static, str>,
}

impl CloseFrame {
    /// The most bytes that a reason can have: a control frame's 125 less the code.
    pub const REASON_LIMIT: usize = 123;

    /// A frame with a code and a reason. A longer reason is cut at the last character that ends within 123 bytes.
    ///
    /// ```
    /// use silverback_wire::{CloseCode, CloseFrame};
    ///
    /// let frame = CloseFrame::new(CloseCode::NORMAL, "ü".repeat(100)); // two bytes each
    /// assert_eq!(frame.reason(), "ü".repeat(61));
    /// ```
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > Self::REASON_LIMIT {
            let cut = reason.floor_char_boundary(Self::REASON_LIMIT);
            reason = reason[..cut].to_owned().into();
        }
        Self { code: Some(code), reason }
    }

    /// A frame without code and reason, which the other end reads as 1005 (RFC 6455, 7.1.5).
    ///
    /// ```
    /// use silverback_wire::CloseFrame;
    ///
    /// let frame = CloseFrame::empty();
    /// assert_eq!((frame.code, frame.reason()), (None, ""));
    /// ```
    pub fn empty() -> Self {
        Self { code: None, reason: Cow::Borrowed("") }
    }

    /// Why, in words for a person. Empty where the frame gave none.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn decode(payload: &[u8]) -> Result<Self, ProtocolError> {
        match payload {
            [] => Ok(Self::empty()),
            [_] => Err(ProtocolError::CloseTooShort),
            [high, low, reason @ ..] => {
                let code = CloseCode::new(u16::from_be_bytes([*high, *low]))?;
                let reason = std::str::from_utf8(reason).map_err(|_| ProtocolError::CloseReasonNotUtf8)?;
                Ok(Self { code: Some(code), reason: reason.to_owned().into() })
            }
        }
    }

    pub(crate) fn encode(&self) -> BytesMut {
        let mut payload = BytesMut::new();
        if let Some(code) = self.code {
            payload.put_u16(code.get());
            payload.put_slice(self.reason.as_bytes());
        }
        payload
    }
}

impl From<ProtocolError> for CloseFrame {
    fn from(error: ProtocolError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_that_may_be_on_the_wire_can_be_made() {
        for good in [1000, 1003, 1007, 1014, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(good).unwrap().get(), good);
        }
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(bad), Err(ProtocolError::CloseCodeInvalid(bad)));
        }
    }

    #[test]
    fn a_reason_of_123_bytes_stays_and_a_longer_one_is_cut_at_a_character() {
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, "x".repeat(123)).reason().len(), 123);
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, "x".repeat(124)).reason().len(), 123);
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, "ü".repeat(62)).reason(), "ü".repeat(61));
    }

    #[test]
    fn a_frame_survives_encoding() {
        for frame in [CloseFrame::empty(), CloseFrame::new(CloseCode::NORMAL, ""), CloseFrame::new(CloseCode::GOING_AWAY, "bye ü")] {
            assert_eq!(CloseFrame::decode(&frame.encode()), Ok(frame));
        }
    }
}
