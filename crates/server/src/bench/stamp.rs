//! The time in a message that is pushed: when it was due.
//!
//! `silverback-bench:` and 20 digits, nanoseconds since 1970, at the beginning of the payload. Whoever pushes from elsewhere may write it, too.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

const MARK: &[u8] = b"silverback-bench:";
const DIGITS: usize = 20;

/// How many bytes a stamp has.
pub(super) const LENGTH: usize = MARK.len() + DIGITS;

/// Both clocks at one moment: later changes of the machine's clock do not matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    at: Instant,
    wall: Duration,
}

impl Clocks {
    pub(super) fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// The payload with a stamp in place of its beginning.
    pub(super) fn stamped(&self, payload: &Bytes, due: Instant) -> Bytes {
        let nanoseconds = (self.wall + due.saturating_duration_since(self.at)).as_nanos();
        let mut stamped = BytesMut::with_capacity(payload.len().max(LENGTH));
        stamped.extend_from_slice(MARK);
        stamped.extend_from_slice(format!("{nanoseconds:0DIGITS$}").as_bytes());
        let rest = payload.get(LENGTH..).unwrap_or_default();
        let cut = rest.iter().take(3).take_while(|byte| *byte & 0xc0 == 0x80).count(); // of a letter whose beginning is gone
        stamped.extend_from_slice(&b"..."[..cut]);
        stamped.extend_from_slice(&rest[cut..]);
        stamped.freeze()
    }

    /// How long ago a message was due, if it says so.
    pub(super) fn age(&self, payload: &[u8], now: Instant) -> Option<Duration> {
        let digits = payload.strip_prefix(MARK)?.get(..DIGITS)?;
        let due: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some((self.wall + now.saturating_duration_since(self.at)).saturating_sub(Duration::from_nanos(due)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stamp_tells_when_its_message_was_due() {
        let clocks = Clocks::now();
        let due = Instant::now() + Duration::from_millis(7);
        for size in [0, LENGTH, 125] {
            let message = clocks.stamped(&vec![b'x'; size].into(), due);
            assert_eq!(message.len(), size.max(LENGTH));
            assert_eq!(clocks.age(&message, due + Duration::from_millis(3)), Some(Duration::from_millis(3)));
        }
        for shift in 0..3 {
            let text = "x".repeat(shift) + &"€".repeat(20);
            let message = clocks.stamped(&text.clone().into(), due);
            assert!(std::str::from_utf8(&message).is_ok() && message.len() == text.len(), "{message:?}");
        }
        for other in ["", "silverback-bench:", "silverback-bench:12", "silverback-bench:-2345678901234567890", "hello"] {
            assert_eq!(clocks.age(other.as_bytes(), due), None, "{other}");
        }
    }
}
