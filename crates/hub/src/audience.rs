//! Whom a message is for.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use silverback::{CloseCode, Outgoing, Overflow, Prepared, TrySendError};

use crate::core::Core;
use crate::member::Member;
use crate::request::{Answer, NotAcknowledged, Request};
use crate::timeline::Asked;
use crate::{SessionId, SessionInfo, meter};

/// So many sessions are looked at in one go before anything is queued for them.
const TOGETHER: usize = 16;

/// Those whom something is for, found anew by each call: [`Hub::user`](crate::Hub::user), [`users`](crate::Hub::users),
/// [`everyone`](crate::Hub::everyone), [`with_attribute`](crate::Hub::with_attribute), [`session`](crate::Hub::session).
///
/// ```
/// use silverback::{CloseCode, Overflow};
/// use silverback_hub::Hub;
///
/// # let hub = Hub::new();
/// let delivery = hub.users(["alice", "bob"]).send("hello");
/// println!("{} of {} have it in their queue", delivery.queued, delivery.sessions);
/// hub.with_attribute("room", 7).offer(r#"{"x":1,"y":2}"#, Overflow::KeepLatest("position of alice".into()));
/// hub.user("mallory").close(CloseCode::POLICY_VIOLATION, "banned");
/// ```
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    core: &'a Arc<Core>,
    of: Of<'a>,
}

#[derive(Debug, Clone)]
pub(crate) enum Of<'a> {
    Session(SessionId),
    User(&'a str),
    Users(BTreeSet<&'a str>),
    Attribute(&'a str, Value),
    Everyone,
}

/// What became of a message. Each session is counted once behind the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Sessions that the message was for.
    pub sessions: usize,
    /// Those of them that have it in their queue.
    pub queued: usize,
    /// Those of them whose queue had no room.
    pub dropped: usize,
    /// Those of them whose connection was closing: nothing can be sent on it any more.
    pub refused: usize,
}

impl<'a> Audience<'a> {
    pub(crate) fn new(core: &'a Arc<Core>, of: Of<'a>) -> Self {
        Self { core, of }
    }

    /// Queues a message for all of them: encoded once, and compressed once for each way of compressing that they have agreed on. Where there is
    /// no room it is dropped. Never waits; for each session it takes about as long as a lock.
    pub fn send(&self, message: impl Into<Outgoing>) -> Delivery {
        self.offer(message, Overflow::DropNewest)
    }

    /// As [`send`](Self::send), with another policy for those whose queue has no room: `Overflow::KeepLatest` with a key, so that at most
    /// one message of that key waits for each, the latest.
    pub fn offer(&self, message: impl Into<Outgoing>, overflow: Overflow) -> Delivery {
        let members = self.members();
        let message = match message.into() {
            Outgoing::Message(message) if members.len() > 1 => Outgoing::Prepared(Prepared::new(message)),
            message => message,
        };
        let mut delivery = Delivery { sessions: members.len(), ..Delivery::default() };
        let mut members = members.into_iter();
        while !members.as_slice().is_empty() {
            // Memory is what is waited for most: asked for together, it comes together.
            members.as_slice().iter().take(TOGETHER).for_each(|member| {
                black_box(member.sender().round_trip());
            });
            for member in members.by_ref().take(TOGETHER) {
                match member.offer(message.clone(), overflow.clone()) {
                    Ok(_) => delivery.queued += 1,
                    Err(TrySendError::Full(_)) => delivery.dropped += 1,
                    Err(TrySendError::Closed(_)) => delivery.refused += 1,
                }
            }
        }
        meter::delivered(&delivery);
        delivery
    }

    /// Sends a request to all of them, and waits until the first has answered, `within` this time. Their handlers have to receive meanwhile: it is
    /// [`SessionReceiver::recv`](crate::SessionReceiver::recv) that notices the answer.
    ///
    /// Cancel-safe in this sense: dropped, it waits no more, and what was queued is sent.
    ///
    /// # Errors
    /// [`NotAcknowledged`] says why there is no answer.
    pub async fn request(&self, request: &Request, within: Duration) -> Result<Answer, NotAcknowledged> {
        request.ask(self.members(), within).await
    }

    /// The sessions, the oldest first.
    pub fn sessions(&self) -> Vec<Arc<SessionInfo>> {
        let mut sessions: Vec<_> = self.members().iter().map(|member| member.info.clone()).collect();
        sessions.sort_unstable_by_key(|session| session.id);
        sessions
    }

    /// Begins to close all of them, and tells how many were not closing already. They leave when their connections have ended.
    pub fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> usize {
        let reason = reason.into();
        self.members().iter().filter(|member| member.ask_to_close(Asked::Application, code, reason.clone())).count()
    }

    fn members(&self) -> Vec<Arc<Member>> {
        let registry = &self.core.registry;
        match &self.of {
            Of::Session(id) => registry.session(*id).into_iter().collect(),
            Of::User(user) => registry.of_user(user),
            Of::Users(users) => users.iter().flat_map(|user| registry.of_user(user)).collect(),
            Of::Attribute(key, value) => registry.all(|member| member.info.identity.attributes.value(key) == Some(value)),
            Of::Everyone => registry.all(|_| true),
        }
    }
}
