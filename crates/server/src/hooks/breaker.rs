//! The circuit breaker: a back end that fails again and again is left alone for a while.
//!
//! ```text
//!             so many failures in a row               the pause is over: one request may try
//!   Closed ───────────────────────────────▶ Open ───────────────────────────────────────────▶ HalfOpen
//!     ▲                                       ▲                                                  │ │
//!     │                                       └──────────── it failed: a longer pause ───────────┘ │
//!     └──────────────────────────────────────────────────── it went well ──────────────────────────┘
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::meter;

/// So many failures in a row open it.
const FAILURES: u32 = 5;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    /// Told of each change.
    changed: watch::Sender<()>,
    /// Told each time that the back end is well again.
    recovered: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    HalfOpen { pause: Duration },
}

/// Leave for one request. Whoever drops it without a verdict has learned nothing.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    is_trial: bool,
}

impl Breaker {
    pub(super) fn new() -> Self {
        meter::breaker(0.0);
        Self { state: Mutex::new(State::Closed { failures: 0 }), changed: watch::Sender::new(()), recovered: watch::Sender::new(()) }
    }

    /// Leave for a request, if there is any now.
    pub(super) fn try_pass(&self) -> Option<Pass<'_>> {
        let mut state = self.state();
        match *state {
            State::Closed { .. } => Some(Pass { breaker: self, is_trial: false }),
            State::Open { until, pause } if Instant::now() >= until => {
                self.change(&mut state, State::HalfOpen { pause });
                Some(Pass { breaker: self, is_trial: true })
            }
            State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Waits for leave.
    ///
    /// Cancel-safe.
    pub(super) async fn pass(&self) -> Pass<'_> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(pass) = self.try_pass() {
                return pass;
            }
            let until = match *self.state() {
                State::Open { until, .. } => Some(until),
                State::Closed { .. } | State::HalfOpen { .. } => None,
            };
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
            }
        }
    }

    /// Waits for the next time that the back end is well again.
    ///
    /// Cancel-safe.
    pub(super) async fn recovery(&self) {
        let _ = self.recovered.subscribe().changed().await; // the sender is ours
    }

    fn succeeded(&self) {
        let mut state = self.state();
        match *state {
            State::Closed { failures: 0 } => {}
            State::Closed { .. } => *state = State::Closed { failures: 0 },
            State::Open { .. } | State::HalfOpen { .. } => {
                self.change(&mut state, State::Closed { failures: 0 });
                tracing::info!("the back end answers again");
                self.recovered.send_replace(());
            }
        }
    }

    fn failed(&self, is_trial: bool, why: &str) {
        let mut state = self.state();
        match *state {
            State::Closed { failures } if failures + 1 < FAILURES => *state = State::Closed { failures: failures + 1 },
            State::Closed { .. } => {
                self.open(&mut state, FIRST_PAUSE);
                tracing::error!(why, failures = FAILURES, "the back end fails again and again: it is left alone, and tried now and then");
            }
            State::HalfOpen { pause } if is_trial => self.open(&mut state, (pause * 2).min(LONGEST_PAUSE)),
            State::Open { .. } | State::HalfOpen { .. } => {} // a request from before
        }
    }

    fn open(&self, state: &mut State, pause: Duration) {
        let until = Instant::now() + pause.mul_f64(rand::random_range(0.75..1.0));
        self.change(state, State::Open { until, pause });
    }

    fn change(&self, state: &mut State, to: State) {
        *state = to;
        meter::breaker(match to {
            State::Closed { .. } => 0.0,
            State::HalfOpen { .. } => 1.0,
            State::Open { .. } => 2.0,
        });
        self.changed.send_replace(());
    }

    /// What is done under this lock does not panic, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// The back end has answered.
    pub(super) fn succeeded(mut self) {
        self.is_trial = false;
        self.breaker.succeeded();
    }

    /// The back end is unwell.
    pub(super) fn failed(mut self, why: &str) {
        let is_trial = std::mem::take(&mut self.is_trial);
        self.breaker.failed(is_trial, why);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        let mut state = self.breaker.state();
        if let State::HalfOpen { pause } = *state {
            self.breaker.change(&mut state, State::Open { until: Instant::now(), pause });
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    fn broken() -> Breaker {
        let breaker = Breaker::new();
        for _ in 0..FAILURES {
            breaker.try_pass().unwrap().failed("refused");
        }
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_fewer_than_enough_keeps_it_closed_and_a_success_counts_anew() {
        let breaker = Breaker::new();
        for _ in 0..2 {
            for _ in 1..FAILURES {
                breaker.try_pass().unwrap().failed("refused");
            }
            breaker.try_pass().unwrap().succeeded();
        }
        for _ in 1..FAILURES {
            breaker.try_pass().unwrap().failed("refused");
        }
        breaker.try_pass().unwrap().failed("refused");
        assert!(breaker.try_pass().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_request_tries_and_its_success_lets_everybody_pass() {
        let breaker = broken();
        advance(FIRST_PAUSE).await;
        let trial = breaker.try_pass().unwrap();
        assert!(breaker.try_pass().is_none(), "one at a time");
        let (recovered, ()) = tokio::join!(timeout(Duration::from_secs(1), breaker.recovery()), async {
            tokio::task::yield_now().await;
            trial.succeeded();
        });
        recovered.unwrap();
        assert!(breaker.try_pass().is_some() && breaker.try_pass().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn each_trial_that_fails_makes_the_pause_longer_up_to_a_bound() {
        let breaker = broken();
        let mut pause = FIRST_PAUSE;
        for _ in 0..8 {
            assert!(breaker.try_pass().is_none());
            advance(pause.mul_f64(0.74)).await;
            assert!(breaker.try_pass().is_none(), "before {pause:?}");
            advance(pause.mul_f64(0.27)).await;
            breaker.try_pass().unwrap().failed("refused");
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_passes_when_it_may_and_a_trial_that_is_given_up_is_anothers() {
        let breaker = broken();
        let trial = timeout(Duration::from_secs(1), breaker.pass()).await.unwrap();
        let (second, ()) = tokio::join!(timeout(Duration::from_secs(1), breaker.pass()), async {
            tokio::task::yield_now().await;
            drop(trial);
        });
        second.unwrap().succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_from_before_changes_nothing_while_it_is_open() {
        let breaker = Breaker::new();
        let early = breaker.try_pass().unwrap();
        for _ in 0..FAILURES {
            breaker.try_pass().unwrap().failed("refused");
        }
        let before = *breaker.state();
        early.failed("refused");
        assert_eq!(*breaker.state(), before);
    }
}
