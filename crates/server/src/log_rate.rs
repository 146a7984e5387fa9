//! Lines of the log that clients can cause: so many, and a count of the others.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets so many lines through in each period.
pub(crate) struct LogRate {
    lines: u32,
    period: Duration,
    state: Mutex<State>,
}

struct State {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl LogRate {
    pub(crate) const fn lines(lines: u32, period: Duration) -> Self {
        Self { lines, period, state: Mutex::new(State { began: None, lines: 0, left_out: 0 }) }
    }

    /// One line.
    pub(crate) const fn every(period: Duration) -> Self {
        Self::lines(1, period)
    }

    /// Whether to say it, and how many were left out since something was said last.
    pub(crate) fn allows(&self) -> Option<u64> {
        self.allows_at(Instant::now())
    }

    /// How many were left out, once the period is over in which they were.
    pub(crate) fn rest(&self) -> Option<u64> {
        self.rest_at(Instant::now())
    }

    /// How many were left out, though more may follow: at the end.
    pub(crate) fn all_the_rest(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.left_out > 0).then(|| std::mem::take(&mut state.left_out))
    }

    fn rest_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = state.began.is_none_or(|began| now.saturating_duration_since(began) >= self.period);
        (is_over && state.left_out > 0).then(|| std::mem::take(&mut state.left_out))
    }

    fn allows_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.began.is_none_or(|began| now.saturating_duration_since(began) >= self.period) {
            (state.began, state.lines) = (Some(now), 0);
        }
        if state.lines == self.lines {
            state.left_out += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_lines_in_each_period_tell_how_many_were_left_out() {
        let (one, two) = (LogRate::every(Duration::from_secs(1)), LogRate::lines(2, Duration::from_secs(1)));
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!([0, 1, 999, 1000, 1001, 5000].map(|time| one.allows_at(at(time))), [Some(0), None, None, Some(2), None, Some(1)]);
        assert_eq!([0, 1, 999, 1000, 1001, 5000].map(|time| two.allows_at(at(time))), [Some(0), Some(0), None, Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn what_was_left_out_last_is_told_when_the_period_is_over() {
        let (rate, start) = (LogRate::every(Duration::from_secs(1)), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!((0..5).filter(|_| rate.allows_at(start).is_some()).count(), 1);
        assert_eq!([999, 1000, 1001].map(|time| rate.rest_at(at(time))), [None, Some(4), None]);
        assert_eq!(rate.allows_at(at(1002)), Some(0), "what was told is not told again");
    }
}
