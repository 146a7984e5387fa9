//! What a session tells the back end: that it began, its messages in their order, and that it ended.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use http::header::{CONTENT_TYPE, HeaderMap};
use serde::Serialize;
use serde_json::{Value, json};
use silverback::{Message, Refusal, Sender, Text};
use silverback_hub::{Identity, SessionInfo};
use tokio::time::{Instant, timeout_at};

use super::backend::{Answer, Failure};
use super::courier::Outcome;
use super::event::{Event, Kind, Whose};
use super::spool::{Room, Sequence};
use super::{Hooks, asking, meter};
use crate::json::{ReportJson, SessionJson};
use crate::media::{self, Media};

/// A session's line to the back end. When it is dropped, it waits for the end of the connection and tells of it.
pub(crate) struct Line {
    hooks: Arc<Hooks>,
    info: Arc<SessionInfo>,
    introduction: Introduction,
    /// Whose end is told; `None` before the connection has a handler.
    connection: Option<Sender>,
    messages: Counts,
    room: Option<Room>,
}

/// Telling that the session began; `messages` wait for it, and so does the end.
enum Introduction {
    UnderWay(Pin<Box<dyn Future<Output = Introduced> + Send>>),
    Over(Introduced),
}

/// What became of the first event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Introduced {
    /// Its place in the spool, if it has one.
    pub(super) sequence: Option<Sequence>,
    /// Whether nothing is left to do about it. If not, the rest waits in the spool behind it.
    pub(super) is_over: bool,
}

/// What became of a session's messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Counts {
    taken: u64,
    refused: u64,
    given_up: u64,
}

/// What became of a message.
#[derive(Debug)]
pub(crate) enum Told {
    /// The back end has it, and says this to the session, or nothing.
    Taken(Option<Message>),
    /// The back end will not have it: what the client is to be told.
    Refused(Message),
    /// The back end could not be reached in time: this message, counted from 1, and those behind it are not delivered.
    GivenUp { number: u64 },
}

/// What an event takes in the spool beside what its session is called: names of fields, times, the report.
const FIELDS: usize = 1024;
const REPORT: usize = 2048;

impl Hooks {
    /// Room to keep what will have to be told of a session.
    pub(crate) fn reserve(&self, identity: &Identity) -> Result<Option<Room>, Refusal> {
        let Some(spool) = &self.spool else { return Ok(None) };
        let names = [Some(&identity.user), identity.device.as_ref(), identity.handshake.as_ref()];
        let names: usize = names.into_iter().flatten().map(|name| 2 * name.len()).sum(); // with what escaping adds
        let attributes = identity.attributes.object().map_or(0, |object| serde_json::to_vec(object).map_or(0, |json| json.len()));
        let bytes = 2 * (FIELDS + names + attributes) + REPORT;
        spool.reserve(bytes as u64).map(Some).ok_or_else(asking::spool_full)
    }

    /// The line of a session that has just joined.
    pub(crate) fn line(self: &Arc<Self>, info: &Arc<SessionInfo>, room: Option<Room>) -> Line {
        let (hooks, of) = (self.clone(), info.clone());
        let introduction = match self.spool {
            Some(_) => Introduction::UnderWay(Box::pin(async move { hooks.introduce(&of).await })),
            None => Introduction::Over(Introduced { sequence: None, is_over: true }),
        };
        Line { hooks: self.clone(), info: info.clone(), introduction, connection: None, messages: Counts::default(), room }
    }

    async fn introduce(&self, info: &SessionInfo) -> Introduced {
        let Some(spool) = &self.spool else { return Introduced { sequence: None, is_over: true } };
        let body = serde_json::to_vec(&json!({ "session": SessionJson::from(info) })).unwrap_or_default();
        let event = Event::of_life(Kind::Connected, Whose::new(info), info.connected_at, body);
        let sequence = spool.append(&event).await;
        let is_over = self.tell_of_begin(&event, sequence).await;
        Introduced { sequence, is_over }
    }

    /// Tells that a session began. Whether nothing is left to do about it.
    pub(super) async fn tell_of_begin(&self, event: &Event, sequence: Option<Sequence>) -> bool {
        let is_over = !self.settings.wants(Kind::Connected) || self.bring_of_life(event, sequence.is_some()).await;
        if let (true, Some(spool), Some(sequence)) = (is_over, &self.spool, sequence) {
            match self.settings.wants(Kind::Ended) {
                true => spool.delivered(sequence).await, // it stays until the end is told
                false => spool.remove(sequence).await,
            }
        }
        is_over
    }

    /// Tells that a session ended, once its begin is told.
    pub(super) async fn tell_of_end(&self, event: &Event, sequence: Option<Sequence>, introduced: Introduced) {
        if introduced.is_over
            && self.bring_of_life(event, sequence.is_some()).await
            && let Some(spool) = &self.spool
        {
            // The begin first: an end without one is told again, a begin without an end would get another.
            for sequence in introduced.sequence.into_iter().chain(sequence) {
                spool.remove(sequence).await;
            }
        }
    }

    /// Brings the begin or the end of a session. Whether nothing is left to do about it; if not, the next process goes on.
    async fn bring_of_life(&self, event: &Event, is_kept: bool) -> bool {
        let age = SystemTime::now().duration_since(event.at).unwrap_or_default();
        let outcome = match self.courier.bring(event, self.settings.spool.keep.saturating_sub(age)).await {
            Outcome::Taken(_) => "taken",
            Outcome::Refused(answer) => {
                let (status, reason) = (answer.status.as_u16(), answer.reason());
                self.log.refused.warn(|more| tracing::warn!(id = event.id, status, reason, more, "the back end will not have an event"));
                "refused"
            }
            Outcome::GivenUp(Failure::Stopping) if is_kept => "kept",
            Outcome::GivenUp(failure) => {
                self.log
                    .given_up
                    .warn(|more| tracing::error!(id = event.id, %failure, more, "an event is given up: the back end will not hear of it"));
                "given_up"
            }
        };
        meter::event(event.kind, outcome, 1);
        outcome != "kept"
    }
}

impl Line {
    /// By this sender the connection's end is heard of.
    pub(crate) fn is_of(&mut self, connection: &Sender) {
        self.connection = Some(connection.clone());
    }

    /// Whether the back end is told of messages.
    pub(crate) fn is_for_messages(&self) -> bool {
        self.hooks.settings.wants(Kind::Message)
    }

    /// Whether the back end does not know yet that the session began.
    pub(crate) fn is_to_be_introduced(&self) -> bool {
        matches!(self.introduction, Introduction::UnderWay(_))
    }

    /// Tells the back end that the session began, if it does not know yet.
    ///
    /// Cancel-safe: the next call goes on.
    async fn introduce(&mut self) {
        poll_fn(|cx| self.poll_introduced(cx)).await;
    }

    /// As [`introduce`](Self::introduce).
    pub(crate) fn poll_introduced(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Introduction::UnderWay(telling) = &mut self.introduction {
            self.introduction = Introduction::Over(ready!(telling.as_mut().poll(cx)));
        }
        Poll::Ready(())
    }

    /// Tells the back end of a message, and what it says to that. Waits for it, for at most `hooks.give_up_after`.
    pub(crate) async fn tell(&mut self, message: &Message) -> Told {
        let Counts { taken, refused, given_up } = self.messages;
        let number = taken + refused + given_up + 1;
        let event = Event::message(&self.info, number, message);
        let deadline = Instant::now() + self.hooks.settings.give_up_after;
        let outcome = match timeout_at(deadline, self.introduce()).await {
            Ok(()) => self.hooks.courier.bring(&event, deadline.saturating_duration_since(Instant::now())).await,
            Err(_) => Outcome::GivenUp(Failure::Open),
        };
        match outcome {
            Outcome::Taken(answer) => {
                self.messages.taken += 1;
                meter::event(Kind::Message, "taken", 1);
                Told::Taken(self.answer(answer, &event))
            }
            Outcome::Refused(answer) => {
                self.messages.refused += 1;
                meter::event(Kind::Message, "refused", 1);
                let (status, reason) = (answer.status.as_u16(), answer.reason());
                self.hooks
                    .log
                    .refused
                    .warn(|more| tracing::info!(id = event.id, status, reason, more, "the back end will not have a message"));
                let told = json!({ "type": "silverback.message.refused", "number": number, "status": status, "reason": reason });
                Told::Refused(Message::text(told.to_string()))
            }
            Outcome::GivenUp(failure) => {
                self.give_up();
                self.hooks
                    .log
                    .given_up
                    .warn(|more| tracing::error!(id = event.id, %failure, more, "a message is given up, and its session is closed"));
                Told::GivenUp { number }
            }
        }
    }

    /// Counts a message that is not delivered, because one before it was not.
    pub(crate) fn give_up(&mut self) {
        self.messages.given_up += 1;
        meter::event(Kind::Message, "given_up", 1);
    }

    /// Counts an answer for which the session was there no more.
    pub(crate) fn answer_was_lost(&self) {
        meter::answer_lost("session_ended");
    }

    fn answer(&self, Answer { headers, body, .. }: Answer, event: &Event) -> Option<Message> {
        let lost = |why: &'static str| {
            meter::answer_lost(why);
            self.hooks
                .log
                .answer_lost
                .warn(|more| tracing::error!(id = event.id, why, more, "the back end's answer to a message cannot be sent on"));
            None
        };
        match body {
            None => lost("too_large"),
            Some(body) if body.is_empty() => None,
            Some(body) => match kind(&headers) {
                Media::Binary => Some(Message::Binary(body)),
                Media::Text => Text::try_from(body).map_or_else(|_| lost("not_utf8"), |text| Some(Message::Text(text))),
            },
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.hooks.settings.wants(Kind::Ended) && !self.is_to_be_introduced() {
            return;
        }
        let over = Introduction::Over(Introduced { sequence: None, is_over: true });
        let introduction = std::mem::replace(&mut self.introduction, over);
        let (hooks, info, messages) = (self.hooks.clone(), self.info.clone(), self.messages);
        let (connection, room) = (self.connection.take(), self.room.take());
        let telling = async move {
            let report = match connection {
                Some(connection) => json!(ReportJson::from(&*connection.closed().await)),
                None => Value::Null,
            };
            let at = SystemTime::now();
            let introduced = match introduction {
                Introduction::UnderWay(telling) => telling.await,
                Introduction::Over(introduced) => introduced,
            };
            if let Some(spool) = &hooks.spool
                && hooks.settings.wants(Kind::Ended)
            {
                let mut body = json!({ "session": SessionJson::from(&*info), "report": report });
                if hooks.settings.wants(Kind::Message) {
                    body["messages"] = json!(messages);
                }
                let event = Event::of_life(Kind::Ended, Whose::new(&info), at, body.to_string().into_bytes());
                let sequence = spool.append(&event).await;
                hooks.tell_of_end(&event, sequence, introduced).await;
            }
            drop(room); // its bytes are another session's
        };
        // Without a runtime the process ends: the next one finds a begin without an end.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.hooks.tasks.spawn_on(telling, &runtime);
        }
    }
}

/// What the content type makes of an answer.
fn kind(headers: &HeaderMap) -> Media {
    media::kind(headers.get(CONTENT_TYPE))
}
