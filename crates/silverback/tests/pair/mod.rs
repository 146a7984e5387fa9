//! Two ends of one connection over a pipe in memory.

use std::sync::Arc;

use silverback::{Config, Upgrader, WebSocket};
use tokio::io::duplex;

/// A server's and a client's end. The client never asks for life signs, so that silence is silence, and
/// waits for ever for what is not read.
pub(crate) async fn pair(upgrader: Upgrader, pipe: usize) -> (WebSocket, WebSocket) {
    let (ours, theirs) = duplex(pipe);
    let mut config = Config::default();
    config.heartbeat = None;
    config.write_timeout = None;
    let uri = "ws://silverback.test/".parse().unwrap();
    let (server, client) =
        tokio::join!(upgrader.accept(ours), silverback::client::connect(theirs, &uri, Default::default(), Arc::new(config)));
    (server.unwrap(), client.unwrap())
}
