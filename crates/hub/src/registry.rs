//! Who is where on this node. An engine that spans nodes would replace this module.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::SessionInfo;
use crate::session::Member;

/// Every session of every user. Locks are held for look-ups only; whatever is done with what was found is done outside.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    users: RwLock<HashMap<Arc<str>, Vec<Member>>>,
}

impl Registry {
    pub(crate) fn insert(&self, member: Member) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        users.entry(member.info.identity.user.clone()).or_default().push(member);
    }

    pub(crate) fn remove(&self, info: &SessionInfo) {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        let Some(members) = users.get_mut(&info.identity.user) else { return };
        members.retain(|member| member.info.id != info.id);
        if members.is_empty() {
            users.remove(&info.identity.user);
            if users.len() * 4 < users.capacity() {
                users.shrink_to_fit(); // a crowd that has left is not remembered
            }
        }
    }

    pub(crate) fn of_user(&self, user: &str) -> Vec<Member> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(user).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Vec<Member> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.values().flatten().cloned().collect()
    }
}
