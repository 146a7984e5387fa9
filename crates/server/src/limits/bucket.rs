//! A bucket of tokens that fills up within a second, however large it is.

use std::time::Duration;

use tokio::time::Instant;

/// What a full bucket holds: what may come in a second.
const BURST: Duration = Duration::from_secs(1);

/// Holds as much as may come in one second. It remembers when it will be full again, so that nothing has to fill it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes out, unless there is not enough; then it tells how long to wait.
    pub(super) fn take(&mut self, amount: u64, per_second: u64, now: Instant) -> Result<(), Duration> {
        let mut taken = *self;
        match taken.charge(amount, per_second, now) {
            Duration::ZERO => {
                *self = taken;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    /// Takes out, into debt if it has to, and tells how long to wait until that is paid off.
    pub(super) fn charge(&mut self, amount: u64, per_second: u64, now: Instant) -> Duration {
        let cost = Duration::from_secs_f64(amount as f64 / per_second.max(1) as f64);
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + cost;
        self.full_at = Some(full_at);
        full_at.saturating_duration_since(now).saturating_sub(BURST)
    }

    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|full_at| full_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_gives_what_it_says_and_no_more() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let taken = (0..15).filter(|_| bucket.take(1, 10, start).is_ok()).count();
        assert_eq!(taken, 10);
        assert_eq!(bucket.take(1, 10, start), Err(Duration::from_millis(100)));
        assert!(bucket.take(1, 10, start + Duration::from_millis(99)).is_err());
        assert!(bucket.take(1, 10, start + Duration::from_millis(100)).is_ok());
        assert!(!bucket.is_full(start + Duration::from_secs(1)) && bucket.is_full(start + Duration::from_millis(1100)));
    }

    #[test]
    fn a_debt_is_paid_off_in_time() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        assert_eq!(bucket.charge(100, 100, start), Duration::ZERO);
        assert_eq!(bucket.charge(250, 100, start), Duration::from_millis(2500));
        assert_eq!(bucket.charge(0, 100, start + Duration::from_millis(2500)), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_is_let_through_than_that_time_and_one_second_give(
            steps in prop::collection::vec((0_u64..500, 1_u64..5), 1..200),
            per_second in 1_u64..50,
        ) {
            let (mut bucket, start, mut now, mut let_through) = (Bucket::default(), Instant::now(), 0_u64, 0_u64);
            for (milliseconds, amount) in steps {
                now += milliseconds;
                if bucket.take(amount, per_second, start + Duration::from_millis(now)).is_ok() {
                    let_through += amount;
                }
                let bound = per_second as f64 * (1.0 + now as f64 / 1000.0);
                prop_assert!(let_through as f64 <= bound + 0.001, "{let_through} in {now} ms at {per_second}");
            }
        }
    }
}
