//! What is counted. Each thread has a tally of its own, which nobody else waits for but four times a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// So many kinds of causes are told apart; servers can make up as many as they like.
const MOST_CAUSES: usize = 40;

const OTHERS: &str = "other causes";

/// Times longer than this count as this long: an hour, in microseconds.
const LONGEST: u64 = 3_600_000_000;

/// Counts, of a moment or of a whole run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) attempted: u64,
    pub(super) connected: u64,
    pub(super) connect_failures: Causes<String>,
    pub(super) connect_time: Times,
    /// Connections that have ended, by whomever.
    pub(super) ended: u64,
    /// Those of them that this end did not close.
    pub(super) disconnects: Causes<Disconnect>,
    /// Closes at the end of the run that the server did not answer in time.
    pub(super) unanswered_closes: u64,
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) received: u64,
    pub(super) received_bytes: u64,
    /// What came and was no answer.
    pub(super) other: u64,
    pub(super) lost: u64,
    /// What was due and could not be sent, since the server did not take it.
    pub(super) not_sent: u64,
    pub(super) latency: Times,
    /// How late this end sent what was due.
    pub(super) lateness: Times,
    /// Open connections that send no more and have all their answers.
    pub(super) drained: i64,
    pub(super) posts: u64,
    pub(super) post_failures: Causes<String>,
}

impl Tally {
    /// Adds what another has counted.
    pub(super) fn add(&mut self, more: &Self) {
        let Self { attempted, connected, ended, unanswered_closes, sent, sent_bytes, received, .. } = more;
        for (sum, count) in [
            (&mut self.attempted, attempted),
            (&mut self.connected, connected),
            (&mut self.ended, ended),
            (&mut self.unanswered_closes, unanswered_closes),
            (&mut self.sent, sent),
            (&mut self.sent_bytes, sent_bytes),
            (&mut self.received, received),
            (&mut self.received_bytes, &more.received_bytes),
            (&mut self.other, &more.other),
            (&mut self.lost, &more.lost),
            (&mut self.not_sent, &more.not_sent),
            (&mut self.posts, &more.posts),
        ] {
            *sum += count;
        }
        self.drained += more.drained;
        self.connect_failures.merge(&more.connect_failures);
        self.disconnects.merge(&more.disconnects);
        self.post_failures.merge(&more.post_failures);
        self.connect_time.merge(&more.connect_time);
        self.latency.merge(&more.latency);
        self.lateness.merge(&more.lateness);
    }

    /// Connections that were made or have failed.
    pub(super) fn settled(&self) -> u64 {
        self.connected + self.connect_failures.total()
    }

    pub(super) fn open(&self) -> u64 {
        self.connected.saturating_sub(self.ended)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.drained >= i64::try_from(self.open()).unwrap_or(i64::MAX)
    }

    pub(super) fn errors(&self) -> u64 {
        self.connect_failures.total() + self.disconnects.total() + self.post_failures.total() + self.lost
    }
}

/// A tally that a thread counts into.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedTally(Arc<Mutex<Tally>>);

impl SharedTally {
    pub(super) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Tally {
        std::mem::take(&mut *self.lock())
    }
}

/// How a connection ended that this end did not close.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Disconnect {
    /// The close code, or what browsers show for none: 1005 and 1006 (RFC 6455, 7.4.1).
    pub(super) code: u16,
    pub(super) cause: String,
}

impl From<&'static str> for Disconnect {
    fn from(cause: &'static str) -> Self {
        Self { code: 0, cause: cause.to_owned() }
    }
}

/// How often each cause was met.
#[derive(Debug)]
pub(super) struct Causes<C>(BTreeMap<C, u64>);

impl<C> Default for Causes<C> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<C: Ord + Clone + From<&'static str>> Causes<C> {
    pub(super) fn add(&mut self, cause: C, count: u64) {
        let is_known = self.0.contains_key(&cause) || self.0.len() < MOST_CAUSES;
        *self.0.entry(if is_known { cause } else { OTHERS.into() }).or_default() += count;
    }

    fn merge(&mut self, more: &Self) {
        for (cause, count) in &more.0 {
            self.add(cause.clone(), *count);
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The most frequent first.
    pub(super) fn sorted(&self) -> Vec<(&C, u64)> {
        let mut sorted: Vec<_> = self.0.iter().map(|(cause, count)| (cause, *count)).collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sorted
    }
}

/// Times in microseconds, right to three digits, however many they are.
#[derive(Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        match Histogram::new(3) {
            Ok(histogram) => Self(histogram),
            Err(_) => unreachable!("three digits are within what a histogram can have"),
        }
    }
}

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(LONGEST).clamp(1, LONGEST);
        let _ = self.0.record(microseconds); // which grows to hold it
    }

    pub(super) fn merge(&mut self, more: &Self) {
        if !more.0.is_empty() {
            let _ = self.0.add(&more.0);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// So many of a hundred were this short, in microseconds.
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        self.0.value_at_percentile(percent).min(self.0.max())
    }

    pub(super) fn min(&self) -> u64 {
        self.0.min()
    }

    pub(super) fn max(&self) -> u64 {
        self.0.max()
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.mean()
    }

    /// Each time with its count, the shortest first.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(range: impl Iterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for time in range {
            tally.latency.record(Duration::from_millis(time));
            tally.received += 1;
        }
        tally
    }

    #[test]
    fn tallies_that_are_merged_tell_what_one_would_have_told() {
        let mut merged = Tally::default();
        for part in [milliseconds(1..=500), Tally::default(), milliseconds(501..=999), milliseconds(5000..=5000)] {
            merged.add(&part);
        }
        let one = milliseconds((1..=999).chain([5000]));
        assert_eq!((merged.received, merged.latency.count()), (1000, 1000));
        for percent in [50.0, 90.0, 99.0, 99.9, 100.0] {
            assert_eq!(merged.latency.percentile(percent), one.latency.percentile(percent), "{percent}");
        }
        assert!(merged.latency.percentile(50.0).abs_diff(500_000) <= 500, "{}", merged.latency.percentile(50.0));
        assert!(merged.latency.max().abs_diff(5_000_000) <= 5000);
        assert_eq!(merged.latency.counts().map(|(_, count)| count).sum::<u64>(), 1000);
    }

    #[test]
    fn what_is_taken_is_counted_once() {
        let shared = SharedTally::default();
        shared.lock().sent = 7;
        assert_eq!((shared.take().sent, shared.take().sent), (7, 0));
    }

    #[test]
    fn causes_do_not_grow_without_end_and_none_is_left_out() {
        let (mut causes, mut sum) = (Causes::<String>::default(), Causes::default());
        for number in 0..1000 {
            causes.add(format!("cause {number}"), 1);
        }
        causes.add("cause 3".into(), 5);
        sum.merge(&causes);
        assert_eq!((sum.total(), sum.0.len()), (1005, MOST_CAUSES + 1));
        assert_eq!(sum.sorted()[0].0, OTHERS);
        assert_eq!(sum.sorted()[1], (&"cause 3".to_owned(), 6));
    }

    #[test]
    fn no_time_is_too_short_or_too_long() {
        let mut times = Times::default();
        for time in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            times.record(time);
        }
        assert_eq!((times.count(), times.min()), (3, 1));
        assert!(times.max() >= LONGEST - LONGEST / 1000);
    }
}
