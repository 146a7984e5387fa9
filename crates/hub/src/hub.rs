//! The hub's face.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use silverback::{CloseCode, WebSocket};

use crate::audience::{Audience, Of};
use crate::core::Core;
use crate::drain::{Drain, Drained};
use crate::ended::{EndedCursor, EndedLimits, EndedPage};
use crate::events::Subscription;
use crate::listing::{Page, Query};
use crate::policy::{JoinRefused, NotJoined, Policy};
use crate::{Identity, Reservation, Session, SessionId, SessionInfo, Timeline};

/// How many sessions a page may look at. At some 50 ns each, a search holds its thread for a few milliseconds at most.
const LOOK: usize = 100_000;

/// Everybody who is connected here. Clones are the same hub.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (socket, mut client) = (server?, client?);
/// use silverback_hub::{Hub, Identity};
///
/// let hub = Hub::new();
/// let session = hub.join(Identity::new("alice"), socket)?;
/// tokio::spawn(session.run(|tx, mut rx| async move {
///     while let Some(message) = rx.recv().await {
///         tx.send(message).await?;
///     }
///     Ok(())
/// }));
///
/// // From anywhere else:
/// assert_eq!(hub.user("alice").send("hello").queued, 1);
/// assert_eq!(client.recv().await, Some("hello".into()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Hub {
    core: Arc<Core>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Hub {
    /// A hub with nobody in it, and no bound on the sessions of a user.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every setting at its default, to be changed.
    pub fn builder() -> HubBuilder {
        HubBuilder { policy: Policy::default(), backlog: 1024, ended: EndedLimits::default() }
    }

    /// What holds for a user's sessions from the next join on.
    pub fn set_policy(&self, policy: Policy) {
        self.core.set_policy(policy);
    }

    /// Asks for a session before its connection is made: a server does so before it answers the handshake, and joins with what it gets.
    ///
    /// # Errors
    /// [`JoinRefused`], to be told to the client.
    pub fn reserve(&self, identity: Identity) -> Result<Reservation, JoinRefused> {
        Reservation::new(&self.core, identity)
    }

    /// Binds a connection to an identity.
    ///
    /// # Errors
    /// [`NotJoined`] gives the connection back, and says why; [`NotJoined::close`] tells the client.
    pub fn join(&self, identity: Identity, socket: WebSocket) -> Result<Session, NotJoined> {
        match self.reserve(identity) {
            Ok(reservation) => Ok(reservation.join(socket)),
            Err(refused) => Err(NotJoined { refused, socket: Box::new(socket) }),
        }
    }

    /// A user, connected or not.
    pub fn user<'a>(&'a self, user: &'a str) -> Audience<'a> {
        Audience::new(&self.core, Of::User(user))
    }

    /// Several users. A name that is there twice counts once.
    pub fn users<'a>(&'a self, users: impl IntoIterator<Item = &'a str>) -> Audience<'a> {
        Audience::new(&self.core, Of::Users(users.into_iter().collect()))
    }

    /// One session, connected or not.
    pub fn session(&self, id: SessionId) -> Audience<'_> {
        Audience::new(&self.core, Of::Session(id))
    }

    /// Those sessions whose attribute `key` is `value`. Every session is looked at.
    pub fn with_attribute<'a>(&'a self, key: &'a str, value: impl Into<Value>) -> Audience<'a> {
        Audience::new(&self.core, Of::Attribute(key, value.into()))
    }

    /// Every session.
    pub fn everyone(&self) -> Audience<'_> {
        Audience::new(&self.core, Of::Everyone)
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.core.registry.len()
    }

    /// How many users have a session, or a place for one.
    pub fn users_connected(&self) -> usize {
        self.core.registry.users()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every session, the oldest first. For more than a few, [`page`](Self::page).
    pub fn sessions(&self) -> Vec<Arc<SessionInfo>> {
        self.everyone().sessions()
    }

    /// The first sessions behind `after` that meet a query, at most `limit`. Each that is there from the first page to the last is listed exactly
    /// once, whoever comes and goes meanwhile. A page looks at about 100,000 sessions, so that a rare one may be found only by a later page.
    pub fn page(&self, query: &Query, after: Option<SessionId>, limit: usize) -> Page {
        let limit = limit.max(1);
        let (members, next) = match &query.user {
            None => self.core.registry.page(after, limit, LOOK, |member| query.is_met_by(&member.info)),
            Some(user) => {
                let mut members = self.core.registry.of_user(user);
                members.retain(|member| after.is_none_or(|after| member.info.id > after) && query.is_met_by(&member.info));
                let next = members.get(limit).and(members.get(limit - 1)).map(|last| last.info.id);
                members.truncate(limit);
                (members, next)
            }
        };
        Page { sessions: members.iter().map(|member| member.info.clone()).collect(), next }
    }

    /// The life of a session, which may have ended, as long as it is remembered. One that was displaced is found again when its connection has
    /// ended.
    pub fn timeline(&self, id: SessionId) -> Option<Arc<Timeline>> {
        match self.core.registry.session(id) {
            Some(member) => Some(Arc::new(member.timeline())),
            None => self.core.ended.session(id),
        }
    }

    /// The sessions that have ended and meet a query, the last to end first, at most `limit`: why was alice disconnected?
    pub fn ended(&self, query: &Query, before: Option<EndedCursor>, limit: usize) -> EndedPage {
        self.core.ended.page(query, before, limit.max(1))
    }

    /// Begins to close every session, and tells how many were not closing already.
    pub fn close_all(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> usize {
        self.everyone().close(code, reason)
    }

    /// Empties the hub: refuses joins from now on, closes the sessions one after the other, the oldest first, waits for their ends, and tells who
    /// was left. It takes `over` and `patience`, at most. Whoever has a [`Reservation`] still joins, and is closed at once.
    ///
    /// Dropping this future stops the closing; joins stay refused.
    pub async fn drain(&self, drain: Drain) -> Drained {
        drain.run(&self.core).await
    }

    /// Whether a drain has begun: no more joins.
    pub fn is_draining(&self) -> bool {
        self.core.drain().is_some()
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> Subscription {
        self.core.events.subscribe(None)
    }

    /// As [`subscribe`](Self::subscribe), for those who do not care for pages that are loaded again: an `Ended` is held back for this time, and
    /// if a later session of the same user and device joins meanwhile, neither is told. So the `Ended` that is told at last names
    /// the last session of such a chain, which was never told to be connected. At most 16 times the
    /// backlog of events is held back; beyond, the oldest is told early.
    pub fn subscribe_with(&self, grace: Duration) -> Subscription {
        self.core.events.subscribe(Some(grace))
    }
}

/// Makes a [`Hub`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HubBuilder {
    policy: Policy,
    backlog: usize,
    ended: EndedLimits,
}

impl HubBuilder {
    /// What holds for each user's sessions. Default: no bound.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How many events a subscriber may lag behind before it misses the oldest. Default: 1,024. The next power of two is used, at most
    /// 1,048,576.
    pub fn event_backlog(mut self, events: usize) -> Self {
        self.backlog = events;
        self
    }

    /// How much is remembered of sessions that have ended. Default: 10,000 sessions in 16 MiB.
    pub fn ended(mut self, limits: EndedLimits) -> Self {
        self.ended = limits;
        self
    }

    /// The hub, with nobody in it.
    pub fn build(self) -> Hub {
        Hub { core: Arc::new(Core::new(self.policy, self.backlog, self.ended)) }
    }
}
