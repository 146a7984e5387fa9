//! A connection that belongs to somebody.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use silverback::{CloseReport, HandlerResult, Message, Receiver, Sender, WebSocket};
use uuid::Uuid;

use crate::events::{Event, Events, excerpt};
use crate::registry::Registry;

/// Whose connection it is, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The user's name.
    pub user: Arc<str>,
    /// What the name was taken from, in a word for people: `header`, `cookie`. Empty where it is not said.
    pub source: &'static str,
    /// Where the connection comes from.
    pub remote: Option<SocketAddr>,
}

impl Identity {
    /// The identity of a user of whom nothing else is known.
    pub fn new(user: impl Into<Arc<str>>) -> Self {
        Self { user: user.into(), source: "", remote: None }
    }

    /// Adds what the name was taken from.
    #[must_use]
    pub fn from_source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    /// Adds where the connection comes from.
    #[must_use]
    pub fn from_remote(mut self, remote: SocketAddr) -> Self {
        self.remote = Some(remote);
        self
    }
}

/// A session's name: a UUID of version 7, so that later sessions have greater ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

impl SessionId {
    fn new() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub identity: Identity,
    /// When it joined.
    pub connected_at: SystemTime,
}

/// A connection in the hub. It leaves the hub when its connection ends or when this value is dropped, whichever comes first.
#[derive(Debug)]
#[must_use = "a session that is dropped is over"]
pub struct Session {
    // The socket first: dropping it publishes the report that the membership tells of.
    socket: WebSocket,
    membership: Membership,
}

impl Session {
    pub(crate) fn join(registry: &Arc<Registry>, events: &Events, identity: Identity, mut socket: WebSocket) -> Self {
        let info = Arc::new(SessionInfo { id: SessionId::new(), identity, connected_at: SystemTime::now() });
        let member = Member { info, sender: socket.sender() };
        registry.insert(member.clone());
        let witness = Arc::new(Witness { events: events.clone(), is_over: Mutex::new(false) });
        witness.tell(|| Event::Connected(member.info.clone()));
        Self { socket, membership: Membership { member, registry: registry.clone(), witness } }
    }

    /// What is known of it.
    pub fn info(&self) -> &Arc<SessionInfo> {
        &self.membership.member.info
    }

    /// Runs a handler on the connection: [`WebSocket::run`]. The session leaves the hub as soon as the connection has ended, even if the
    /// handler goes on.
    ///
    /// Dropping this future ends the session and its connection.
    pub async fn run<H, F>(self, handler: H) -> Arc<CloseReport>
    where
        H: FnOnce(Sender, SessionReceiver) -> F,
        F: Future<Output = HandlerResult>,
    {
        // Declared before the connection, so that it is dropped after it.
        let membership = self.membership;
        let ended = membership.member.sender.clone();
        let (info, witness) = (membership.member.info.clone(), membership.witness.clone());
        let mut run = pin!(self.socket.run(|tx, rx| handler(tx, SessionReceiver { receiver: rx, info, witness })));
        tokio::select! {
            biased;
            report = &mut run => report,
            _ = ended.closed() => {
                drop(membership);
                run.await
            }
        }
    }
}

/// Receives the messages of a session, and shows each to the hub's subscribers.
#[derive(Debug)]
pub struct SessionReceiver {
    receiver: Receiver,
    info: Arc<SessionInfo>,
    witness: Arc<Witness>,
}

impl SessionReceiver {
    /// The next message, or `None` when the connection has ended.
    ///
    /// Messages that are taken after the end of the session are not shown to subscribers: `Ended` is the last that they hear of it.
    ///
    /// Cancel-safe: a message is taken only when this becomes ready.
    pub async fn recv(&mut self) -> Option<Message> {
        let message = self.recv_unseen().await?;
        self.show(&message);
        Some(message)
    }

    /// The next message, of which subscribers learn nothing unless it is [shown](Self::show) to them: for a handler some of whose messages are
    /// nobody else's business.
    ///
    /// Cancel-safe, like [`recv`](Self::recv).
    pub async fn recv_unseen(&mut self) -> Option<Message> {
        self.receiver.recv().await
    }

    /// Shows a message to the hub's subscribers.
    pub fn show(&self, message: &Message) {
        self.witness.tell(|| Event::Message { session: self.info.clone(), size: message.len(), excerpt: excerpt(message) });
    }
}

/// A session as others see it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) info: Arc<SessionInfo>,
    pub(crate) sender: Sender,
}

/// The guard: its end is the session's.
#[derive(Debug)]
struct Membership {
    member: Member,
    registry: Arc<Registry>,
    witness: Arc<Witness>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.registry.remove(&self.member.info);
        let Some(report) = self.member.sender.close_report().cloned() else {
            return; // the connection publishes its report before this can run
        };
        self.witness.tell_last(|| Event::Ended { session: self.member.info.clone(), report: Arc::new(report) });
    }
}

/// Tells the subscribers of one session, and nothing after its end, from whichever tasks.
#[derive(Debug)]
struct Witness {
    events: Events,
    is_over: Mutex<bool>,
}

impl Witness {
    fn tell(&self, event: impl FnOnce() -> Event) {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_over {
            self.events.publish(event);
        }
    }

    fn tell_last(&self, event: impl FnOnce() -> Event) {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *is_over, true) {
            self.events.publish(event);
        }
    }
}
