//! A peer that is a pipe and knows nothing of frames: what it sends is what the test writes.

use silverback::{Upgrader, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A server's connection and the bytes on its other side. The pipe holds `size` bytes each way.
pub(crate) async fn raw(upgrader: &Upgrader, size: usize) -> (DuplexStream, WebSocket) {
    let (ours, mut theirs) = duplex(size);
    let (server, ()) = tokio::join!(upgrader.accept(ours), async {
        theirs.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = [0; 129];
        theirs.read_exact(&mut answer).await.unwrap();
        assert!(answer.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    });
    (theirs, server.unwrap())
}

/// A client's frame with the mask 0, which leaves the payload as it is.
pub(crate) fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![first_byte, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}
