//! Waiting for what takes time: ask again until a deadline.

use std::time::{Duration, Instant};

use crate::{Failure, Result};

const BETWEEN_QUESTIONS: Duration = Duration::from_millis(20);

/// Asks until the answer is there, and returns it. At the deadline the failure says what was waited for.
pub fn eventually<T>(within: Duration, what: &str, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if start.elapsed() > within {
            return Err(Failure::new(format!("waited {within:?} for {what}")));
        }
        pause(BETWEEN_QUESTIONS);
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests are blocking programs: there is no runtime to hold up")]
fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
