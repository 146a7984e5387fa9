//! How long a session may last: as long as its token.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, Sleep, sleep_until};

/// The time that a session has. It is measured when a token comes; after that, changes of the machine's clock do not matter.
#[derive(Debug, Default)]
pub(crate) struct Term(Stage);

#[derive(Debug, Default)]
enum Stage {
    /// The token has no end.
    #[default]
    Endless,
    /// The end has come.
    Over,
    /// In a box: a session whose token has no end has no room for it.
    Limited(Box<Limited>),
}

#[derive(Debug)]
struct Limited {
    expires_at: SystemTime,
    over_at: Instant,
    is_told: bool,
    /// One for all that is to come; messages do not touch it.
    timer: Pin<Box<Sleep>>,
}

/// What is to be said of a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The end is near. It comes in this time.
    Soon { expires_at: SystemTime, left: Duration },
    /// The end is now.
    Over,
}

impl Term {
    /// A term that ends then, and says so this long before.
    pub(crate) fn new(expires_at: Option<SystemTime>, warning: Duration) -> Self {
        let left = expires_at.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        let (Some(expires_at), Some(left)) = (expires_at, left) else { return Self(Stage::Endless) };
        let now = Instant::now();
        let Some(over_at) = now.checked_add(left) else { return Self(Stage::Endless) };
        let is_told = warning.is_zero();
        let first = if is_told { over_at } else { over_at.checked_sub(warning).map_or(now, |at| at.max(now)) };
        Self(Stage::Limited(Box::new(Limited { expires_at, over_at, is_told, timer: Box::pin(sleep_until(first)) })))
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.0, Stage::Over)
    }

    /// Waits for what is to be said next; after the end for ever.
    ///
    /// Cancel-safe.
    pub(crate) async fn next(&mut self) -> Notice {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next).
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Notice> {
        let Stage::Limited(limited) = &mut self.0 else { return Poll::Pending };
        let Limited { expires_at, over_at, is_told, timer } = &mut **limited;
        ready!(timer.as_mut().poll(cx));
        if *is_told {
            self.0 = Stage::Over;
            return Poll::Ready(Notice::Over);
        }
        *is_told = true;
        timer.as_mut().reset(*over_at);
        Poll::Ready(Notice::Soon { expires_at: *expires_at, left: over_at.saturating_duration_since(Instant::now()) })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// The wall clock goes on while paused time stands still, so what it sets comes a little early.
    #[track_caller]
    fn assert_about(start: Instant, seconds: u64) {
        let passed = start.elapsed().as_secs();
        assert!((seconds.saturating_sub(10)..=seconds).contains(&passed), "after {passed} s, not {seconds}");
    }

    fn term(seconds: u64, warning: Duration) -> Term {
        Term::new(Some(SystemTime::now() + Duration::from_secs(seconds)), warning)
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_announced_in_time_and_comes_when_it_was_said() {
        let (start, mut term) = (Instant::now(), term(3600, MINUTE));
        let Notice::Soon { left, .. } = term.next().await else { unreachable!("a warning") };
        assert_about(start, 3540);
        assert_eq!(left.as_secs_f64().round(), 60.0);
        assert_eq!(term.next().await, Notice::Over);
        assert_about(start, 3600);
        assert!(timeout(MINUTE * 600, term.next()).await.is_err(), "there is one end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_that_is_shorter_than_the_warning_is_announced_at_once() {
        let (start, mut term) = (Instant::now(), term(30, MINUTE));
        assert!(matches!(term.next().await, Notice::Soon { .. }));
        assert_about(start, 0);
        assert_eq!(term.next().await, Notice::Over);
        assert_about(start, 30);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_warning_only_the_end_is_told() {
        assert_eq!(term(10, Duration::ZERO).next().await, Notice::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_can_be_given_up_and_begun_again() {
        let (start, mut term) = (Instant::now(), term(100, MINUTE));
        for _ in 0..29 {
            assert!(timeout(Duration::from_secs(1), term.next()).await.is_err());
        }
        assert!(matches!(term.next().await, Notice::Soon { .. }));
        assert_about(start, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn no_end_and_one_in_the_year_9999_are_far_away() {
        for end in [None, Some(std::time::UNIX_EPOCH + Duration::from_secs(253_402_300_799))] {
            assert!(timeout(Duration::from_secs(20 * 365 * 86_400), Term::new(end, MINUTE).next()).await.is_err(), "{end:?}");
        }
    }
}
