//! What the hub, its sessions and its reservations share.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::drain::Drain;
use crate::ended::{Ended, EndedLimits};
use crate::events::Events;
use crate::policy::Policy;
use crate::registry::Registry;
use crate::texts::Texts;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) registry: Registry,
    pub(crate) events: Events,
    pub(crate) ended: Ended,
    pub(crate) texts: Texts,
    policy: RwLock<Arc<Policy>>,
    /// Set once, when it begins.
    drain: OnceLock<Drain>,
}

impl Core {
    pub(crate) fn new(policy: Policy, backlog: usize, ended: EndedLimits) -> Self {
        Self {
            registry: Registry::default(),
            events: Events::new(backlog),
            ended: Ended::new(ended),
            texts: Texts::default(),
            policy: RwLock::new(Arc::new(policy)),
            drain: OnceLock::new(),
        }
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    pub(crate) fn drain(&self) -> Option<&Drain> {
        self.drain.get()
    }

    /// The first one counts for those who still come.
    pub(crate) fn begin_drain(&self, drain: Drain) {
        let _ = self.drain.set(drain);
    }
}
