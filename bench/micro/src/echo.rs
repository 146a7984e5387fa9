//! The ways that an echo can go: each does so many rounds of a workload, over a script.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use silverback::wire::{Config, Connection, Event, Role};
use silverback::{Upgrader, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::script::Script;
use crate::workload::Workload;

/// The floor: every byte is read and written back, and nobody looks at it.
pub(crate) fn raw(runtime: &Runtime, workload: &Workload, rounds: usize) -> Outcome {
    let (frames, _) = workload.frames();
    let mut stream = Script::echo(frames.clone(), frames.len(), rounds);
    runtime.block_on(runtime.spawn(async move {
        let mut buffer = BytesMut::with_capacity(64 * 1024);
        while stream.read_buf(&mut buffer).await? > 0 {
            stream.write_all_buf(&mut buffer).await?;
            buffer.clear();
        }
        Ok(())
    }))?
}

/// The protocol alone, with neither a task nor a queue.
pub(crate) fn wire(workload: &Workload, rounds: usize) -> Outcome {
    let ((frames, answer), now) = (workload.frames(), Instant::now());
    let mut connection = Connection::new(Role::Server, Arc::new(Config::default()), now);
    let mut buffer = BytesMut::new();
    for _ in 0..rounds {
        buffer.reserve(64 * 1024); // as the library's link does it
        buffer.extend_from_slice(&frames);
        connection.receive(buffer.split(), now);
        let mut answered = 0;
        while let Some(event) = connection.poll_event(now) {
            if let Event::Message(message) = event {
                connection.send(message)?;
            }
        }
        while let Some(out) = connection.poll_transmit() {
            let taken = out.remaining();
            out.advance(taken);
            answered += taken;
        }
        assert_eq!(answered, answer, "the echo of {}", workload.name);
    }
    Ok(())
}

/// A `WebSocket` without queues.
pub(crate) fn bare(runtime: &Runtime, workload: &Workload, rounds: usize) -> Outcome {
    let stream = script(workload, rounds);
    runtime.block_on(runtime.spawn(async move {
        let mut socket = accept(stream).await?;
        while let Some(message) = socket.recv().await {
            socket.send(message).await?;
        }
        Ok(())
    }))?
}

/// The way that is meant to be taken: `run`, with a handler, both queues, the heartbeat and the limits as they are by default.
pub(crate) fn run(runtime: &Runtime, workload: &Workload, rounds: usize) -> Outcome {
    let stream = script(workload, rounds);
    let messages = (rounds * workload.messages) as u64;
    runtime.block_on(runtime.spawn(async move {
        let report = accept(stream)
            .await?
            .run(|tx, mut rx| async move {
                while let Some(message) = rx.recv().await {
                    tx.send(message).await?;
                }
                Ok(())
            })
            .await;
        assert_eq!(report.outgoing.messages, messages, "echoed");
        Ok(())
    }))?
}

fn script(workload: &Workload, rounds: usize) -> Script {
    let (frames, answer) = workload.frames();
    Script::echo(frames, answer, rounds).behind_handshake()
}

async fn accept(stream: Script) -> Result<WebSocket, silverback::AcceptError> {
    Upgrader::default().accept(stream).await
}
