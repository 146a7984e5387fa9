//! Two ends of one connection over a pipe in memory.

use silverback::{Dialer, Upgrader, WebSocket};
use tokio::io::duplex;

/// A server's and a client's end. The client never asks for life signs, so that silence is silence, and
/// waits for ever for what is not read.
pub(crate) async fn pair(upgrader: Upgrader, pipe: usize) -> (WebSocket, WebSocket) {
    let (ours, theirs) = duplex(pipe);
    let dialer = Dialer::builder().heartbeat(None).write_timeout(None).build().unwrap();
    let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://silverback.test/"));
    (server.unwrap(), client.unwrap())
}
