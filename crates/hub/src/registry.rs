//! Who is where on this node. An engine that spans nodes would replace this module.
//!
//! Two indexes, both in shards of their own locks: user → sessions, by a keyed hash that nobody outside can play with (SipHash with random keys), and
//! id → session, in order, by the random end of the id. They are written by us rather than taken from a concurrent map because the one thing that
//! matters is what happens under one lock: the choice of who may be there, and both entries of whoever joins or leaves. A user's shard is
//! locked before a session's, never the other way round, and nothing is closed, told or dropped under either.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::SessionId;
use crate::crowd::Crowd;
use crate::member::Member;
use crate::policy::{JoinRefused, Policy};

/// A power of two. More would make listings slower, which look into each shard, and less would make joins wait for each other.
const SHARDS: usize = 32;

/// Tables of fewer entries than this are not worth shrinking.
const SMALL: usize = 64;

type Users = HashMap<Arc<str>, Crowd, RandomState>;
type Sessions = BTreeMap<SessionId, Arc<Member>>;

#[derive(Debug)]
pub(crate) struct Registry {
    hasher: RandomState,
    users: [RwLock<Users>; SHARDS],
    sessions: [RwLock<Sessions>; SHARDS],
    len: AtomicUsize,
    last_epoch: AtomicU64,
    for_last: Notify,
}

/// Who has joined, and who had to go for it.
pub(crate) struct Admitted {
    pub(crate) member: Arc<Member>,
    pub(crate) displaced: Vec<Arc<Member>>,
    /// How many sessions the user has now.
    pub(crate) count: usize,
}

impl Default for Registry {
    fn default() -> Self {
        let hasher = RandomState::new();
        // From the clock, in microseconds: a hub that is started again goes on above where it was.
        let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Self {
            users: std::array::from_fn(|_| RwLock::new(Users::with_hasher(hasher.clone()))),
            sessions: Default::default(),
            hasher,
            len: AtomicUsize::new(0),
            last_epoch: AtomicU64::new(u64::try_from(epoch).unwrap_or(0)),
            for_last: Notify::new(),
        }
    }
}

impl Registry {
    /// Keeps a place for a session of the user, if the policy is one that refuses.
    pub(crate) fn keep_place(&self, user: &Arc<str>, device: Option<&Arc<str>>, policy: &Policy) -> Result<(), JoinRefused> {
        let mut users = write(self.shard_of(user));
        let is_new = !users.contains_key(user);
        let kept = users.entry(user.clone()).or_default().keep_place(user, device, policy);
        if is_new && kept.is_err() {
            users.remove(user);
        }
        kept
    }

    /// Gives up a place that was kept.
    pub(crate) fn leave_place(&self, user: &Arc<str>, device: Option<&Arc<str>>) {
        let mut users = write(self.shard_of(user));
        if let Some(crowd) = users.get_mut(user) {
            crowd.leave_place(device);
        }
        forget_if_empty(&mut users, user);
    }

    /// Takes in what `make` makes of an id and an epoch, which are greater than any before for this user. `has_place` gives up a place that
    /// was kept for it.
    pub(crate) fn admit(
        &self,
        user: &Arc<str>,
        policy: &Policy,
        has_place: bool,
        make: impl FnOnce(SessionId, u64) -> Arc<Member>,
    ) -> Admitted {
        let mut users = write(self.shard_of(user));
        let member = make(SessionId::new(), self.last_epoch.fetch_add(1, Ordering::Relaxed) + 1);
        let crowd = users.entry(user.clone()).or_default();
        if has_place {
            crowd.leave_place(member.info.identity.device.as_ref());
        }
        let displaced = crowd.admit(member.clone(), policy);
        let count = crowd.len();
        for gone in &displaced {
            write(self.shard_of_session(gone.info.id)).remove(&gone.info.id);
        }
        write(self.shard_of_session(member.info.id)).insert(member.info.id, member.clone());
        self.len.fetch_add(1, Ordering::AcqRel);
        self.len.fetch_sub(displaced.len(), Ordering::AcqRel); // never to nothing: one has come
        Admitted { member, displaced, count }
    }

    /// Takes a session out, and tells how many the user still has; `None` where it was out already.
    pub(crate) fn remove(&self, member: &Member) -> Option<usize> {
        let (id, user) = (member.info.id, &member.info.identity.user);
        let mut users = write(self.shard_of(user));
        let crowd = users.get_mut(user)?;
        crowd.remove(id)?;
        let left = crowd.len();
        write(self.shard_of_session(id)).remove(&id);
        forget_if_empty(&mut users, user);
        drop(users);
        if self.len.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.for_last.notify_waiters();
        }
        Some(left)
    }

    pub(crate) fn of_user(&self, user: &str) -> Vec<Arc<Member>> {
        let users = read(self.shard_of(user));
        users.get(user).map(|crowd| crowd.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<Member>> {
        read(self.shard_of_session(id)).get(&id).cloned()
    }

    /// Every session that `is_meant`, in no order.
    pub(crate) fn all(&self, mut is_meant: impl FnMut(&Member) -> bool) -> Vec<Arc<Member>> {
        let mut all = Vec::new();
        for shard in &self.sessions {
            all.extend(read(shard).values().filter(|member| is_meant(member)).cloned());
        }
        all
    }

    /// Of the sessions behind `after` the first that are meant, at most `limit`, in order. The second is where to go on, if there may be more.
    /// It looks at some `look` sessions at most, so that a search for what nobody has holds up nobody.
    pub(crate) fn page(
        &self,
        mut after: Option<SessionId>,
        limit: usize,
        look: usize,
        is_meant: impl Fn(&Member) -> bool,
    ) -> (Vec<Arc<Member>>, Option<SessionId>) {
        let (mut page, mut looked) = (Vec::new(), 0);
        loop {
            let next = self.stretch(after, limit - page.len(), look, &is_meant, &mut page, &mut looked);
            if next.is_none() || page.len() >= limit || looked >= look {
                return (page, next);
            }
            after = next;
        }
    }

    /// Adds the next sessions that are meant, some `wanted` and no more. Each shard gives a little more than its share; the one that had
    /// more to give and got least far says where this stretch ends.
    fn stretch(
        &self,
        after: Option<SessionId>,
        wanted: usize,
        look: usize,
        is_meant: impl Fn(&Member) -> bool,
        page: &mut Vec<Arc<Member>>,
        looked: &mut usize,
    ) -> Option<SessionId> {
        let share = wanted.min(wanted / SHARDS * 2 + 8);
        let begin = page.len();
        let mut horizon: Option<SessionId> = None;
        for shard in &self.sessions {
            let sessions = read(shard);
            let mut found = 0;
            let mut range = sessions.range((after.map_or(Unbounded, Excluded), Unbounded)).zip(1..);
            while let Some(((id, member), count)) = range.next() {
                *looked += 1;
                if is_meant(member) {
                    found += 1;
                    page.push(member.clone());
                }
                if found == share || count >= look.div_ceil(SHARDS) {
                    if range.next().is_some() {
                        horizon = Some(horizon.map_or(*id, |horizon| horizon.min(*id)));
                    }
                    break;
                }
            }
        }
        page[begin..].sort_unstable_by_key(|member| member.info.id);
        let end = page[begin..].partition_point(|member| horizon.is_none_or(|horizon| member.info.id <= horizon));
        let is_cut = end > wanted;
        page.truncate(begin + end.min(wanted));
        if is_cut { page.last().map(|last| last.info.id) } else { horizon }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// How many users have a session or a place. A look at each shard.
    pub(crate) fn users(&self) -> usize {
        self.users.iter().map(|shard| read(shard).len()).sum()
    }

    /// Waits until nobody is there.
    ///
    /// Cancel-safe.
    pub(crate) async fn empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.for_last.notified());
            emptied.as_mut().enable(); // before looking: what happens in between is not missed
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn shard_of(&self, user: &str) -> &RwLock<Users> {
        // Neither the lowest nor the highest bits, by which the tables in the shards tell their entries apart.
        &self.users[(self.hasher.hash_one(user) >> 40) as usize % SHARDS]
    }

    fn shard_of_session(&self, id: SessionId) -> &RwLock<Sessions> {
        &self.sessions[id.random() % SHARDS]
    }
}

fn forget_if_empty(users: &mut Users, user: &Arc<str>) {
    if users.get(user).is_some_and(Crowd::is_forgotten) {
        users.remove(user);
        if users.len() * 4 < users.capacity() && users.capacity() > SMALL {
            users.shrink_to_fit(); // a crowd that has left is not remembered
        }
    }
}

/// What could panic under these locks is an assertion of tests, so a poisoned one is as good as any.
fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use silverback::Upgrader;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::core::Core;
    use crate::ended::EndedLimits;
    use crate::{Identity, Session};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    async fn crowd(core: &Arc<Core>, count: usize) -> Vec<Session> {
        let mut crowd = Vec::new();
        for number in 0..count {
            let (ours, mut theirs) = duplex(512);
            theirs.write_all(REQUEST).await.unwrap();
            let socket = Upgrader::default().accept(ours).await.unwrap();
            crowd.push(Session::join(core, Identity::new(format!("user-{number}")), &Policy::default(), false, socket));
        }
        crowd
    }

    #[tokio::test]
    async fn pages_are_whole_however_little_each_may_look_at() {
        let core = Arc::new(Core::new(Policy::default(), 1, EndedLimits::default()));
        let crowd = crowd(&core, 500).await;
        let ids: Vec<_> = crowd.iter().map(|session| session.info().id).collect();
        for (look, limit, every) in [(1, 1000, 1), (64, 10, 1), (64, 1000, 50), (1000, 3, 50), (1, 1, 499), (usize::MAX, usize::MAX, 1)] {
            let wanted: Vec<_> = ids.iter().copied().step_by(every).collect();
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let (page, next) = core.registry.page(after, limit, look, |member| wanted.binary_search(&member.info.id).is_ok());
                assert!(page.len() <= limit && next > after || next.is_none());
                found.extend(page.iter().map(|member| member.info.id));
                pages += 1;
                match next {
                    Some(_) => after = next,
                    None => break,
                }
            }
            assert_eq!(found, wanted, "{limit} of every {every}th, looking at {look}");
            assert!(pages > 1 || look == usize::MAX, "looking at {look}");
        }
    }
}
