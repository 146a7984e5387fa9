//! A connection that belongs to somebody.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use silverback::{CloseReport, ConnectionId, HandlerResult, Message, Receiver, Sender, WebSocket};
use uuid::Uuid;

use crate::core::Core;
use crate::events::{Event, excerpt};
use crate::member::Member;
use crate::registry::Admitted;
use crate::timeline::Asked;
use crate::{Identity, Policy, WhenFull, meter};

/// A session's name: a UUID of version 7, so that later sessions have greater ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Uuid);

/// A text is not the name of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a session is a UUID, like 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct NotASessionId;

impl SessionId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Its last 32 bits, which are random.
    pub(crate) fn random(self) -> usize {
        self.0.as_u128() as u32 as usize
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        Uuid::try_parse(text).map(Self).map_err(|_| NotASessionId)
    }
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// Greater than that of every earlier session of the same user, also across restarts as long as the clock is right: whoever remembers the
    /// greatest one of a user can tell a late `Ended` from news. It fits into the numbers of JavaScript.
    pub epoch: u64,
    /// Whose it is.
    pub identity: Identity,
    /// The subprotocol that both sides agreed on.
    pub subprotocol: Option<Arc<str>>,
    /// The connection's name in this process, as it is in the log.
    pub connection: ConnectionId,
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
    of_user: usize,
}

impl Session {
    pub(crate) fn join(core: &Arc<Core>, mut identity: Identity, policy: &Policy, has_place: bool, mut socket: WebSocket) -> Self {
        let (sender, connection) = (socket.sender(), socket.id());
        let subprotocol = socket.subprotocol().map(|name| core.texts.shared(name.into()));
        identity.handshake = identity.handshake.map(|line| core.texts.shared(line));
        let (user, connected_at) = (identity.user.clone(), SystemTime::now());
        let Admitted { member, displaced, count } = core.registry.admit(&user, policy, has_place, |id, epoch| {
            Member::new(SessionInfo { id, epoch, identity, subprotocol, connection, connected_at }, sender)
        });
        let session = Self { socket, membership: Membership { member, core: core.clone() }, of_user: count };
        // From here on it leaves by ownership, whatever else goes wrong.
        session.announce(&displaced, policy);
        session
    }

    fn announce(&self, displaced: &[Arc<Member>], policy: &Policy) {
        let Membership { member, core } = &self.membership;
        if let WhenFull::CloseOldest { code, reason } = &policy.when_full {
            for gone in displaced {
                gone.ask_to_close(Asked::Displaced { by: member.info.id }, *code, reason.clone());
            }
        }
        meter::joined(self.of_user == 1 && displaced.is_empty(), displaced.len());
        member.tell(&core.events, || Event::Connected(member.info.clone()));
        if let Some(drain) = core.drain() {
            drain.close(member); // it had a place before the drain began
        }
    }

    /// What is known of it.
    pub fn info(&self) -> &Arc<SessionInfo> {
        &self.membership.member.info
    }

    /// How many sessions its user had when it had joined, itself included and those that had to go for it not.
    pub fn of_user(&self) -> usize {
        self.of_user
    }

    /// A handle for what the application knows of this session and the hub does not.
    pub fn notes(&self) -> Notes {
        Notes(self.membership.member.clone())
    }

    /// Runs a handler on the connection: [`WebSocket::run`]. The session leaves the hub as soon as the connection has ended, even if the
    /// handler goes on.
    ///
    /// Dropping this future ends the session and its connection.
    pub fn run<H, F>(self, handler: H) -> impl Future<Output = Arc<CloseReport>>
    where
        H: FnOnce(Sender, SessionReceiver) -> F,
        F: Future<Output = HandlerResult>,
    {
        let membership = self.membership;
        let (member, core) = (membership.member.clone(), membership.core.clone());
        let run = self.socket.run(|tx, rx| handler(tx, SessionReceiver { receiver: rx, member, core }));
        Life { run, membership: Some(membership) }
    }
}

/// A session that runs. The connection is dropped first: it publishes the report that the membership tells of.
struct Life<R> {
    run: R,
    membership: Option<Membership>,
}

impl<R: Future<Output = Arc<CloseReport>> + Unpin> Future for Life<R> {
    type Output = Arc<CloseReport>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<CloseReport>> {
        let Self { run, membership } = self.get_mut();
        let polled = Pin::new(run).poll(cx);
        // The connection is driven here, so this is where it ends, maybe long before the handler does.
        membership.take_if(|membership| membership.member.sender().close_report().is_some());
        polled
    }
}

/// Writes into a session's [`Timeline`](crate::Timeline), from any task.
#[derive(Debug, Clone)]
pub struct Notes(Arc<Member>);

impl Notes {
    /// Notes something for whoever asks later why the session ended: `warned of its token's end`. Cut after 200 bytes; the last 24 moments are
    /// kept. After the end it does nothing.
    pub fn add(&self, note: impl Into<Cow<'static, str>>) {
        self.0.note(|moments| moments.note(note.into()));
    }
}

/// Receives the messages of a session, and shows each to the hub's subscribers.
#[derive(Debug)]
pub struct SessionReceiver {
    receiver: Receiver,
    member: Arc<Member>,
    core: Arc<Core>,
}

impl SessionReceiver {
    /// The next message, or `None` when the connection has ended.
    ///
    /// What answers a [`Request`](crate::Request) goes to whoever waits for it, and neither to the handler nor to subscribers. Messages that are
    /// taken after the end of the session are not shown to subscribers: `Ended` is the last that they hear of it.
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
        poll_fn(|cx| self.poll_recv_unseen(cx)).await
    }

    /// As [`recv_unseen`](Self::recv_unseen), for hand-written futures. Pending, it wakes the task that polled it last.
    pub fn poll_recv_unseen(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        while let Some(message) = ready!(self.receiver.poll_recv(cx)) {
            if !self.member.pending.is_answered_by(self.member.info.id, &message) {
                return Poll::Ready(Some(message));
            }
        }
        Poll::Ready(None)
    }

    /// What is known of the session.
    pub fn info(&self) -> &Arc<SessionInfo> {
        &self.member.info
    }

    /// The session's sender: a handler that sends now and then need not keep one of its own.
    pub fn sender(&self) -> &Sender {
        self.member.sender()
    }

    /// A handle for what the application knows of this session and the hub does not.
    pub fn notes(&self) -> Notes {
        Notes(self.member.clone())
    }

    /// Shows a message to the hub's subscribers.
    pub fn show(&self, message: &Message) {
        self.member.tell(&self.core.events, || Event::Message {
            session: self.member.info.clone(),
            size: message.len(),
            excerpt: excerpt(message),
        });
    }
}

/// The guard: its end is the session's.
#[derive(Debug)]
struct Membership {
    member: Arc<Member>,
    core: Arc<Core>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let Self { member, core } = self;
        if let Some(of_user) = core.registry.remove(member) {
            meter::left(of_user);
        }
        let Some(report) = member.sender().close_report().cloned().map(Arc::new) else {
            return; // the connection publishes its report before this can run
        };
        let Some(life) = member.end(&report) else { return };
        meter::ended(life.asked, &report);
        core.ended.push(life); // before it is told of, so that whoever hears of it finds it
        core.events.publish(|| Event::Ended { session: member.info.clone(), report });
    }
}
