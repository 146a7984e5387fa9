//! What the driver of a connection shares with its handles: two bounded queues and the end.
//!
//! No lock is held while anything else runs: each critical section moves values, and what is to be woken or dropped is so afterwards.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use silverback_wire::{CloseFrame, CloseReport, Connection, Message, Written};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, TryAcquireError};

/// How much may wait in one direction. A message that finds its queue empty is always taken, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes of payload.
    pub bytes: usize,
    /// Messages.
    pub messages: usize,
}

impl Default for QueueLimits {
    /// 1 MiB and 1,024 messages.
    fn default() -> Self {
        Self { bytes: 1 << 20, messages: 1024 }
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    outbox: Mutex<Outbox>,
    inbox: Mutex<Inbox>,
    end: OnceLock<Arc<CloseReport>>,
    /// Room in the outbox, in bytes and in messages. They are semaphores for their queue: who waits longest is served first, so that a
    /// large message is not overtaken for ever by small ones.
    byte_room: Semaphore,
    message_room: Semaphore,
    /// Something that was queued is with the kernel, or the end.
    progress: Notify,
    ended: Notify,
    outbox_limits: QueueLimits,
    inbox_limits: QueueLimits,
}

/// Messages on their way out.
#[derive(Debug, Default)]
struct Outbox {
    queue: Queue,
    close: Close,
    /// Messages ever queued.
    queued: u64,
    /// So many of them are with the kernel.
    written: u64,
    /// So many of them will be when the transport has taken everything up to this byte.
    milestone: Option<(u64, u64)>,
    driver: Parking,
}

#[derive(Debug, Default)]
enum Close {
    #[default]
    NotAsked,
    /// To be done when the queue is empty.
    Asked { frame: CloseFrame, cause: Cow<'static, str> },
    /// Done, or the connection is ending otherwise.
    Done,
}

/// Messages on their way in.
#[derive(Debug, Default)]
struct Inbox {
    queue: Queue,
    receiver: Option<Waker>,
    /// The receiver is gone, and what arrives is for nobody.
    is_deserted: bool,
    is_over: bool,
    driver: Parking,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// Where the driver sleeps. It is woken only when it says that it does, so that one that is running is not woken for work that it will see
/// anyway.
#[derive(Debug, Default)]
struct Parking {
    is_asleep: bool,
    waker: Option<Waker>,
}

/// Why a message was not queued.
#[derive(Debug)]
pub(crate) enum Rejected {
    Full(Message),
    Closed(Message),
}

impl Shared {
    pub(crate) fn new(outbox_limits: QueueLimits, inbox_limits: QueueLimits) -> Arc<Self> {
        // A queue that is empty takes a message, whatever its bounds.
        let outbox_limits = QueueLimits { messages: outbox_limits.messages.max(1), ..outbox_limits };
        Arc::new(Self {
            outbox: Mutex::default(),
            inbox: Mutex::default(),
            end: OnceLock::new(),
            byte_room: Semaphore::new(outbox_limits.bytes.min(Semaphore::MAX_PERMITS)),
            message_room: Semaphore::new(outbox_limits.messages.min(Semaphore::MAX_PERMITS)),
            progress: Notify::new(),
            ended: Notify::new(),
            outbox_limits,
            inbox_limits,
        })
    }

    // The handles' side.

    pub(crate) fn push(&self, message: Message) -> Result<(), Rejected> {
        let reject = |error, message| match error {
            TryAcquireError::NoPermits => Rejected::Full(message),
            TryAcquireError::Closed => Rejected::Closed(message),
        };
        let one = match self.message_room.try_acquire() {
            Ok(one) => one,
            Err(error) => return Err(reject(error, message)),
        };
        let bytes = match self.byte_room.try_acquire_many(self.cost(&message)) {
            Ok(bytes) => bytes,
            Err(error) => return Err(reject(error, message)),
        };
        self.push_with(message, one, bytes).map_err(Rejected::Closed)
    }

    /// As `push`, but waits for room. The message is queued in the same step in which this becomes ready, so dropping it queues nothing.
    pub(crate) async fn push_or_wait(&self, message: Message) -> Result<(), Message> {
        let Ok(one) = self.message_room.acquire().await else { return Err(message) };
        let Ok(bytes) = self.byte_room.acquire_many(self.cost(&message)).await else { return Err(message) };
        self.push_with(message, one, bytes)
    }

    fn push_with(&self, message: Message, one: SemaphorePermit<'_>, bytes: SemaphorePermit<'_>) -> Result<(), Message> {
        let driver = {
            let mut outbox = lock(&self.outbox);
            if !matches!(outbox.close, Close::NotAsked) {
                return Err(message);
            }
            outbox.queue.push(message);
            outbox.queued += 1;
            outbox.driver.wake()
        };
        one.forget(); // given back when the message is pulled
        bytes.forget();
        wake(driver);
        Ok(())
    }

    /// The room that a message takes, in bytes. One that is larger than the whole queue takes all of it.
    fn cost(&self, message: &Message) -> u32 {
        let cost = message.len().min(self.outbox_limits.bytes).min(Semaphore::MAX_PERMITS);
        u32::try_from(cost).unwrap_or(u32::MAX)
    }

    /// Waits until everything that is queued now is with the kernel. `false` when the connection ended before.
    pub(crate) async fn flush(&self) -> bool {
        let target = lock(&self.outbox).queued;
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            progress.as_mut().enable();
            if lock(&self.outbox).written >= target {
                return true;
            }
            if self.end.get().is_some() {
                return false;
            }
            progress.await;
        }
    }

    /// Asks for a close behind what is queued. The first to ask decides the code; tells whether this was it.
    pub(crate) fn ask_to_close(&self, frame: CloseFrame, cause: Cow<'static, str>) -> bool {
        let (is_first, driver) = {
            let mut outbox = lock(&self.outbox);
            let is_first = matches!(outbox.close, Close::NotAsked);
            if is_first {
                outbox.close = Close::Asked { frame, cause };
            }
            (is_first, outbox.driver.wake())
        };
        self.close_room();
        wake(driver);
        is_first
    }

    pub(crate) fn report(&self) -> Option<&Arc<CloseReport>> {
        self.end.get()
    }

    pub(crate) async fn ended(&self) -> Arc<CloseReport> {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if let Some(report) = self.end.get() {
                return report.clone();
            }
            ended.await;
        }
    }

    pub(crate) fn queued(&self) -> QueueLimits {
        let outbox = lock(&self.outbox);
        QueueLimits { bytes: outbox.queue.bytes, messages: outbox.queue.messages.len() }
    }

    /// Everything that has arrived, into `messages`, which is empty; `Ready(false)` when nothing more will come.
    pub(crate) fn poll_arrivals(&self, cx: &mut Context<'_>, messages: &mut VecDeque<Message>) -> Poll<bool> {
        let _replaced;
        let driver = {
            let mut inbox = lock(&self.inbox);
            if inbox.queue.messages.is_empty() {
                if inbox.is_over {
                    return Poll::Ready(false);
                }
                _replaced = inbox.receiver.replace(cx.waker().clone());
                inbox.queue.release();
                *messages = VecDeque::new();
                return Poll::Pending;
            }
            std::mem::swap(messages, &mut inbox.queue.messages);
            inbox.queue.bytes = 0;
            inbox.driver.wake()
        };
        wake(driver);
        Poll::Ready(true)
    }

    /// The receiver is gone: what arrives from now on is dropped, and reading goes on to find the end.
    pub(crate) fn desert(&self) {
        let (driver, _dropped) = {
            let mut inbox = lock(&self.inbox);
            inbox.is_deserted = true;
            (inbox.driver.wake(), (inbox.receiver.take(), std::mem::take(&mut inbox.queue)))
        };
        wake(driver);
    }

    // The driver's side.

    /// Moves queued messages into the connection until `most` bytes wait there, and then the close, if one was asked for. Tells whether
    /// a close has to wait behind messages.
    pub(crate) fn pull(&self, connection: &mut Connection, most: usize, now: impl Fn() -> Instant) -> bool {
        let (mut count, mut bytes) = (0, 0);
        let (is_closed, is_close_waiting) = {
            let mut outbox = lock(&self.outbox);
            outbox.driver.is_asleep = false;
            while connection.is_open() && connection.transmit_len() < most {
                let Some(message) = outbox.queue.pop() else { break };
                count += 1;
                bytes += self.cost(&message) as usize;
                if connection.send(message).is_err() {
                    break;
                }
            }
            if count > 0 && outbox.milestone.is_none() {
                outbox.milestone = Some((outbox.pulled(), connection.written().end));
            }
            if outbox.queue.messages.is_empty() {
                outbox.close_connection(connection, now);
            }
            if !connection.is_open() {
                outbox.close = Close::Done; // whatever is queued now could only be lost
            }
            (matches!(outbox.close, Close::Done), matches!(outbox.close, Close::Asked { .. }))
        };
        if is_closed && !self.message_room.is_closed() {
            self.close_room();
        }
        if count > 0 {
            self.byte_room.add_permits(bytes);
            self.message_room.add_permits(count);
        }
        is_close_waiting
    }

    /// Closes in front of what is still queued, which has had its time.
    pub(crate) fn close_now(&self, connection: &mut Connection, now: Instant) {
        lock(&self.outbox).close_connection(connection, || now);
    }

    /// Notes how far the transport has come.
    pub(crate) fn note_written(&self, written: Written) {
        {
            let mut outbox = lock(&self.outbox);
            match outbox.milestone {
                Some((count, end)) if end <= written.taken => outbox.written = count,
                _ => return,
            }
            let pulled = outbox.pulled();
            outbox.milestone = (pulled > outbox.written).then_some((pulled, written.end));
            if written.taken == written.end {
                (outbox.written, outbox.milestone) = (pulled, None);
            }
        }
        self.progress.notify_waiters();
    }

    /// Prepares to sleep: what is queued from now on wakes `cx`. `false` when something is queued already.
    pub(crate) fn park_for_outbox(&self, cx: &Context<'_>, can_pull: bool) -> bool {
        let mut _replaced = None;
        let mut outbox = lock(&self.outbox);
        let has_work = can_pull && (!outbox.queue.messages.is_empty() || matches!(outbox.close, Close::Asked { .. }));
        if !has_work {
            _replaced = outbox.driver.sleep(cx);
            outbox.queue.release();
        }
        !has_work
    }

    /// Whether there is room for another message.
    pub(crate) fn has_inbox_room(&self) -> bool {
        lock(&self.inbox).has_room(self.inbox_limits)
    }

    /// Prepares to sleep until there is room for another message. `false` when there is.
    pub(crate) fn park_for_inbox(&self, cx: &Context<'_>) -> bool {
        let _replaced;
        let mut inbox = lock(&self.inbox);
        if inbox.has_room(self.inbox_limits) {
            return false;
        }
        _replaced = inbox.driver.sleep(cx);
        true
    }

    /// Hands a message to the receiver, if there still is one. The waker is the receiver's, if it sleeps.
    #[must_use]
    pub(crate) fn deliver(&self, message: Message) -> Option<Waker> {
        let mut inbox = lock(&self.inbox);
        if inbox.is_deserted {
            return None;
        }
        inbox.queue.push(message);
        inbox.receiver.take()
    }

    /// Publishes the end. Only the first counts.
    pub(crate) fn end(&self, mut report: CloseReport) -> Arc<CloseReport> {
        // A handle that is kept must keep neither the task nor the messages.
        let _dropped = {
            let mut outbox = lock(&self.outbox);
            outbox.close = Close::Done;
            report.unsent.messages += outbox.queue.messages.len() as u64;
            report.unsent.bytes += outbox.queue.bytes as u64;
            (std::mem::take(&mut outbox.queue), std::mem::take(&mut outbox.driver))
        };
        let report = self.end.get_or_init(|| Arc::new(report)).clone();
        let (receiver, _dropped) = {
            let mut inbox = lock(&self.inbox);
            inbox.is_over = true;
            (inbox.receiver.take(), std::mem::take(&mut inbox.driver))
        };
        wake(receiver);
        self.close_room();
        self.progress.notify_waiters();
        self.ended.notify_waiters();
        report
    }

    /// Who waits for room learns that there will be none.
    fn close_room(&self) {
        self.byte_room.close();
        self.message_room.close();
    }
}

impl Outbox {
    /// Messages that were moved into the connection.
    fn pulled(&self) -> u64 {
        self.queued - self.queue.messages.len() as u64
    }

    fn close_connection(&mut self, connection: &mut Connection, now: impl Fn() -> Instant) {
        if matches!(self.close, Close::Asked { .. })
            && let Close::Asked { frame, cause } = std::mem::replace(&mut self.close, Close::Done)
        {
            connection.close_because(frame, cause, now());
        }
    }
}

impl Inbox {
    fn has_room(&self, limits: QueueLimits) -> bool {
        let messages = self.queue.messages.len();
        messages == 0 || (messages < limits.messages && self.queue.bytes < limits.bytes)
    }
}

impl Queue {
    fn push(&mut self, message: Message) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    fn pop(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();
        Some(message)
    }

    /// Gives its memory back if nothing is in it. Done before sleeping, so that whoever is busy keeps it.
    fn release(&mut self) {
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
    }
}

impl Parking {
    /// The waker that this one replaces, to be dropped outside the lock.
    #[must_use]
    fn sleep(&mut self, cx: &Context<'_>) -> Option<Waker> {
        self.is_asleep = true;
        match &self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => self.waker.replace(cx.waker().clone()),
        }
    }

    #[must_use]
    fn wake(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.is_asleep) { self.waker.clone() } else { None }
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// No code that can panic runs under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
