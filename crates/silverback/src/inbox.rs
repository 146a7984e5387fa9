//! The queue of messages on their way in.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use silverback_wire::Part;

use crate::later::Later;
use crate::parking::Parking;
use crate::queue::QueueLimits;
use crate::spare::Spare as _;

/// What has arrived and was not received yet. A whole message is a part that is the last of its message, and the first. Plain data under one lock.
#[derive(Debug)]
pub(crate) struct Inbox {
    limits: QueueLimits,
    parts: VecDeque<Part>,
    bytes: usize,
    receiver: Option<Waker>,
    /// What arrives is for nobody: the receiver is gone, or something was dropped already.
    is_deserted: bool,
    is_over: bool,
    driver: Parking,
}

/// How much may arrive before the inbox has to be looked at again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    messages: u32,
    bytes: u32,
}

impl Room {
    pub(crate) fn is_some(self) -> bool {
        self.messages > 0 && self.bytes > 0
    }

    /// Takes room for a message or a part of this length, which is let in whatever its size as long as there is some. `false` when there is none.
    pub(crate) fn take(&mut self, length: usize) -> bool {
        let is_some = self.is_some();
        if is_some {
            self.messages -= 1;
            self.bytes = self.bytes.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
        }
        is_some
    }
}

impl Inbox {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let parts = VecDeque::new();
        Self { limits, parts, bytes: 0, receiver: None, is_deserted: false, is_over: false, driver: Parking::default() }
    }

    /// Everything that has arrived, into `parts`, which is empty; `Ready(false)` when nothing more will come.
    pub(crate) fn poll_arrivals(&mut self, parts: &mut VecDeque<Part>, cx: &Context<'_>, later: &mut Later) -> Poll<bool> {
        if !self.parts.is_empty() {
            std::mem::swap(parts, &mut self.parts);
            self.bytes = 0;
            later.wake(self.driver.wake());
            return Poll::Ready(true);
        }
        if self.is_over {
            return Poll::Ready(false);
        }
        if self.receiver.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            later.drop_waker(self.receiver.replace(cx.waker().clone()));
        }
        for queue in [parts, &mut self.parts] {
            Part::keep(std::mem::take(queue)); // before sleeping, so that whoever is busy keeps it
        }
        Poll::Pending
    }

    /// The receiver is gone: what arrives from now on is dropped, and reading goes on to find the end. What is here is to be dropped
    /// outside the lock.
    #[must_use]
    pub(crate) fn desert(&mut self, later: &mut Later) -> VecDeque<Part> {
        self.is_deserted = true;
        self.bytes = 0;
        later.wake(self.driver.wake());
        later.drop_waker(self.receiver.take());
        std::mem::take(&mut self.parts)
    }

    /// How much may arrive next. What the receiver takes makes more.
    pub(crate) fn room(&self) -> Room {
        let least = usize::from(self.parts.is_empty()); // whatever its size
        let room = |limit: usize, taken: usize| u32::try_from(limit.saturating_sub(taken).max(least)).unwrap_or(u32::MAX);
        Room { messages: room(self.limits.messages, self.parts.len()), bytes: room(self.limits.bytes, self.bytes) }
    }

    /// Prepares to sleep until there is room for another. `false` when there is.
    pub(crate) fn park(&mut self, cx: &Context<'_>, later: &mut Later) -> bool {
        if self.room().is_some() {
            return false;
        }
        later.drop_waker(self.driver.sleep(cx));
        true
    }

    /// Hands what has arrived to the receiver, if there still is one; if there is none it is left, to be dropped outside the lock. The
    /// receiver is woken if it sleeps, unless it does so by `polled_next`, which is polled right after this.
    pub(crate) fn deliver(&mut self, arrived: &mut VecDeque<Part>, polled_next: Option<&Waker>, later: &mut Later) {
        if self.is_deserted {
            return;
        }
        self.bytes += arrived.iter().map(|part| part.piece.len()).sum::<usize>();
        if self.parts.is_empty() {
            std::mem::swap(&mut self.parts, arrived);
        } else {
            self.parts.append(arrived);
        }
        later.wake(self.receiver.take_if(|waker| polled_next.is_none_or(|polled| !waker.will_wake(polled))));
    }

    /// Wakes the receiver if it sleeps though something is here.
    pub(crate) fn wake_receiver(&mut self, later: &mut Later) {
        if !self.parts.is_empty() {
            later.wake(self.receiver.take());
        }
    }

    pub(crate) fn close(&mut self) {
        self.is_deserted = true;
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self, later: &mut Later) {
        self.is_over = true;
        later.wake(self.receiver.take());
        later.drop_waker(std::mem::take(&mut self.driver).into_waker());
    }
}
