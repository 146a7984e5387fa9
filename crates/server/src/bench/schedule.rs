//! When messages are due in an open loop.

use std::time::Duration;

use tokio::time::Instant;

/// Message `n` is due at `first + n * interval`, whatever became of those before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    first: Instant,
    interval: Duration,
    end: Instant,
}

impl Schedule {
    /// The schedule of number `rank` of `count`: they take turns within an interval, so that the load is even. Nothing is due at `end` or later.
    pub(super) fn new(start: Instant, end: Instant, interval: Duration, rank: u32, count: u32) -> Self {
        Self { first: start + turn(interval, rank, count), interval, end }
    }

    pub(super) fn due(&self, number: u64) -> Instant {
        self.first + times(self.interval, number)
    }

    /// When the next one is due, of those before the end.
    pub(super) fn next(&self, number: u64) -> Option<Instant> {
        Some(self.due(number)).filter(|due| *due < self.end)
    }

    /// How many are due before `time`, and before the end.
    pub(super) fn count_before(&self, time: Instant) -> u64 {
        match time.min(self.end).checked_duration_since(self.first) {
            Some(Duration::ZERO) | None => 0,
            Some(since) => u64::try_from((since.as_nanos() - 1) / self.interval.as_nanos().max(1)).unwrap_or(u64::MAX - 1) + 1,
        }
    }
}

/// The interval of a rate.
pub(super) fn interval(per_second: f64) -> Duration {
    Duration::from_secs_f64(1.0 / per_second).max(Duration::from_nanos(1))
}

/// The part of an interval that passes before the turn of `rank`.
pub(super) fn turn(interval: Duration, rank: u32, count: u32) -> Duration {
    interval.mul_f64(f64::from(rank) / f64::from(count.max(1)))
}

pub(super) fn times(interval: Duration, number: u64) -> Duration {
    Duration::from_nanos(u64::try_from(interval.as_nanos() * u128::from(number)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep_until};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn messages_are_due_at_their_times_however_late_the_one_before_was() {
        let start = Instant::now();
        let schedule = Schedule::new(start, start + 2 * SECOND, interval(10.0), 0, 1);
        advance(Duration::from_millis(450)).await; // the server stood still
        let mut ages = Vec::new();
        for number in 0..6 {
            let due = schedule.next(number).unwrap();
            sleep_until(due).await;
            ages.push((Instant::now() - due).as_millis());
        }
        assert_eq!(ages, [450, 350, 250, 150, 50, 0], "the wait is counted, not left out");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_due_at_the_end() {
        let start = Instant::now();
        let schedule = Schedule::new(start, start + SECOND, interval(10.0), 0, 1);
        assert!(schedule.next(9).is_some() && schedule.next(10).is_none());
        assert_eq!(schedule.count_before(start + 5 * SECOND), 10);
        assert_eq!(schedule.count_before(start), 0);
        assert_eq!(schedule.count_before(start + Duration::from_millis(1)), 1);
        assert_eq!(schedule.count_before(start + Duration::from_millis(100)), 1);
        assert_eq!(schedule.count_before(start + Duration::from_millis(101)), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_take_turns_within_an_interval() {
        let start = Instant::now();
        let firsts: Vec<_> = (0..4).map(|rank| Schedule::new(start, start + SECOND, interval(1.0), rank, 4).due(0) - start).collect();
        assert_eq!(firsts, [0, 250, 500, 750].map(Duration::from_millis));
        let all: u64 =
            (0..4).map(|rank| Schedule::new(start, start + 3 * SECOND, interval(1.0), rank, 4).count_before(start + 9 * SECOND)).sum();
        assert_eq!(all, 12);
    }
}
