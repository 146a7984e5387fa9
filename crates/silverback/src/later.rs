//! What a critical section leaves to be done when its lock is released.

use std::task::Waker;

use crate::outbox::Content;

/// Wakers and messages that come out of a critical section. Waking or dropping them runs code of others, which must not find the lock taken;
/// so it is done when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Later {
    wake: [Option<Waker>; 2],
    wake_more: Vec<Waker>,
    litter: Option<Waker>,
    messages: Vec<Content>,
}

impl Later {
    pub(crate) fn wake(&mut self, waker: impl IntoIterator<Item = Waker>) {
        for waker in waker {
            match self.wake.iter_mut().find(|slot| slot.is_none()) {
                Some(free) => *free = Some(waker),
                None => self.wake_more.push(waker),
            }
        }
    }

    /// For a waker that nobody waits by any more.
    pub(crate) fn drop_waker(&mut self, waker: Option<Waker>) {
        debug_assert!(self.litter.is_none() || waker.is_none(), "a critical section replaces one waker");
        self.litter = waker.or(self.litter.take());
    }

    pub(crate) fn drop_message(&mut self, message: Content) {
        self.messages.push(message);
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        for waker in self.wake.iter_mut().filter_map(Option::take).chain(self.wake_more.drain(..)) {
            waker.wake();
        }
    }
}
