//! The hub's face.

use std::borrow::Cow;
use std::sync::Arc;

use silverback::{CloseCode, Message, Outgoing, Prepared, TrySendError, WebSocket};

use crate::events::{Events, Subscription};
use crate::registry::Registry;
use crate::session::Member;
use crate::{Identity, Session, SessionInfo};

/// Everybody who is connected here. Clones are the same hub.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    registry: Arc<Registry>,
    events: Events,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Sessions that the message was for.
    pub sessions: usize,
    /// Those of them that have it in their queue.
    pub queued: usize,
    /// Those of them whose queue was full.
    pub dropped: usize,
}

impl Hub {
    /// A hub with nobody in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a connection to an identity. A user may have any number of sessions.
    pub fn join(&self, identity: Identity, socket: WebSocket) -> Session {
        Session::join(&self.registry, &self.events, identity, socket)
    }

    /// A user, connected or not.
    pub fn user<'a>(&'a self, user: &'a str) -> User<'a> {
        User { hub: self, name: user }
    }

    /// Every session, the oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionInfo>> {
        oldest_first(self.registry.all().into_iter().map(|member| member.info).collect())
    }

    /// Begins to close every session, and tells how many were not closing already.
    pub fn close_all(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> usize {
        close(&self.registry.all(), code, reason.into())
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> Subscription {
        self.events.subscribe()
    }
}

/// One user's sessions.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    hub: &'a Hub,
    name: &'a str,
}

impl User<'_> {
    /// Queues a message for every session of the user. Never waits.
    pub fn send(&self, message: impl Into<Message>) -> Delivery {
        let members = self.hub.registry.of_user(self.name);
        let message = match &members[..] {
            [_, _, ..] => Outgoing::Prepared(Prepared::new(message)), // encoded and compressed once for all of them
            _ => Outgoing::Message(message.into()),
        };
        let mut delivery = Delivery::default();
        for member in members {
            match member.sender.try_send(message.clone()) {
                Ok(()) => delivery.queued += 1,
                Err(TrySendError::Full(_)) => delivery.dropped += 1,
                Err(TrySendError::Closed(_)) => continue, // it is leaving: not a session any more
            }
            delivery.sessions += 1;
        }
        delivery
    }

    /// The user's sessions, the oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionInfo>> {
        let members = self.hub.registry.of_user(self.name);
        oldest_first(members.into_iter().map(|member| member.info).collect())
    }

    /// Begins to close every session of the user, and tells how many were not closing already. They leave when their connections have
    /// ended.
    pub fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> usize {
        close(&self.hub.registry.of_user(self.name), code, reason.into())
    }
}

fn close(members: &[Member], code: CloseCode, reason: Cow<'static, str>) -> usize {
    members.iter().filter(|member| member.sender.begin_close(code, reason.clone())).count()
}

fn oldest_first(mut sessions: Vec<Arc<SessionInfo>>) -> Vec<Arc<SessionInfo>> {
    sessions.sort_unstable_by_key(|session| session.id);
    sessions
}
