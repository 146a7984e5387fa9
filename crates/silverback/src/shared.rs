//! What the driver of a connection shares with its handles: two bounded queues and the end.
//!
//! No lock is held while anything else runs: each critical section moves values and returns the waker to wake, if any.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use silverback_wire::{CloseFrame, CloseReport, Connection, Message};
use tokio::sync::Notify;

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
    /// Room in the outbox, or the end.
    room: Notify,
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
    /// Messages ever queued, and those of them that the kernel has taken.
    queued: u64,
    written: u64,
    /// How many handles wait for room, so that nobody is notified in vain.
    waiting: usize,
    driver: Parking,
}

#[derive(Debug, Default)]
enum Close {
    #[default]
    NotAsked,
    /// To be done when the queue is empty.
    Asked { frame: CloseFrame, cause: std::borrow::Cow<'static, str> },
    /// Done, or the connection ended otherwise.
    Done,
}

/// Messages on their way in.
#[derive(Debug, Default)]
struct Inbox {
    queue: Queue,
    receiver: Option<Waker>,
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
        Arc::new(Self {
            outbox: Mutex::default(),
            inbox: Mutex::default(),
            end: OnceLock::new(),
            room: Notify::new(),
            progress: Notify::new(),
            ended: Notify::new(),
            outbox_limits,
            inbox_limits,
        })
    }

    // The handles' side.

    pub(crate) fn push(&self, message: Message) -> Result<(), Rejected> {
        let driver = {
            let mut outbox = lock(&self.outbox);
            if !matches!(outbox.close, Close::NotAsked) {
                return Err(Rejected::Closed(message));
            }
            if !outbox.queue.has_room(message.len(), self.outbox_limits) {
                return Err(Rejected::Full(message));
            }
            outbox.queue.push(message);
            outbox.queued += 1;
            outbox.driver.wake()
        };
        wake(driver);
        Ok(())
    }

    /// As `push`, but waits for room. The message is queued in the same step in which this becomes ready, so dropping it queues nothing.
    pub(crate) async fn push_or_wait(&self, mut message: Message) -> Result<(), Message> {
        loop {
            match self.push(message) {
                Ok(()) => return Ok(()),
                Err(Rejected::Closed(message)) => return Err(message),
                Err(Rejected::Full(returned)) => message = returned,
            }
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            let _waiting = Waiting::new(self);
            match self.push(message) {
                Ok(()) => return Ok(()),
                Err(Rejected::Closed(message)) => return Err(message),
                Err(Rejected::Full(returned)) => message = returned,
            }
            room.await;
        }
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

    /// Asks for a close behind what is queued. The first to ask decides the code.
    pub(crate) fn ask_to_close(&self, frame: CloseFrame, cause: std::borrow::Cow<'static, str>) {
        let driver = {
            let mut outbox = lock(&self.outbox);
            if matches!(outbox.close, Close::NotAsked) {
                outbox.close = Close::Asked { frame, cause };
            }
            outbox.driver.wake()
        };
        self.room.notify_waiters(); // who waits for room learns that there will be none
        wake(driver);
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
        let driver = {
            let mut inbox = lock(&self.inbox);
            if inbox.queue.messages.is_empty() {
                if inbox.is_over {
                    return Poll::Ready(false);
                }
                inbox.receiver = Some(cx.waker().clone());
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

    // The driver's side.

    /// Moves queued messages into the connection until `most` bytes wait there, and then the close, if one was asked for.
    pub(crate) fn pull(&self, connection: &mut Connection, most: usize, now: impl Fn() -> std::time::Instant) {
        let has_waiting = {
            let mut outbox = lock(&self.outbox);
            outbox.driver.is_asleep = false;
            let mut has_pulled = false;
            while connection.is_open() && connection.transmit_len() < most {
                let Some(message) = outbox.queue.pop() else { break };
                has_pulled = true;
                if connection.send(message).is_err() {
                    break;
                }
            }
            if outbox.queue.messages.is_empty()
                && matches!(outbox.close, Close::Asked { .. })
                && let Close::Asked { frame, cause } = std::mem::replace(&mut outbox.close, Close::Done)
            {
                connection.close_because(frame, cause, now());
            }
            has_pulled && outbox.waiting > 0
        };
        if has_waiting {
            self.room.notify_waiters();
        }
    }

    /// Notes that the kernel has everything that was pulled.
    pub(crate) fn all_written(&self) {
        {
            let mut outbox = lock(&self.outbox);
            let written = outbox.queued - outbox.queue.messages.len() as u64;
            if written == outbox.written {
                return;
            }
            outbox.written = written;
        }
        self.progress.notify_waiters();
    }

    /// Prepares to sleep: what is queued from now on wakes `cx`. `false` when something is queued already.
    pub(crate) fn park_for_outbox(&self, cx: &Context<'_>, can_pull: bool) -> bool {
        let mut outbox = lock(&self.outbox);
        let has_work = can_pull && (!outbox.queue.messages.is_empty() || matches!(outbox.close, Close::Asked { .. }));
        if !has_work {
            outbox.driver.sleep(cx);
            outbox.queue.release();
        }
        !has_work
    }

    /// Whether there is room for another message. If not, `cx` is woken when there is.
    pub(crate) fn poll_inbox_room(&self, cx: &Context<'_>) -> bool {
        let mut inbox = lock(&self.inbox);
        let has_room = inbox.queue.has_room(0, self.inbox_limits);
        if !has_room {
            inbox.driver.sleep(cx);
        }
        has_room
    }

    /// Hands a message to the receiver. The waker is the receiver's, if it sleeps.
    #[must_use]
    pub(crate) fn deliver(&self, message: Message) -> Option<Waker> {
        let mut inbox = lock(&self.inbox);
        inbox.queue.push(message);
        inbox.receiver.take()
    }

    /// Publishes the end. Only the first counts.
    pub(crate) fn end(&self, mut report: CloseReport) -> Arc<CloseReport> {
        {
            let mut outbox = lock(&self.outbox);
            outbox.close = Close::Done;
            report.unsent.messages += outbox.queue.messages.len() as u64;
            report.unsent.bytes += outbox.queue.bytes as u64;
            outbox.queue = Queue::default();
        }
        let report = self.end.get_or_init(|| Arc::new(report)).clone();
        let receiver = {
            let mut inbox = lock(&self.inbox);
            inbox.is_over = true;
            inbox.receiver.take()
        };
        wake(receiver);
        self.room.notify_waiters();
        self.progress.notify_waiters();
        self.ended.notify_waiters();
        report
    }
}

impl Queue {
    fn has_room(&self, size: usize, limits: QueueLimits) -> bool {
        self.messages.is_empty() || (self.messages.len() < limits.messages && self.bytes.saturating_add(size) <= limits.bytes)
    }

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
    fn sleep(&mut self, cx: &Context<'_>) {
        self.is_asleep = true;
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    #[must_use]
    fn wake(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.is_asleep) { self.waker.clone() } else { None }
    }
}

/// Counts a handle among those that wait for room, for as long as it lives.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        lock(&shared.outbox).waiting += 1;
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.outbox).waiting -= 1;
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
