//! What a hang-up (SIGHUP) replaces while sessions live: everything that is asked anew for each request.

use std::sync::{Arc, PoisonError, RwLock};

use silverback::{Budget, Upgrader};

use crate::api_key::Keys;
use crate::config::{Config, Secret};

/// What is in force now. Cheap to clone; every clone sees what replaces it.
#[derive(Clone)]
pub(crate) struct Live {
    current: Arc<RwLock<Arc<InForce>>>,
    /// What compression may hold, whatever else changes.
    budget: Budget,
}

/// What is in force until it is replaced.
pub(crate) struct InForce {
    pub(crate) config: Config,
    pub(crate) upgrader: Upgrader,
    /// The same where TLS ends in this program.
    pub(crate) tls_upgrader: Upgrader,
    /// Every key that opens the API.
    pub(crate) keys: Keys,
    /// The key that may do everything.
    pub(crate) api_key: Option<Secret>,
}

impl Live {
    /// `made_up` opens the API where no key is configured.
    pub(crate) fn new(config: Config, made_up: Option<Secret>) -> Self {
        let budget = config.compression.budget();
        Self { current: Arc::new(RwLock::new(Arc::new(InForce::new(config, made_up, &budget)))), budget }
    }

    /// What is in force at this moment; a request is served by one of these, whatever replaces it meanwhile.
    pub(crate) fn now(&self) -> Arc<InForce> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For requests and connections to come.
    pub(crate) fn replace(&self, config: Config) {
        let made_up = self.now().made_up_key().cloned();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(InForce::new(config, made_up, &self.budget));
    }
}

impl InForce {
    fn new(config: Config, made_up: Option<Secret>, budget: &Budget) -> Self {
        let api_key = config.api.key.clone().or(made_up.filter(|_| config.api.keys.is_empty()));
        let upgrader = config.upgrader(budget);
        Self { tls_upgrader: upgrader.with_tls(true), upgrader, keys: config.api.open_by(api_key.clone()), api_key, config }
    }

    /// The key that opens the API because none is configured.
    pub(crate) fn made_up_key(&self) -> Option<&Secret> {
        self.api_key.as_ref().filter(|_| self.config.api.key.is_none())
    }

    pub(crate) fn message_limit(&self) -> usize {
        self.config.limits.message()
    }
}
