//! How far the server is on its way out.
//!
//! ```text
//!   POST /v1/drain ─▶ drained, and on it lives ──(SIGTERM)──┐
//!   POST /v1/drain?exit=true ─▶ drained ─────────────────── ▼
//!   SIGTERM, SIGINT ──────────────────────────────────▶ leaving ─▶ stop.rs
//! ```
//!
//! A server is drained once. A signal takes a drain over that the API has begun, with the shorter of the two times.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use silverback_hub::{Drain, Drained, Hub};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Default)]
pub(crate) struct Draining {
    /// When the last session is told to close; empty while no drain has begun.
    until: Arc<OnceLock<Instant>>,
    taken_over: CancellationToken,
    /// Told when the process is going to end, and its clients are being closed.
    pub(crate) leaving: CancellationToken,
    /// Told when a drain is over after which the process is to end.
    pub(crate) exit: CancellationToken,
}

impl Draining {
    /// Whether it has begun: nobody is let in any more.
    pub(crate) fn has_begun(&self) -> bool {
        self.until.get().is_some()
    }

    /// Begins, unless it has.
    pub(crate) fn begin(&self, over: Duration) -> bool {
        self.until.set(Instant::now() + over).is_ok()
    }

    /// What the API has begun. Nothing comes of it where a signal takes over.
    pub(crate) async fn run(&self, hub: &Hub, drain: Drain) -> Option<Drained> {
        self.taken_over.run_until_cancelled(hub.drain(drain)).await
    }

    /// The last one, because the process is to end.
    pub(crate) async fn finish(&self, hub: &Hub, drain: Drain) -> Drained {
        let _ = self.begin(drain.over);
        let left = self.until.get().map(|until| until.saturating_duration_since(Instant::now()));
        self.taken_over.cancel();
        hub.drain(Drain { over: drain.over.min(left.unwrap_or_default()), ..drain }).await
    }
}
