//! What the driver of a connection shares with its handles: two bounded queues and the end.
//!
//! No lock is held while anything else runs: each critical section moves values, and what is to be woken or dropped is so afterwards
//! ([`Later`]). One system call is made under a lock, which does not wait: a fan-out's write past a driver that sleeps ([`Bypass`]).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use silverback_wire::{CloseFrame, CloseReport, Connection, Message, Part, Written};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::batch::{Batch, Content};
use crate::bypass::{Bypass, Socket};
use crate::flusher::Flusher;
use crate::inbox::{Inbox, Room};
use crate::later::Later;
use crate::outbox::{Outbox, Rejected};
use crate::outgoing::{Offered, Outgoing, Overflow};
use crate::queue::{QueueFill, QueueLimits};
use crate::sync::{AtomicBool, Mutex, lock};
use crate::waiters::Place;

#[derive(Debug)]
#[repr(C)] // in front, beside the counts of those who hold this, is what a fan-out touches
pub(crate) struct Shared {
    /// Of the last Ping that was answered, in microseconds; 0 is none.
    round_trip: AtomicU32,
    /// The handles have left work in the outbox: the driver looks at this before it takes the lock, since mostly there is none. Set and
    /// cleared under the lock, under which the driver also looks before it sleeps.
    is_stirred: AtomicBool,
    /// Somebody waits for what was queued to be with the kernel.
    is_flush_awaited: AtomicBool,
    outbox: Mutex<Outbox>,
    inbox: Mutex<Inbox>,
    end: OnceLock<Arc<CloseReport>>,
    /// Whose turn it is to send a message in parts. Made when it is first needed.
    turn: OnceLock<Box<Semaphore>>,
}

impl Shared {
    pub(crate) fn new(outbox: QueueLimits, inbox: QueueLimits) -> Arc<Self> {
        Arc::new(Self {
            outbox: Mutex::new(Outbox::new(outbox)),
            inbox: Mutex::new(Inbox::new(inbox)),
            is_stirred: AtomicBool::new(false),
            is_flush_awaited: AtomicBool::new(false),
            end: OnceLock::new(),
            turn: OnceLock::new(),
            round_trip: AtomicU32::new(0),
        })
    }

    fn outbox<T>(&self, act: impl FnOnce(&mut Outbox, &mut Later) -> T) -> T {
        let mut later = Later::default();
        let mut outbox = lock(&self.outbox);
        let result = act(&mut outbox, &mut later);
        if outbox.take_stirred() {
            self.is_stirred.store(true, Ordering::Release);
        }
        drop(outbox);
        result
    }

    fn inbox<T>(&self, act: impl FnOnce(&mut Inbox, &mut Later) -> T) -> T {
        let mut later = Later::default();
        act(&mut lock(&self.inbox), &mut later)
    }
}

// The handles' side.
impl Shared {
    pub(crate) fn push(&self, outgoing: Outgoing) -> Result<(), Rejected> {
        self.outbox(|outbox, later| outbox.push(outgoing, later))
    }

    pub(crate) fn offer(&self, outgoing: Outgoing, overflow: Overflow) -> Result<Offered, Rejected> {
        self.outbox(|outbox, later| outbox.offer(outgoing, overflow, later))
    }

    /// As `push`, but waits for room. The message is queued in the same step in which this becomes ready, so dropping it queues nothing.
    pub(crate) fn push_or_wait(&self, content: Content) -> impl Future<Output = Result<(), Message>> {
        let mut content = Some(content);
        let mut waiting = Waiting::new(self, Outbox::leave_room);
        poll_fn(move |cx| self.outbox(|outbox, later| outbox.poll_push(&mut content, &mut waiting.place, cx, later)))
    }

    /// Waits for the turn to send a message in parts; `None` when the connection has ended.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.turn.get_or_init(|| Box::new(Semaphore::new(1)));
        if self.end.get().is_some() {
            turn.close(); // it may have been made after the end
        }
        turn.acquire().await.ok()
    }

    /// Hands over a part of a message when the one before it is on its way. Dropped before it is ready, it has handed over nothing.
    pub(crate) async fn push_part(&self, part: Part) -> Result<(), Message> {
        let mut part = Some(part);
        let mut waiting = Waiting::new(self, Outbox::leave_part);
        poll_fn(|cx| self.outbox(|outbox, later| outbox.poll_part(&mut part, &mut waiting.place, cx, later))).await
    }

    pub(crate) fn abandon_message(&self) {
        self.outbox(Outbox::abandon_message);
    }

    /// Waits until everything that is queued now is with the kernel. `false` when the connection ended before.
    pub(crate) async fn flush(&self) -> bool {
        let target = lock(&self.outbox).queued();
        let mut waiting = Waiting::new(self, Outbox::leave_written);
        poll_fn(|cx| {
            let polled = self.outbox(|outbox, later| {
                self.is_flush_awaited.store(true, Ordering::Release);
                outbox.poll_written(target, &mut waiting.place, cx, later)
            });
            match polled {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending if self.end.get().is_some() => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Asks for a close behind what is queued. The first to ask decides the code; tells whether this was it.
    pub(crate) fn ask_to_close(&self, frame: CloseFrame, cause: Cow<'static, str>) -> bool {
        self.outbox(|outbox, later| outbox.ask_to_close(frame, cause, later))
    }

    pub(crate) fn report(&self) -> Option<&Arc<CloseReport>> {
        self.end.get()
    }

    pub(crate) async fn ended(&self) -> Arc<CloseReport> {
        let mut waiting = Waiting::new(self, Outbox::leave_end);
        poll_fn(|cx| {
            // In this order: whoever waits before the report is there is woken when it is.
            if self.end.get().is_none() {
                self.outbox(|outbox, later| outbox.wait_for_end(&mut waiting.place, cx, later));
            }
            self.end.get().cloned().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    pub(crate) fn fill(&self) -> QueueFill {
        lock(&self.outbox).fill()
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let micros = self.round_trip.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros.into()))
    }

    /// Everything that has arrived, into `parts`, which is empty; `Ready(false)` when nothing more will come.
    pub(crate) fn poll_arrivals(&self, cx: &Context<'_>, parts: &mut VecDeque<Part>) -> Poll<bool> {
        self.inbox(|inbox, later| inbox.poll_arrivals(parts, cx, later))
    }

    /// The receiver is gone: what arrives from now on is dropped, and reading goes on to find the end.
    pub(crate) fn desert(&self) {
        let _dropped = self.inbox(Inbox::desert);
        self.outbox(Outbox::receiver_dropped);
    }

    pub(crate) fn close_with_handles(&self) {
        lock(&self.outbox).close_with_handles();
    }

    pub(crate) fn sender_made(&self) {
        lock(&self.outbox).sender_made();
    }

    pub(crate) fn sender_dropped(&self) {
        self.outbox(Outbox::sender_dropped);
    }
}

// The flusher's side.
impl Shared {
    /// Writes what waits for it past the driver, if it sleeps.
    pub(crate) fn pass(&self) {
        self.outbox(Outbox::pass);
    }

    /// Leaves what waits for it to the driver after all.
    pub(crate) fn pass_over(&self) {
        self.outbox(Outbox::pass_over);
    }
}

// The driver's side.
impl Shared {
    /// The driver is awake: what is queued need not wake it. It gets back what it had lent.
    pub(crate) fn rise(&self, connection: &mut Connection) -> Option<Socket> {
        self.outbox(|outbox, later| outbox.rise(connection, later))
    }

    /// Moves queued messages into the connection until `most` bytes wait there, and then the close, if one was asked for. Tells whether
    /// a close has to wait behind messages.
    pub(crate) fn pull(&self, connection: &mut Connection, most: usize, now: impl Fn() -> Instant) -> bool {
        if connection.is_open() && !self.is_stirred.load(Ordering::Acquire) {
            return false;
        }
        let (mut batch, mut is_any_pulled) = (Batch::default(), false);
        loop {
            let room = most.saturating_sub(connection.transmit_len());
            let settled = self.outbox(|outbox, later| {
                if is_any_pulled {
                    outbox.pulled_until(connection.written().end, later);
                }
                outbox.take(connection, room, &mut batch);
                batch.is_empty().then(|| {
                    let is_close_waiting = outbox.settle(connection, &now, later);
                    self.is_stirred.store(outbox.has_more(), Ordering::Release);
                    is_close_waiting
                })
            });
            if let Some(is_close_waiting) = settled {
                return is_close_waiting;
            }
            is_any_pulled = true;
            batch.send(connection); // which may compress, and takes as long as it takes
        }
    }

    /// Whether a message in parts is under way that is not a bare connection's.
    pub(crate) fn is_inside(&self) -> bool {
        lock(&self.outbox).is_inside()
    }

    /// Closes in front of what is still queued, which has had its time.
    pub(crate) fn close_now(&self, connection: &mut Connection, now: Instant) {
        lock(&self.outbox).close_connection(connection, || now);
    }

    /// Notes how far the transport has come.
    pub(crate) fn note_written(&self, written: Written) {
        if self.is_flush_awaited.load(Ordering::Acquire) {
            self.outbox(|outbox, later| {
                let is_awaited = outbox.note_written(written, later);
                self.is_flush_awaited.store(is_awaited, Ordering::Release);
            });
        }
    }

    /// Prepares to sleep: what is queued from now on wakes `cx`, or goes to the `socket`, if it is given for that. `false` when something is
    /// queued already that the connection can take.
    pub(crate) fn park_for_outbox(
        self: &Arc<Self>,
        connection: &Connection,
        most: usize,
        is_close_noted: bool,
        socket: impl FnOnce() -> Option<Socket>,
        cx: &Context<'_>,
    ) -> bool {
        self.outbox(|outbox, later| {
            let is_asleep = outbox.park(connection, most, is_close_noted, cx, later);
            if is_asleep {
                outbox.lend(connection, || Some(Bypass::new(Flusher::here()?, Arc::downgrade(self))), socket);
            }
            is_asleep
        })
    }

    /// How much may arrive next.
    pub(crate) fn inbox_room(&self) -> Room {
        lock(&self.inbox).room()
    }

    /// Prepares to sleep until there is room in the inbox. `false` when there is.
    pub(crate) fn park_for_inbox(&self, cx: &Context<'_>) -> bool {
        self.inbox(|inbox, later| inbox.park(cx, later))
    }

    /// What arrives from now on is for nobody: something has been dropped, and what comes behind it would have a hole.
    pub(crate) fn close_inbox(&self) {
        lock(&self.inbox).close();
    }

    /// Hands what has arrived to the receiver, if there still is one, and wakes it, unless it sleeps by `polled_next`, which is polled
    /// right after this.
    pub(crate) fn deliver(&self, arrived: &mut VecDeque<Part>, polled_next: Option<&Waker>) {
        self.inbox(|inbox, later| inbox.deliver(arrived, polled_next, later));
        arrived.clear();
    }

    /// The handler was polled and has not taken what arrived. Its receiver may be with another future of the same task, which had its turn
    /// before it arrived.
    pub(crate) fn wake_receiver_elsewhere(&self) {
        self.inbox(Inbox::wake_receiver);
    }

    pub(crate) fn note_round_trip(&self, took: Duration) {
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
        self.round_trip.store(micros, Ordering::Relaxed);
    }

    /// Publishes the end. Only the first counts.
    pub(crate) fn end(&self, mut report: CloseReport) -> Arc<CloseReport> {
        let _bypass = self.outbox(|outbox, later| outbox.end(&mut report, later));
        let report = self.end.get_or_init(|| Arc::new(report)).clone();
        self.outbox(Outbox::announce_end);
        self.inbox(Inbox::end);
        if let Some(turn) = self.turn.get() {
            turn.close();
        }
        report
    }
}

#[cfg(all(test, silverback_loom))]
impl Shared {
    /// With a way past its driver from the beginning.
    pub(crate) fn with_bypass(self: &Arc<Self>, flusher: &Arc<Flusher>) {
        let bypass = Bypass::new(flusher.clone(), Arc::downgrade(self));
        self.outbox(|outbox, _| outbox.with_bypass(bypass));
    }
}

/// A wait for something in the outbox. Dropped, it gives up its place.
struct Waiting<'a> {
    shared: &'a Shared,
    place: Place,
    leave: fn(&mut Outbox, &mut Place, &mut Later),
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared, leave: fn(&mut Outbox, &mut Place, &mut Later)) -> Self {
        Self { shared, place: Place::default(), leave }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.place.is_taken() {
            self.shared.outbox(|outbox, later| (self.leave)(outbox, &mut self.place, later));
        }
    }
}
