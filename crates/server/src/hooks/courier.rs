//! Brings events to the back end: again and again, with pauses that grow, until it has them, will not have them, or time is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::backend::{Answer, Backend, Failure};
use super::breaker::Breaker;
use super::event::Event;
use super::meter;
use super::seldom::Seldom;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long what is under way when the server stops may still take.
const LAST_TRY: Duration = Duration::from_secs(2);

pub(super) struct Courier {
    backend: Backend,
    breaker: Breaker,
    /// How many requests may be under way for handshakes, and for the rest: neither waits for the other.
    for_handshakes: Semaphore,
    for_the_rest: Semaphore,
    /// How long one request may take.
    within: Duration,
    /// Told when the server stops and nobody is left.
    stopped: CancellationToken,
    log: Seldom,
}

/// What became of an event.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The back end has it.
    Taken(Answer),
    /// The back end will not have it.
    Refused(Answer),
    /// Time is over, and it is not known whether the back end has it.
    GivenUp(Failure),
}

impl Courier {
    pub(super) fn new(backend: Backend, concurrency: usize, within: Duration, stopped: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            backend,
            breaker: Breaker::new(),
            for_handshakes: Semaphore::new(concurrency),
            for_the_rest: Semaphore::new(concurrency),
            within,
            stopped,
            log: Seldom::default(),
        })
    }

    /// Asks about a handshake: it waits for no pause, because somebody waits for it.
    pub(super) async fn ask(&self, event: &Event, within: Duration) -> Result<Answer, Failure> {
        let deadline = Instant::now() + within;
        let Ok(Ok(_permit)) = timeout_at(deadline, self.for_handshakes.acquire()).await else { return Err(Failure::Busy) };
        let mut pause = FIRST_PAUSE;
        loop {
            let pass = self.breaker.try_pass().ok_or(Failure::Open)?;
            let left = deadline.saturating_duration_since(Instant::now()).min(self.within);
            let failure = match self.send(event, left, pass).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause_now = jittered(pause).max(failure.retry_after());
            if Instant::now() + pause_now >= deadline {
                self.log.warn(|more| tracing::warn!(%failure, id = event.id, more, "the back end could not be asked about a handshake"));
                return Err(failure);
            }
            meter::retried(event.kind);
            sleep(pause_now).await;
            pause *= 2;
        }
    }

    /// Brings an event, for so long as there is time and the server does not stop.
    pub(super) async fn bring(&self, event: &Event, patience: Duration) -> Outcome {
        let _waiting = meter::waiting(event.kind);
        let stopped = async {
            self.stopped.cancelled().await;
            sleep(LAST_TRY).await;
        };
        let outcome = tokio::select! {
            biased;
            outcome = self.try_for(event, patience) => outcome,
            () = stopped => Outcome::GivenUp(Failure::Stopping),
        };
        outcome
    }

    async fn try_for(&self, event: &Event, patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        let mut last = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let failure = match timeout_at(deadline, self.try_once(event)).await {
                Ok(Ok(answer)) if answer.is_good() => return Outcome::Taken(answer),
                Ok(Ok(answer)) => return Outcome::Refused(answer),
                Ok(Err(failure)) => failure,
                Err(_) => return Outcome::GivenUp(last.unwrap_or(Failure::Open)),
            };
            self.log.warn(|more| tracing::warn!(%failure, id = event.id, more, "the back end did not take an event: it is sent again"));
            let pause_now = jittered(pause).max(failure.retry_after());
            if Instant::now() + pause_now >= deadline {
                return Outcome::GivenUp(failure);
            }
            meter::retried(event.kind);
            // Whoever waits for a back end that was down does not wait on when it is there again.
            let asked_for = failure.retry_after();
            last = Some(failure);
            sleep(asked_for).await;
            let _ = timeout(pause_now.saturating_sub(asked_for), self.breaker.recovery()).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// In this order: those who wait for leave hold the places of all others back too, so that few are woken when it comes.
    async fn try_once(&self, event: &Event) -> Result<Answer, Failure> {
        let Ok(_permit) = self.for_the_rest.acquire().await else { return Err(Failure::Stopping) };
        let pass = self.breaker.pass().await;
        self.send(event, self.within, pass).await
    }

    async fn send(&self, event: &Event, within: Duration, pass: super::breaker::Pass<'_>) -> Result<Answer, Failure> {
        let began = Instant::now();
        let sent = {
            let _under_way = meter::under_way();
            self.backend.post(event, within).await
        };
        meter::requested(event.kind, &sent, began.elapsed());
        match &sent {
            Err(failure) if failure.is_of_the_back_end() => pass.failed(&failure.to_string()),
            _ => pass.succeeded(),
        }
        sent
    }
}

/// Half of it to all of it, so that those who failed together do not come again together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}
