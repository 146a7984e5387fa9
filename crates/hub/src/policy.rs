//! How many sessions a user may have, and what happens to one too many.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Arc;

use silverback::{CloseCode, CloseReport, WebSocket};

/// What holds for the sessions of every user. By default there is no bound.
///
/// A changed policy holds from the next join of each user on: nobody is closed for it before.
///
/// ```
/// use std::num::NonZeroUsize;
/// use silverback_hub::{Hub, Policy, WhenFull};
///
/// // Three sessions at most, each on a device of its own; who is one too many is refused.
/// let policy = Policy { max_sessions: NonZeroUsize::new(3), one_per_device: true, when_full: WhenFull::RefuseNew };
/// let hub = Hub::builder().policy(policy).build();
/// // One, and the newest is the one that stays.
/// hub.set_policy(Policy { max_sessions: Some(NonZeroUsize::MIN), ..Policy::default() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The most sessions that a user has at once.
    pub max_sessions: Option<NonZeroUsize>,
    /// Whether each device of a user has one session at most. Sessions of which the device is not known are not meant.
    pub one_per_device: bool,
    /// What happens to one too many.
    pub when_full: WhenFull,
}

/// What happens when a user has as many sessions as the [`Policy`] allows, and comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// The session in the way (the one of the same device, or else the oldest) leaves the hub at once, and its connection is closed with this
    /// code and reason. A client that is told so must not come back by itself, or two pages would throw each other out for ever.
    CloseOldest {
        /// What the client of the old session is told. Default: 4409.
        code: CloseCode,
        /// Why, for its page to show. Default: `opened elsewhere`.
        reason: Cow<'static, str>,
    },
    /// The new one is refused: [`JoinRefused`]. A connection whose peer has vanished counts until the heartbeat has noticed, so whoever loses its
    /// network may have to wait that long before it can come back.
    RefuseNew,
}

impl WhenFull {
    /// Closes the oldest with 4409, `opened elsewhere`.
    pub fn close_oldest() -> Self {
        Self::CloseOldest { code: application_code(4409), reason: "opened elsewhere".into() }
    }
}

impl Default for WhenFull {
    fn default() -> Self {
        Self::close_oldest()
    }
}

/// Why somebody does not get a session. To be told before the handshake is answered ([`Hub::reserve`](crate::Hub::reserve)), or in a Close.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinRefused {
    /// The user has as many sessions as the policy allows.
    #[error("there is no room for another session of this user (at most {limit}): close one first")]
    TooManySessions {
        /// Who.
        user: Arc<str>,
        /// How many sessions a user may have.
        limit: NonZeroUsize,
    },
    /// The user's device has a session.
    #[error("this device is connected already: close its other session first")]
    DeviceConnected {
        /// Who.
        user: Arc<str>,
        /// With which device.
        device: Arc<str>,
    },
    /// The hub is being drained.
    #[error("this server is about to stop: connect again in a few seconds")]
    Draining,
}

impl JoinRefused {
    /// What a client is told in a Close where its handshake was answered already: 4429, 4409, or 1012 for a drain.
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::TooManySessions { .. } => application_code(4429),
            Self::DeviceConnected { .. } => application_code(4409),
            Self::Draining => CloseCode::SERVICE_RESTART,
        }
    }
}

/// A connection that did not become a session, and why.
#[derive(Debug, thiserror::Error)]
#[error("{refused}")]
pub struct NotJoined {
    /// Why.
    #[source]
    pub refused: JoinRefused,
    /// The connection, which is still open.
    pub socket: Box<WebSocket>,
}

impl NotJoined {
    /// Tells the client why, and closes the connection. Dropping this future drops the connection.
    pub async fn close(self) -> Arc<CloseReport> {
        self.socket.close(self.refused.close_code(), self.refused.to_string()).await
    }
}

#[expect(clippy::expect_used, reason = "RFC 6455, 7.4.2: every code from 4000 to 4999 may be sent")]
fn application_code(code: u16) -> CloseCode {
    CloseCode::new(code).expect("from 4000 to 4999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_is_told_has_a_code_and_fits_into_a_close() {
        let limit = NonZeroUsize::MAX;
        let refusals = [
            (JoinRefused::TooManySessions { user: "alice".into(), limit }, 4429),
            (JoinRefused::DeviceConnected { user: "alice".into(), device: "phone".into() }, 4409),
            (JoinRefused::Draining, 1012),
        ];
        for (refused, code) in refusals {
            assert_eq!(refused.close_code().get(), code);
            assert!(refused.to_string().len() <= silverback::CloseFrame::REASON_LIMIT, "{refused}");
        }
        assert!(matches!(WhenFull::default(), WhenFull::CloseOldest { code, .. } if code.get() == 4409));
    }
}
