//! Where the driver of a connection sleeps.

use std::task::{Context, Waker};

/// The driver is woken only when it says that it sleeps, so that one that is running is not woken for work that it will see anyway.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    is_asleep: bool,
    waker: Option<Waker>,
}

impl Parking {
    /// The waker that this one replaces, to be dropped outside the lock.
    #[must_use]
    pub(crate) fn sleep(&mut self, cx: &Context<'_>) -> Option<Waker> {
        self.is_asleep = true;
        match &self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => self.waker.replace(cx.waker().clone()),
        }
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.is_asleep
    }

    /// It is running.
    pub(crate) fn rise(&mut self) {
        self.is_asleep = false;
    }

    pub(crate) fn into_waker(self) -> Option<Waker> {
        self.waker
    }

    #[must_use]
    pub(crate) fn wake(&mut self) -> Option<Waker> {
        if std::mem::take(&mut self.is_asleep) { self.waker.clone() } else { None }
    }
}
