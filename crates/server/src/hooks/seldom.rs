//! Lines of the log that may be caused thousands of times in a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The least time between two lines.
const BETWEEN: Duration = Duration::from_secs(5);

/// Lets one line in five seconds through, which tells how many more there were.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Past>);

#[derive(Debug, Default)]
struct Past {
    last: Option<Instant>,
    more: u64,
}

impl Seldom {
    /// Writes a line, with how many were left out before it, unless it is too soon.
    pub(super) fn warn(&self, write: impl FnOnce(u64)) {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if past.last.is_some_and(|last| last.elapsed() < BETWEEN) {
            past.more += 1;
            return;
        }
        past.last = Some(Instant::now());
        let more = std::mem::take(&mut past.more);
        drop(past);
        write(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_five_seconds_tells_how_many_there_were() {
        let (seldom, mut lines) = (Seldom::default(), Vec::new());
        for _ in 0..3 {
            seldom.warn(|more| lines.push(more));
        }
        tokio::time::advance(BETWEEN).await;
        seldom.warn(|more| lines.push(more));
        assert_eq!(lines, [0, 2]);
    }
}
