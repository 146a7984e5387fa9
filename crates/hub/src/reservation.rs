//! A place in the hub for a connection that is still to be made.

use std::sync::Arc;

use silverback::WebSocket;

use crate::core::Core;
use crate::policy::{JoinRefused, Policy, WhenFull};
use crate::{Identity, Session, meter};

/// The right to join: what a server asks for before it answers a handshake, so that a refusal can be an HTTP answer. Under
/// [`WhenFull::RefuseNew`] it keeps a place, which counts as a session does until it is dropped; under `CloseOldest` it
/// keeps nothing, and the session in the way goes when this one joins.
///
/// ```no_run
/// # async fn example(hub: silverback_hub::Hub, upgrader: silverback::Upgrader, stream: tokio::net::TcpStream) -> Result<(), silverback::AcceptError> {
/// use silverback::Refusal;
/// use silverback_hub::Identity;
///
/// let handshake = upgrader.handshake(stream).await?;
/// let reservation = match hub.reserve(Identity::new("alice")) {
///     Ok(reservation) => reservation,
///     Err(refused) => {
///         let refusal = Refusal::new(http::StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", refused.to_string());
///         return Err(handshake.refuse(refusal).await);
///     }
/// };
/// let session = reservation.join(handshake.accept().await?);
/// # drop(session);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a reservation that is dropped keeps no place"]
pub struct Reservation {
    identity: Identity,
    policy: Arc<Policy>,
    place: Option<Place>,
    core: Arc<Core>,
}

impl Reservation {
    pub(crate) fn new(core: &Arc<Core>, identity: Identity) -> Result<Self, JoinRefused> {
        let reserved = Self::reserve(core, identity);
        if let Err(refused) = &reserved {
            meter::refused(refused);
        }
        reserved
    }

    fn reserve(core: &Arc<Core>, identity: Identity) -> Result<Self, JoinRefused> {
        if core.drain().is_some() {
            return Err(JoinRefused::Draining);
        }
        let policy = core.policy();
        let place = match policy.when_full {
            WhenFull::RefuseNew => {
                core.registry.keep_place(&identity.user, identity.device.as_ref(), &policy)?;
                Some(Place { user: identity.user.clone(), device: identity.device.clone(), core: core.clone(), is_kept: true })
            }
            WhenFull::CloseOldest { .. } => None,
        };
        Ok(Self { identity, policy, place, core: core.clone() })
    }

    /// Whose it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Binds a connection to the identity. Whoever has to go for it is out of the hub when this returns.
    pub fn join(self, socket: WebSocket) -> Session {
        let Self { identity, policy, place, core } = self;
        let has_place = place.map(Place::hand_over).is_some();
        Session::join(&core, identity, &policy, has_place, socket)
    }
}

/// The guard of a place.
#[derive(Debug)]
struct Place {
    user: Arc<str>,
    device: Option<Arc<str>>,
    core: Arc<Core>,
    is_kept: bool,
}

impl Place {
    /// It is given up where the session takes it, and not here.
    fn hand_over(mut self) {
        self.is_kept = false;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_kept {
            self.core.registry.leave_place(&self.user, self.device.as_ref());
        }
    }
}
