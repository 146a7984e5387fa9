//! The next connection of a listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::log_rate::LogRate;

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(100);

static FAILED: LogRate = LogRate::every(Duration::from_secs(1));

/// Waits for the next connection. A failure (most likely we are out of descriptors) is logged and waited out: those who queue are served when
/// others have left.
///
/// Cancel-safe.
pub(crate) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
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
