//! An echo server that keeps context from one message to the next, which `silverback echo` does not.

use std::net::SocketAddr;

use silverback::{Budget, Deflate, Origins, Upgrader};
use silverback_conformance::Result;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const ENOUGH: usize = 64 << 20;

/// It ends when it is dropped.
pub(crate) struct EchoKeepingContext {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl EchoKeepingContext {
    /// Starts it on a thread of its own.
    pub(crate) fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let upgrader = Upgrader::builder()
            .origins(Origins::Any)
            .deflate(Deflate::default().context_takeover(Budget::new(ENOUGH)))
            .message_limit(ENOUGH)
            .build();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut socket) = upgrader.accept(stream).await else { continue };
                while let Some(message) = socket.recv().await {
                    let _ = socket.send(message).await; // when the connection is closing, `recv` sees it to its end
                }
            }
        });
        Ok(Self { address, _runtime: runtime })
    }
}
