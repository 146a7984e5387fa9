//! What a critical section leaves to be done when its lock is released.

use std::sync::Arc;
use std::task::Waker;

use crate::batch::Content;
use crate::flusher::Flusher;

/// Wakers and messages that come out of a critical section. Waking or dropping them runs code of others, which must not find the lock taken;
/// so it is done when this is dropped. Most sections leave nothing, and it costs them nothing.
#[derive(Debug, Default)]
pub(crate) struct Later {
    wake: Option<Waker>,
    litter: Option<Waker>,
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    wake: Vec<Waker>,
    messages: Vec<Content>,
    flusher: Option<Arc<Flusher>>,
}

impl Later {
    #[inline]
    pub(crate) fn wake(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.wake.is_none() => self.wake = Some(waker),
            Some(waker) => self.more.get_or_insert_default().wake.push(waker),
            None => {}
        }
    }

    pub(crate) fn wake_all(&mut self, wakers: impl Iterator<Item = Waker>) {
        wakers.for_each(|waker| self.wake(Some(waker)));
    }

    /// For a waker that nobody waits by any more.
    #[inline]
    pub(crate) fn drop_waker(&mut self, waker: Option<Waker>) {
        debug_assert!(self.litter.is_none() || waker.is_none(), "a critical section replaces one waker");
        if waker.is_some() {
            self.litter = waker;
        }
    }

    /// A flusher has its first connection.
    pub(crate) fn serve(&mut self, flusher: Arc<Flusher>) {
        self.more.get_or_insert_default().flusher = Some(flusher);
    }

    pub(crate) fn drop_message(&mut self, message: Content) {
        self.more.get_or_insert_default().messages.push(message);
    }
}

impl Drop for Later {
    #[inline]
    fn drop(&mut self) {
        if let Some(waker) = self.wake.take() {
            waker.wake();
        }
        if let Some(more) = self.more.take() {
            more.wake.into_iter().for_each(Waker::wake);
            more.flusher.into_iter().for_each(Flusher::serve);
        }
    }
}
