//! The end of the server, in bounded time.
//!
//! ```text
//!   leaving          not ready, doors for clients alone close, no handshake is taken, sessions are closed one after the
//!                    other over `drain.over`, the API answers
//!   stopping         nobody is accepted any more, requests that are under way are answered
//!   everybody gone   the streams of /v1/events end, and the last requests have 2 s
//! ```

use std::time::Duration;

use silverback_hub::Drain;
use tokio::time::timeout;

use crate::door::Doors;
use crate::routes::App;

/// How long the last session may take to end: the time for a client's Close, the time for its FIN, and a second to tell of it.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// How long everything else may take after that.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// It was signalled again while it stopped.
#[derive(Debug, thiserror::Error)]
#[error("stopped at once by a second {signal}: {sessions} sessions were dropped")]
pub(crate) struct StoppedAtOnce {
    pub(crate) signal: &'static str,
    pub(crate) sessions: usize,
}

/// Closes every session, spread over a time, and waits in bounded time until they and then the requests that are under way have ended.
pub(crate) async fn stop(app: &App, mut doors: Doors, cause: &str, drain: Drain) {
    let drain = Drain { patience: LAST_WORDS, ..drain };
    let sessions = app.hub.sessions().len();
    tracing::info!(signal = cause, sessions, over = ?drain.over, within = ?(drain.over + LAST_WORDS + LAST_REQUESTS), "stopping");
    app.draining.leaving.cancel();
    doors.first_closed().await; // before anybody is refused: whoever came by then gets in, and a hint with its Close
    let drained = app.draining.finish(&app.hub, drain).await;
    app.stopping.cancel();
    doors.all_closed().await;
    app.tasks.close();
    app.everybody_gone.cancel();
    if timeout(LAST_REQUESTS, app.tasks.wait()).await.is_err() {
        tracing::warn!(connections = app.tasks.len(), "some did not end in time and are dropped");
    }
    tracing::info!(sessions = drained.sessions, left = drained.left.len(), "stopped");
}
