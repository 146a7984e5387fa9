//! What a good token says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use silverback_hub::Attributes;

/// The longest name of a user or a device, in bytes.
pub(crate) const LONGEST_NAME: usize = 256;

/// The end of the year 9999, beyond which there is no way to write a time.
pub(super) const LAST_SECOND: u64 = 253_402_300_799;

/// Who somebody is, by a token that was found good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verified {
    pub(crate) user: String,
    pub(crate) device: Option<String>,
    pub(crate) attributes: Attributes,
    /// When the session must end, leeway included; `None` is never.
    pub(crate) expires_at: Option<SystemTime>,
    /// Where the token was found.
    pub(crate) source: &'static str,
}

/// A name that no user can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user's name has 1 to {LONGEST_NAME} bytes, no control characters, and is not `.` or `..`")]
pub(crate) struct NotAUser;

pub(crate) fn check_name(name: &str) -> Result<(), NotAUser> {
    // `.` and `..` cannot be written into an address: every client takes them for steps.
    let is_bad = name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) || matches!(name, "." | "..");
    if is_bad { Err(NotAUser) } else { Ok(()) }
}

/// A time of a token (NumericDate: RFC 7519, 2), which may have a fraction, as far as it can be written.
pub(super) fn time(seconds: f64) -> SystemTime {
    let seconds = seconds.clamp(0.0, LAST_SECOND as f64);
    UNIX_EPOCH + Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

pub(crate) fn written(time: SystemTime) -> String {
    let last = UNIX_EPOCH + Duration::from_secs(LAST_SECOND);
    humantime::format_rfc3339_seconds(time.min(last)).to_string()
}
