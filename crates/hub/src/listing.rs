//! Finding sessions, page by page.

use std::sync::Arc;

use serde_json::Value;

use crate::{SessionId, SessionInfo};

/// Which sessions are looked for: those that meet everything that is asked here. By default all of them.
///
/// ```
/// use silverback_hub::{Hub, Query};
///
/// # let hub = Hub::new();
/// let query = Query::all().user_prefix("guest-").device("phone");
/// let mut after = None;
/// loop {
///     let page = hub.page(&query, after, 100);
///     for session in &page.sessions {
///         println!("{} {}", session.id, session.identity.user);
///     }
///     after = page.next;
///     if after.is_none() {
///         break;
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Query {
    /// The user. Found without looking at others.
    pub user: Option<Arc<str>>,
    /// What the user's name begins with.
    pub user_prefix: Option<Arc<str>>,
    /// The device.
    pub device: Option<Arc<str>>,
    /// An attribute and its value.
    pub attribute: Option<(Arc<str>, Value)>,
}

/// Some sessions, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The sessions. There may be fewer than asked for, even none, and yet more behind them.
    pub sessions: Vec<Arc<SessionInfo>>,
    /// Where to go on: behind this session. `None` when that was all.
    pub next: Option<SessionId>,
}

impl Query {
    /// All sessions.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of a user.
    #[must_use]
    pub fn user(mut self, user: impl Into<Arc<str>>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Those of users whose names begin with this.
    #[must_use]
    pub fn user_prefix(mut self, prefix: impl Into<Arc<str>>) -> Self {
        self.user_prefix = Some(prefix.into());
        self
    }

    /// Those of a device.
    #[must_use]
    pub fn device(mut self, device: impl Into<Arc<str>>) -> Self {
        self.device = Some(device.into());
        self
    }

    /// Those with this attribute.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.attribute = Some((key.into(), value.into()));
        self
    }

    /// Whether a session is one of them.
    pub fn is_met_by(&self, session: &SessionInfo) -> bool {
        let identity = &session.identity;
        self.user.as_ref().is_none_or(|user| *user == identity.user)
            && self.user_prefix.as_ref().is_none_or(|prefix| identity.user.starts_with(&**prefix))
            && self.device.as_ref().is_none_or(|device| identity.device.as_ref() == Some(device))
            && self.attribute.as_ref().is_none_or(|(key, value)| identity.attributes.value(key) == Some(value))
    }
}
