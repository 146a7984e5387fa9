//! The queue of messages on their way in.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use silverback_wire::Part;

use crate::later::Later;
use crate::parking::Parking;
use crate::queue::QueueLimits;

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
        later.drop_waker(self.receiver.replace(cx.waker().clone()));
        self.parts = VecDeque::new(); // before sleeping, so that whoever is busy keeps them
        *parts = VecDeque::new();
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

    /// Whether there is room for another.
    pub(crate) fn has_room(&self) -> bool {
        self.parts.is_empty() || (self.parts.len() < self.limits.messages && self.bytes < self.limits.bytes)
    }

    /// Prepares to sleep until there is room for another. `false` when there is.
    pub(crate) fn park(&mut self, cx: &Context<'_>, later: &mut Later) -> bool {
        if self.has_room() {
            return false;
        }
        later.drop_waker(self.driver.sleep(cx));
        true
    }

    /// Hands what has arrived to the receiver, if there still is one. The waker is the receiver's, if it sleeps.
    #[must_use]
    pub(crate) fn deliver(&mut self, part: Part) -> Option<Waker> {
        if self.is_deserted {
            return None;
        }
        self.bytes += part.piece.len();
        self.parts.push_back(part);
        self.receiver.take()
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
