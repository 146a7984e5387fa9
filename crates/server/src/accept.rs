//! The next connection of a listener.

use std::io;
use std::time::Duration;

use crate::log_rate::LogRate;

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(100);

static FAILED: LogRate = LogRate::every(Duration::from_secs(1));

/// Waits for the next connection. A failure (most likely we are out of descriptors) is logged and waited out: those who queue are served when
/// others have left.
///
/// Cancel-safe if `accept` is.
pub(crate) async fn next<A, F: Future<Output = io::Result<A>>>(accept: impl Fn() -> F) -> A {
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                if let Some(left_out) = FAILED.allows() {
                    tracing::warn!(%error, left_out, "a connection could not be accepted");
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
