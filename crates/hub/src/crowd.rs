//! One user's sessions, and the choice of who may be among them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::SessionId;
use crate::member::Member;
use crate::policy::{JoinRefused, Policy, WhenFull};

/// The sessions of a user, the oldest first, and the places that are kept for sessions to come. It is changed under its shard's lock only, so
/// that each choice sees all earlier ones.
///
/// Most users have one session and no place: it costs two words, and no tree.
#[derive(Debug, Default)]
pub(crate) enum Crowd {
    #[default]
    Nobody,
    One(Arc<Member>),
    More(Box<More>),
}

#[derive(Debug, Default)]
pub(crate) struct More {
    sessions: BTreeMap<SessionId, Arc<Member>>,
    /// The device of each place that is kept.
    places: Vec<Option<Arc<str>>>,
}

impl Crowd {
    /// Keeps a place for a session, unless the policy refuses it. A place counts as a session does.
    pub(crate) fn keep_place(&mut self, user: &Arc<str>, device: Option<&Arc<str>>, policy: &Policy) -> Result<(), JoinRefused> {
        let is_there = |other: Option<&Arc<str>>| device.is_some() && other == device;
        if policy.one_per_device
            && let Some(device) = device
            && (self.of_device(device).is_some() || self.places().iter().any(|place| is_there(place.as_ref())))
        {
            return Err(JoinRefused::DeviceConnected { user: user.clone(), device: device.clone() });
        }
        if let Some(limit) = policy.max_sessions
            && self.len() + self.places().len() >= limit.get()
        {
            return Err(JoinRefused::TooManySessions { user: user.clone(), limit });
        }
        self.more().places.push(device.cloned());
        Ok(())
    }

    /// Gives a place up.
    pub(crate) fn leave_place(&mut self, device: Option<&Arc<str>>) {
        if let Self::More(more) = self
            && let Some(at) = more.places.iter().position(|place| place.as_ref() == device)
        {
            more.places.swap_remove(at);
            self.be_small();
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
            while self.len() + self.places().len() > most
                && let Some(id) = self.oldest()
            {
                displaced.extend(self.remove(id));
            }
        }
        match self {
            Self::Nobody => *self = Self::One(member),
            Self::One(_) | Self::More(_) => drop(self.more().sessions.insert(member.info.id, member)),
        }
        displaced
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Arc<Member>> {
        match self {
            Self::One(member) if member.info.id == id => match std::mem::take(self) {
                Self::One(member) => Some(member),
                Self::Nobody | Self::More(_) => None,
            },
            Self::More(more) => {
                let removed = more.sessions.remove(&id);
                self.be_small();
                removed
            }
            Self::Nobody | Self::One(_) => None,
        }
    }

    /// The oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        let (one, more) = match self {
            Self::Nobody => (None, None),
            Self::One(member) => (Some(member), None),
            Self::More(more) => (None, Some(&more.sessions)),
        };
        one.into_iter().chain(more.into_iter().flat_map(BTreeMap::values))
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Nobody => 0,
            Self::One(_) => 1,
            Self::More(more) => more.sessions.len(),
        }
    }

    /// Whether nothing is left to remember.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.len() == 0 && self.places().is_empty()
    }

    fn places(&self) -> &[Option<Arc<str>>] {
        match self {
            Self::Nobody | Self::One(_) => &[],
            Self::More(more) => &more.places,
        }
    }

    /// Room for more than one session.
    fn more(&mut self) -> &mut More {
        let more = match std::mem::take(self) {
            Self::Nobody => Box::default(),
            Self::One(member) => Box::new(More { sessions: BTreeMap::from([(member.info.id, member)]), places: Vec::new() }),
            Self::More(more) => more,
        };
        *self = Self::More(more);
        match self {
            Self::More(more) => more,
            Self::Nobody | Self::One(_) => unreachable!("it has just been set"),
        }
    }

    /// Keeps no tree for one session or none.
    fn be_small(&mut self) {
        if let Self::More(more) = self
            && more.places.is_empty()
            && more.sessions.len() <= 1
        {
            *self = more.sessions.pop_first().map_or(Self::Nobody, |(_, last)| Self::One(last));
        }
    }

    fn oldest(&self) -> Option<SessionId> {
        self.iter().next().map(|member| member.info.id)
    }

    fn of_device(&self, device: &Arc<str>) -> Option<SessionId> {
        self.iter().find(|member| member.info.identity.device.as_ref() == Some(device)).map(|member| member.info.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_costs_two_words_beside_the_name() {
        assert_eq!(size_of::<Crowd>(), 16);
    }
}
