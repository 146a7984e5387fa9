//! A session as others see it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use silverback::{CloseCode, CloseFrame, CloseReport, Offered, Outgoing, Overflow, Sender, TrySendError};

use crate::SessionInfo;
use crate::events::{Event, Events};
use crate::request::Pending;
use crate::timeline::{Asked, End, Moments, Timeline};

/// What the registry holds of a session.
#[derive(Debug)]
#[repr(C)] // a fan-out needs the sender, which is in front, and nothing else
pub(crate) struct Member {
    sender: Sender,
    pub(crate) info: Arc<SessionInfo>,
    pub(crate) pending: Pending,
    life: Mutex<Life>,
}

#[derive(Debug)]
enum Life {
    Living(Moments),
    Over,
}

impl Member {
    pub(crate) fn new(info: SessionInfo, sender: Sender) -> Arc<Self> {
        Arc::new(Self { info: Arc::new(info), pending: Pending::default(), sender, life: Mutex::new(Life::Living(Moments::default())) })
    }

    /// Queues a message, or does what the policy says. Never waits.
    pub(crate) fn offer(&self, message: Outgoing, overflow: Overflow) -> Result<Offered, TrySendError> {
        let offered = self.sender.offer(message, overflow);
        if let Err(TrySendError::Full(_)) = offered {
            self.note(|moments| moments.first_drop());
        }
        offered
    }

    /// Begins to close the connection; `false` when it is closing already.
    pub(crate) fn ask_to_close(&self, by: Asked, code: CloseCode, reason: Cow<'static, str>) -> bool {
        let frame = CloseFrame::new(code, reason.clone());
        // Before it is asked, or the end could come first.
        self.note(|moments| moments.ask(by, frame));
        self.sender.begin_close(code, reason)
    }

    pub(crate) fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Tells subscribers, unless it is over.
    pub(crate) fn tell(&self, events: &Events, event: impl FnOnce() -> Event) {
        let life = self.life();
        if let Life::Living(_) = *life {
            events.publish(event); // under the lock: nothing is told after the end
        }
    }

    /// Notes something in its timeline, unless it is over.
    pub(crate) fn note(&self, note: impl FnOnce(&mut Moments)) {
        if let Life::Living(moments) = &mut *self.life() {
            note(moments);
        }
    }

    /// Its timeline so far.
    pub(crate) fn timeline(&self) -> Timeline {
        let moments = match &*self.life() {
            Life::Living(moments) => moments.clone(),
            Life::Over => Moments::default(),
        };
        Timeline::new(self.info.clone(), moments, self.sender.queue(), None)
    }

    /// Ends its life, once. Nothing is told of it from here on but the end.
    pub(crate) fn end(&self, report: &Arc<CloseReport>) -> Option<Timeline> {
        let life = std::mem::replace(&mut *self.life(), Life::Over);
        self.pending.give_up();
        match life {
            Life::Living(moments) => Some(Timeline::new(self.info.clone(), moments, self.sender.queue(), Some(End::now(report.clone())))),
            Life::Over => None,
        }
    }

    /// What is done under this lock does not panic, so a poisoned one is as good as any.
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a session costs beside its connection and its identity's texts. Growth is a decision, not an accident.
    #[test]
    fn a_session_is_small() {
        for (name, size, most) in [("Member", size_of::<Member>(), 80), ("SessionInfo", size_of::<SessionInfo>(), 184)] {
            assert!(size <= most, "{name} has {size} bytes");
        }
    }
}
