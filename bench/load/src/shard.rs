//! A thread with a descriptor table, and so a limit of open files, of its own.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use nix::sched::{CloneFlags, unshare};

use crate::failure::{Context as _, Failure, Result};
use crate::open::{open, reset};
use crate::poll::{Poll, Watch, receive, send};
use crate::ring::Ring;
use crate::target::{Common, PATIENCE};

/// What a shard is told to do.
enum Order {
    Open { first: usize, count: usize },
    Touch,
}

/// Holds connections of its own.
pub(crate) struct Shard {
    orders: SyncSender<Order>,
    answers: Receiver<Result<()>>,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// `alone`: its descriptors are not those of the process.
    pub(crate) fn start(common: &Common, ring: &Arc<Ring>, alone: bool) -> Self {
        let (orders, taken) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let (common, ring) = (common.clone(), Arc::clone(ring));
        let thread = thread::spawn(move || {
            let mut table = if alone { unshare(CloneFlags::CLONE_FILES).context(|| "unshare(CLONE_FILES)".to_owned()) } else { Ok(()) };
            let mut sockets = Vec::new();
            for order in taken {
                let outcome = std::mem::replace(&mut table, Ok(())).and_then(|()| carry_out(&order, &common, &ring, &mut sockets));
                if answer.send(outcome).is_err() {
                    break;
                }
            }
            reset(sockets);
        });
        Self { orders, answers, thread }
    }

    pub(crate) fn open(&self, first: usize, count: usize) -> Result<()> {
        self.order(Order::Open { first, count })
    }

    /// One message there and back on each connection.
    pub(crate) fn touch(&self) -> Result<()> {
        self.order(Order::Touch)
    }

    /// Resets all of its connections.
    pub(crate) fn end(self) {
        drop(self.orders);
        let _ = self.thread.join();
    }

    fn order(&self, order: Order) -> Result<()> {
        let gone = || Failure::new("a shard's thread has ended");
        self.orders.send(order).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())?
    }
}

fn carry_out(order: &Order, common: &Common, ring: &Ring, sockets: &mut Vec<OwnedFd>) -> Result<()> {
    match *order {
        Order::Open { first, count } => sockets.extend(open(common, first, count)?),
        Order::Touch => {
            for some in sockets.chunks(common.handshakes.max(1)) {
                touch(some, ring)?;
            }
        }
    }
    Ok(())
}

fn touch(sockets: &[OwnedFd], ring: &Ring) -> Result<()> {
    let mut poll = Poll::new(sockets.len())?;
    let mut awaited: Vec<&[u8]> = vec![&ring.answers.bytes[..ring.answers.length()]; sockets.len()];
    for (number, socket) in sockets.iter().enumerate() {
        poll.watch(socket, Watch::Readable, number)?;
        if send(socket, &ring.sent.bytes[..ring.sent.length()])? != ring.sent.length() {
            return Err(Failure::new("an idle socket did not take a message"));
        }
    }
    let mut buffer = vec![0; ring.answers.length()];
    while awaited.iter().any(|rest| !rest.is_empty()) {
        let ready = poll.wait(PATIENCE)?;
        if ready == 0 {
            return Err(Failure::new(format!("an idle connection did not answer for {PATIENCE:?}")));
        }
        for index in 0..ready {
            let number = poll.ready(index).number;
            let Some(received) = receive(&sockets[number], &mut buffer)? else { continue };
            let rest = awaited[number].strip_prefix(&buffer[..received]);
            awaited[number] = rest.ok_or_else(|| Failure::new("an idle connection answered with other bytes"))?;
        }
    }
    Ok(())
}
