//! A thread with a descriptor table, and so a limit of open files, of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};

use crate::failure::{Context as _, Failure, Result};
use crate::held::Held;
use crate::open::open;
use crate::ring::Ring;
use crate::target::Common;

/// How often pings are looked for while there is nothing else to do.
const LOOK: Duration = Duration::from_millis(250);

/// What a shard is told to do.
enum Order {
    Open {
        first: usize,
        count: usize,
    },
    Touch,
    /// Do nothing, and answer with what became of those that are held.
    Count,
}

/// What became of a shard's connections.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) pings: u64,
    pub(crate) lost: u64,
}

/// Holds connections of its own.
pub(crate) struct Shard {
    orders: SyncSender<Order>,
    answers: Receiver<Result<Counts>>,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// `alone`: its descriptors are not those of the process.
    pub(crate) fn start(common: &Common, ring: &Arc<Ring>, alone: bool) -> Self {
        let (orders, taken) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let (common, ring) = (common.clone(), Arc::clone(ring));
        let thread = thread::spawn(move || {
            let table = if alone { unshare(CloneFlags::CLONE_FILES).context(|| "unshare(CLONE_FILES)".to_owned()) } else { Ok(()) };
            let mut held = table.and_then(|()| Held::new());
            loop {
                let order = match taken.recv_timeout(LOOK) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => break,
                };
                let outcome = match &mut held {
                    Ok(held) => carry_out(order.as_ref(), &common, &ring, held),
                    Err(failure) => Err(Failure::new(failure.to_string())),
                };
                if order.is_some() && answer.send(outcome).is_err() {
                    break;
                }
            }
            drop(held.map(Held::reset));
        });
        Self { orders, answers, thread }
    }

    pub(crate) fn open(&self, first: usize, count: usize) -> Result<()> {
        self.order(Order::Open { first, count }).map(drop)
    }

    /// One message there and back on each connection.
    pub(crate) fn touch(&self) -> Result<()> {
        self.order(Order::Touch).map(drop)
    }

    /// What became of its connections so far.
    pub(crate) fn counts(&self) -> Result<Counts> {
        self.order(Order::Count)
    }

    /// Resets all of its connections.
    pub(crate) fn end(self) {
        drop(self.orders);
        let _ = self.thread.join();
    }

    fn order(&self, order: Order) -> Result<Counts> {
        let gone = || Failure::new("a shard's thread has ended");
        self.orders.send(order).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())?
    }
}

fn carry_out(order: Option<&Order>, common: &Common, ring: &Ring, held: &mut Held) -> Result<Counts> {
    match order {
        Some(&Order::Open { first, count }) => held.add(open(common, first, count)?)?,
        Some(Order::Touch) => held.touch(ring, common.handshakes)?,
        Some(Order::Count) | None => {}
    }
    held.answer_pings()?;
    Ok(held.counts)
}
