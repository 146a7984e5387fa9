//! The two queues of a connection, each against the same way without it.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use silverback::{Message, Upgrader};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::measure::{Row, compare};
use crate::script::Script;
use crate::times::{server, take};
use crate::workload::{KEY, frame};

/// Messages that come and go together.
const BATCH: usize = 16;

pub(crate) fn rows(runtime: &Runtime) -> Result<Vec<Row>, Failure> {
    let _guard = runtime.enter();
    Ok(vec![outbox(runtime)?, inbox(runtime)?])
}

fn outbox(runtime: &Runtime) -> Result<Row, Failure> {
    let message = Message::binary(vec![7; 125]);
    let mut socket = runtime.block_on(Upgrader::default().accept(Script::listener(Arc::default())))?;
    let tx = socket.sender();
    let mut cx = Context::from_waker(Waker::noop());
    let queued = || {
        for _ in 0..BATCH {
            let _ = black_box(tx.try_send(message.clone()));
        }
        assert!(pin!(socket.recv()).poll(&mut cx).is_pending()); // which writes what is queued
    };
    let mut connection = server();
    let encoded = || {
        for _ in 0..BATCH {
            let _ = black_box(connection.send(message.clone()));
        }
        take(&mut connection);
    };
    let times = compare(queued, encoded);
    assert_eq!(tx.queue().messages, 0, "all were written");
    let floor = "encoded at once, with neither queue nor socket";
    Ok(Row { part: "outbox: queued, pulled, written", size: "16 x 125 B".to_owned(), bytes: Some(BATCH * 127), floor, times })
}

fn inbox(runtime: &Runtime) -> Result<Row, Failure> {
    let frames = frame(&Message::binary(vec![7; 125]), Some(KEY)).repeat(BATCH);
    let talker = || Script::echo(frames.clone().into(), 0, usize::MAX).behind_handshake();
    let (_tx, mut rx, mut drive) = runtime.block_on(Upgrader::default().accept(talker()))?.split();
    let mut bare = runtime.block_on(Upgrader::default().accept(talker()))?;
    let queued = || {
        for _ in 0..BATCH {
            while black_box(rx.poll_recv(&mut Context::from_waker(Waker::noop()))).is_pending() {
                assert!(pin!(&mut drive).poll(&mut Context::from_waker(Waker::noop())).is_pending());
            }
        }
    };
    let received = || {
        for _ in 0..BATCH {
            while black_box(pin!(bare.recv()).poll(&mut Context::from_waker(Waker::noop()))).is_pending() {}
        }
    };
    let times = compare(queued, received);
    let floor = "received by a bare socket";
    Ok(Row { part: "inbox: read, delivered, received", size: "16 x 125 B".to_owned(), bytes: Some(frames.len()), floor, times })
}
