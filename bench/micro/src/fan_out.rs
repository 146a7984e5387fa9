//! One message for many connections, all of which are run by tasks of one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use silverback::{Message, Prepared, Upgrader};
use silverback_hub::{Hub, Identity};
use tokio::runtime::Runtime;
use tokio::task::yield_now;

use crate::Outcome;
use crate::script::Script;
use crate::workload::frame;

pub(crate) const RECEIVERS: usize = 100;

fn news() -> Message {
    Message::binary(vec![7; 125])
}

/// By handles, as a program without the hub would.
pub(crate) fn by_senders(runtime: &Runtime, rounds: usize) -> Outcome {
    runtime.block_on(async {
        let written = Arc::<AtomicUsize>::default();
        let mut senders = Vec::new();
        for _ in 0..RECEIVERS {
            let mut socket = Upgrader::default().accept(Script::listener(written.clone())).await?;
            senders.push(socket.sender());
            runtime.spawn(socket.run(|_tx, mut rx| async move {
                while rx.recv().await.is_some() {}
                Ok(())
            }));
        }
        for round in 1..=rounds {
            let news = Prepared::new(news());
            for sender in &senders {
                sender.try_send(&news)?;
            }
            until_all_have(&written, round).await;
        }
        Ok(())
    })
}

/// By the hub.
pub(crate) fn by_hub(runtime: &Runtime, rounds: usize) -> Outcome {
    runtime.block_on(async {
        let written = Arc::<AtomicUsize>::default();
        let hub = Hub::new();
        for number in 0..RECEIVERS {
            let socket = Upgrader::default().accept(Script::listener(written.clone())).await?;
            let session = hub.join(Identity::new(format!("user-{number}")), socket).map_err(|not_joined| not_joined.refused)?;
            runtime.spawn(session.run(|_tx, mut rx| async move {
                while rx.recv().await.is_some() {}
                Ok(())
            }));
        }
        for round in 1..=rounds {
            assert_eq!(hub.everyone().send(news()).queued, RECEIVERS);
            until_all_have(&written, round).await;
        }
        Ok(())
    })
}

async fn until_all_have(written: &AtomicUsize, rounds: usize) {
    let all = frame(&news(), None).len() * RECEIVERS * rounds;
    while written.load(Ordering::Relaxed) < all {
        yield_now().await;
    }
}
