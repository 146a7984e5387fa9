//! Lines of the log that may be caused thousands of times in a second.

use std::time::Duration;

use crate::log_rate::LogRate;

/// Lets one line in five seconds through, which tells how many more there were.
pub(super) struct Seldom(LogRate);

impl Default for Seldom {
    fn default() -> Self {
        Self(LogRate::every(Duration::from_secs(5)))
    }
}

impl Seldom {
    /// Writes a line, with how many were left out before it, unless it is too soon.
    pub(super) fn warn(&self, write: impl FnOnce(u64)) {
        if let Some(more) = self.0.allows() {
            write(more);
        }
    }
}
