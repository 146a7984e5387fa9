//! The next connection of a listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits for the next connection. A failure (most likely we are out of descriptors) is logged and waited out: those who queue are served when
/// others have left.
///
/// Cancel-safe.
pub(crate) async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => tracing::warn!(%error, "a connection could not be accepted"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
