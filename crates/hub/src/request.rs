//! A delivery that the client acknowledges.
//!
//! The envelope, in text messages of JSON (`docs/acknowledged.md`):
//!
//! ```text
//!   hub ──▶ client   {"id":"0198c0de-…","data":…}
//!   client ──▶ hub   {"reply_to":"0198c0de-…","data":…}
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use silverback::{Message, Outgoing, Overflow, Prepared, TrySendError};
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use crate::member::Member;
use crate::{Delivery, SessionId, meter};

/// How many requests of one session may wait for their answers.
const PENDING: usize = 64;

/// A message that its receiver answers: [`Audience::request`](crate::Audience::request).
///
/// ```
/// # async fn example(hub: silverback_hub::Hub) {
/// use std::time::Duration;
/// use serde_json::json;
/// use silverback_hub::{NotAcknowledged, Request};
///
/// let call = Request::new(json!({ "type": "call", "from": "bob" }));
/// match hub.user("alice").request(&call, Duration::from_secs(20)).await {
///     Ok(answer) => println!("session {} answered {}", answer.session, answer.data),
///     Err(NotAcknowledged::NotDelivered(_)) => println!("alice is not there"),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    id: Arc<str>,
    data: Value,
}

/// The id of a request is empty or longer than [`Request::ID_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a request has 1 to {limit} bytes, and this one has {0}", limit = Request::ID_LIMIT)]
pub struct RequestIdNotValid(pub usize);

/// What a client answered.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Which session.
    pub session: SessionId,
    /// The answer's `data`; null where it had none.
    pub data: Value,
}

/// Nobody has answered a request. Whether it was read is not known, unless it was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAcknowledged {
    /// No session took it: nobody is there, or their queues are full, or they are closing, or have 64 requests or one of the same id unanswered
    /// (which is counted as refused).
    #[error("not acknowledged: it was queued for none of {} sessions ({} dropped, {} refused)", .0.sessions, .0.dropped, .0.refused)]
    NotDelivered(Delivery),
    /// Time is over. A later answer is an ordinary message.
    #[error("not acknowledged: no answer came within {within:?}")]
    TimedOut {
        /// The time there was.
        within: Duration,
        /// Who had it.
        delivery: Delivery,
    },
    /// Every session that had it has ended.
    #[error("not acknowledged: every session that had it ended before it answered")]
    Ended(Delivery),
}

impl Request {
    /// The most bytes of an id.
    pub const ID_LIMIT: usize = 128;

    /// A request with an id of its own, a UUID.
    pub fn new(data: impl Into<Value>) -> Self {
        Self { id: Uuid::now_v7().to_string().into(), data: data.into() }
    }

    /// With an id of the caller's, which no other request has that waits for an answer of the same session.
    ///
    /// # Errors
    /// [`RequestIdNotValid`] for an id that is empty or too long.
    pub fn with_id(mut self, id: impl Into<Arc<str>>) -> Result<Self, RequestIdNotValid> {
        self.id = id.into();
        match self.id.len() {
            1..=Self::ID_LIMIT => Ok(self),
            length => Err(RequestIdNotValid(length)),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends it to all of them, and waits for the first answer.
    pub(crate) async fn ask(&self, members: Vec<Arc<Member>>, within: Duration) -> Result<Answer, NotAcknowledged> {
        let outcome = self.first_answer(members, within).await;
        meter::requested(match &outcome {
            Ok(_) => "answered",
            Err(NotAcknowledged::NotDelivered(_)) => "not_delivered",
            Err(NotAcknowledged::TimedOut { .. }) => "timed_out",
            Err(NotAcknowledged::Ended(_)) => "ended",
        });
        outcome
    }

    async fn first_answer(&self, members: Vec<Arc<Member>>, within: Duration) -> Result<Answer, NotAcknowledged> {
        let (answer, mut answers) = mpsc::channel(1); // the first one counts
        let message = Prepared::new(json!({ "id": &*self.id, "data": self.data }).to_string());
        let mut delivery = Delivery { sessions: members.len(), ..Delivery::default() };
        let mut waiting = Waiting { id: self.id.clone(), members: Vec::new() };
        for member in members {
            if !member.pending.add(&self.id, &answer) {
                delivery.refused += 1;
                continue;
            }
            let offered = member.offer(Outgoing::from(&message), Overflow::DropNewest);
            waiting.members.push(member); // also where it was not queued: dropping gives it up
            match offered {
                Ok(_) => delivery.queued += 1,
                Err(TrySendError::Full(_)) => delivery.dropped += 1,
                Err(TrySendError::Closed(_)) => delivery.refused += 1,
            }
        }
        drop(answer); // so that the end of the last session is noticed
        meter::delivered(&delivery);
        if delivery.queued == 0 {
            return Err(NotAcknowledged::NotDelivered(delivery));
        }
        match timeout(within, answers.recv()).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(NotAcknowledged::Ended(delivery)),
            Err(_) => Err(NotAcknowledged::TimedOut { within, delivery }),
        }
    }
}

/// Dropped, it waits for no answer any more.
struct Waiting {
    id: Arc<str>,
    members: Vec<Arc<Member>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for member in &self.members {
            member.pending.remove(&self.id);
        }
    }
}

/// The requests of a session that wait for an answer.
#[derive(Debug, Default)]
pub(crate) struct Pending(Mutex<Asked>);

#[derive(Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    /// Each id, and who waits for its answer. Boxed: few sessions are ever asked something.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 24 in each session")]
    Some(Box<Vec<(Arc<str>, mpsc::Sender<Answer>)>>),
    /// The session is, and nothing can be asked any more.
    Over,
}

impl Pending {
    fn add(&self, id: &Arc<str>, answer: &mpsc::Sender<Answer>) -> bool {
        let request = (id.clone(), answer.clone());
        let mut asked = self.lock();
        match &mut *asked {
            Asked::Nothing => *asked = Asked::Some(Box::new(vec![request])),
            Asked::Some(pending) if pending.len() < PENDING && pending.iter().all(|(other, _)| other != id) => pending.push(request),
            Asked::Some(_) | Asked::Over => return false,
        }
        true
    }

    fn remove(&self, id: &str) -> Option<mpsc::Sender<Answer>> {
        let mut asked = self.lock();
        let Asked::Some(pending) = &mut *asked else { return None };
        let at = pending.iter().position(|(other, _)| **other == *id)?;
        let (_, answer) = pending.swap_remove(at);
        if pending.is_empty() {
            *asked = Asked::Nothing;
        }
        Some(answer)
    }

    /// Whether a message answers one of them; then it has been handed on. Nothing is read as JSON unless a request waits.
    pub(crate) fn is_answered_by(&self, session: SessionId, message: &Message) -> bool {
        if !matches!(*self.lock(), Asked::Some(_)) {
            return false;
        }
        let Some((id, data)) = message.as_text().and_then(answer) else { return false };
        let Some(answer) = self.remove(&id) else { return false };
        let _ = answer.try_send(Answer { session, data }); // another session was first, or nobody waits any more
        true
    }

    /// There will be no answer.
    pub(crate) fn give_up(&self) {
        let _given_up = std::mem::replace(&mut *self.lock(), Asked::Over);
    }

    /// No code that can panic runs under this lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer answers, and its data.
fn answer(text: &str) -> Option<(String, Value)> {
    if !text.contains("\"reply_to\"") {
        return None;
    }
    let Ok(Value::Object(mut object)) = serde_json::from_str(text) else { return None };
    let Some(Value::String(id)) = object.remove("reply_to") else { return None };
    Some((id, object.remove("data").unwrap_or_default()))
}
