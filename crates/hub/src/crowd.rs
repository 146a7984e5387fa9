//! One user's sessions, and the choice of who may be among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::SessionId;
use crate::member::Member;
use crate::policy::{JoinRefused, Policy, WhenFull};

/// The sessions of a user, the oldest first, and the places that are kept for sessions to come. It is changed under its shard's lock only, so
/// that each choice sees all earlier ones.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    sessions: Sessions,
    /// The device of each place that is kept.
    places: Vec<Option<Arc<str>>>,
}

/// Most users have one session: it costs no tree.
#[derive(Debug, Default)]
enum Sessions {
    #[default]
    None,
    One(Arc<Member>),
    Many(BTreeMap<SessionId, Arc<Member>>),
}

impl Crowd {
    /// Keeps a place for a session, unless the policy refuses it. A place counts as a session does.
    pub(crate) fn keep_place(&mut self, user: &Arc<str>, device: Option<&Arc<str>>, policy: &Policy) -> Result<(), JoinRefused> {
        let is_there = |other: Option<&Arc<str>>| device.is_some() && other == device;
        if policy.one_per_device
            && let Some(device) = device
            && (self.of_device(device).is_some() || self.places.iter().any(|place| is_there(place.as_ref())))
        {
            return Err(JoinRefused::DeviceConnected { user: user.clone(), device: device.clone() });
        }
        if let Some(limit) = policy.max_sessions
            && self.len() + self.places.len() >= limit.get()
        {
            return Err(JoinRefused::TooManySessions { user: user.clone(), limit });
        }
        self.places.push(device.cloned());
        Ok(())
    }

    /// Gives a place up.
    pub(crate) fn leave_place(&mut self, device: Option<&Arc<str>>) {
        if let Some(at) = self.places.iter().position(|place| place.as_ref() == device) {
            self.places.swap_remove(at);
        }
    }

    /// Takes a session in, and gives those out that have to go for it. None has where a place was kept.
    pub(crate) fn admit(&mut self, member: Arc<Member>, policy: &Policy) -> Vec<Arc<Member>> {
        let mut displaced = Vec::new();
        if let WhenFull::CloseOldest { .. } = policy.when_full {
            if policy.one_per_device
                && let Some(device) = &member.info.identity.device
                && let Some(id) = self.of_device(device)
            {
                displaced.extend(self.remove(id));
            }
            let most = policy.max_sessions.map_or(usize::MAX, |most| most.get() - 1);
            while self.len() + self.places.len() > most
                && let Some(id) = self.oldest()
            {
                displaced.extend(self.remove(id));
            }
        }
        self.insert(member);
        displaced
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Arc<Member>> {
        match &mut self.sessions {
            Sessions::One(member) if member.info.id == id => match std::mem::take(&mut self.sessions) {
                Sessions::One(member) => Some(member),
                _ => None,
            },
            Sessions::Many(members) => {
                let removed = members.remove(&id);
                if members.len() == 1
                    && let Some((_, last)) = members.pop_first()
                {
                    self.sessions = Sessions::One(last);
                }
                removed
            }
            Sessions::None | Sessions::One(_) => None,
        }
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        let (one, many) = match &self.sessions {
            Sessions::None => (None, None),
            Sessions::One(member) => (Some(member), None),
            Sessions::Many(members) => (None, Some(members)),
        };
        one.into_iter().chain(many.into_iter().flat_map(BTreeMap::values))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.sessions {
            Sessions::None => 0,
            Sessions::One(_) => 1,
            Sessions::Many(members) => members.len(),
        }
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.len() == 0 && self.places.is_empty()
    }

    fn insert(&mut self, member: Arc<Member>) {
        self.sessions = match std::mem::take(&mut self.sessions) {
            Sessions::None => Sessions::One(member),
            Sessions::One(first) => Sessions::Many(BTreeMap::from([(first.info.id, first), (member.info.id, member)])),
            Sessions::Many(mut members) => {
                members.insert(member.info.id, member);
                Sessions::Many(members)
            }
        };
    }

    fn oldest(&self) -> Option<SessionId> {
        self.iter().next().map(|member| member.info.id)
    }

    fn of_device(&self, device: &Arc<str>) -> Option<SessionId> {
        self.iter().find(|member| member.info.identity.device.as_ref() == Some(device)).map(|member| member.info.id)
    }
}
