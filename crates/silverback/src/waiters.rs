//! Tasks that wait for something under a lock, the longest waiting first.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use crate::later::Later;

/// A queue of wakers. It holds no memory while nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    #[expect(clippy::box_collection, reason = "8 bytes instead of 32 on each connection, on most of which nobody ever waits")]
    waiting: Option<Box<VecDeque<(u64, Waker)>>>,
    tickets: u64,
}

/// A place in a queue. Whoever has one gives it back with [`Waiters::leave`].
#[derive(Debug, Default)]
pub(crate) struct Place(Option<u64>);

impl Waiters {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none()
    }

    /// Waits at this place, or at a new one behind all others.
    pub(crate) fn wait(&mut self, place: &mut Place, cx: &Context<'_>, later: &mut Later) {
        let waiting = self.waiting.get_or_insert_default();
        let kept = place.0.and_then(|ticket| waiting.iter_mut().find(|(other, _)| *other == ticket));
        match kept {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((_, waker)) => later.drop_waker(Some(std::mem::replace(waker, cx.waker().clone()))),
            None => {
                self.tickets += 1;
                place.0 = Some(self.tickets);
                waiting.push_back((self.tickets, cx.waker().clone()));
            }
        }
    }

    /// Whether nobody has waited longer.
    pub(crate) fn is_first(&self, place: &Place) -> bool {
        self.front().is_none_or(|(first, _)| place.0 == Some(*first))
    }

    /// Wakes who has waited longest, who stays in the queue.
    pub(crate) fn wake_first(&self, later: &mut Later) {
        later.wake(self.front().map(|(_, waker)| waker.clone()));
    }

    #[inline]
    pub(crate) fn leave(&mut self, place: &mut Place, later: &mut Later) {
        let (Some(ticket), Some(waiting)) = (place.0.take(), &mut self.waiting) else { return };
        let at = waiting.iter().position(|(other, _)| *other == ticket);
        if let Some((_, waker)) = at.and_then(|at| waiting.remove(at)) {
            later.drop_waker(Some(waker));
        }
        if waiting.is_empty() {
            self.waiting = None;
        }
    }

    /// Wakes everybody. Nobody waits any more.
    #[inline]
    pub(crate) fn wake_all(&mut self, later: &mut Later) {
        if let Some(waiting) = self.waiting.take() {
            later.wake_all(waiting.into_iter().map(|(_, waker)| waker));
        }
    }

    fn front(&self) -> Option<&(u64, Waker)> {
        self.waiting.as_ref().and_then(|waiting| waiting.front())
    }
}

impl Place {
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}
