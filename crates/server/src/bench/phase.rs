//! How far a run has come.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Each comes after the one before it, or is left out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// Connections are made.
    Connecting,
    /// Messages are sent.
    Sending(Sending),
    /// No more are sent, and the last ones are waited for.
    Draining,
    /// Nothing is waited for any more.
    Closing,
}

/// When messages are sent, and how often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending {
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// Between two messages of a connection; `None` in a closed loop.
    pub(super) interval: Option<Duration>,
}

pub(super) type Phases = watch::Receiver<Phase>;

/// Waits until sending begins; `None` when the run ends before that. Cancel-safe.
pub(super) async fn sending(phases: &mut Phases) -> Option<Sending> {
    let phase = phases.wait_for(|phase| !matches!(phase, Phase::Connecting)).await;
    match phase.as_deref() {
        Ok(Phase::Sending(sending)) => Some(*sending),
        _ => None,
    }
}

/// Waits until nothing more is to be begun. Cancel-safe.
pub(super) async fn over(phases: &mut Phases) {
    let _ = phases.wait_for(|phase| matches!(phase, Phase::Draining | Phase::Closing)).await;
}

/// Waits until nothing is waited for. Cancel-safe.
pub(super) async fn closing(phases: &mut Phases) {
    let _ = phases.wait_for(|phase| matches!(phase, Phase::Closing)).await;
}

/// Waits for the end of sending, or, behind that, of waiting. Cancel-safe.
pub(super) async fn next(phases: &mut Phases, is_sending: bool) {
    if is_sending { over(phases).await } else { closing(phases).await }
}
