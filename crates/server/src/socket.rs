//! `/ws`: a handshake becomes a session.

use std::net::SocketAddr;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use silverback::wire::handshake::server::Acceptance;
use silverback::{Refusal, WebSocket};
use silverback_hub::{Identity, JoinRefused, Reservation, Session};

use crate::identity::{offers_only_a_token, presented};
use crate::routes::{App, Remote};
use crate::token::TokenError;

impl App {
    /// Judges a handshake: first whether it is one, then whose, and then whether there is a place for it.
    pub(crate) fn admit<B>(&self, request: &http::Request<B>, remote: SocketAddr) -> Result<(Acceptance, Reservation), Refusal> {
        let admitted = self.upgrader.judge(request).and_then(|acceptance| {
            if self.stopping.is_cancelled() {
                return Err(stopping());
            }
            let identity = self.identify(request)?.from_remote(remote);
            let reservation = self.hub.reserve(identity).map_err(no_place)?;
            Ok((acceptance, reservation))
        });
        if let Err(refusal) = &admitted {
            tracing::info!(%remote, %refusal, "a handshake was refused");
        } else if offers_only_a_token(request.headers()) {
            tracing::warn!(%remote, "a client offers its token as its only subprotocol; browsers and most libraries then give the connection up: let it offer \"silverback\" too");
        }
        admitted
    }

    fn identify<B>(&self, request: &http::Request<B>) -> Result<Identity, Refusal> {
        match (presented(request), &self.tokens) {
            (None, _) if self.allow_anonymous => Ok(Identity::new(anonymous()).from_source("anonymous")),
            (None, _) => Err(TokenError::Missing.refusal(None)),
            (Some(presented), None) => Err(TokenError::Bad("this server has no key to check it with").refusal(Some(presented.source))),
            (Some(presented), Some(tokens)) => match tokens.check(&presented.token) {
                Ok(user) => Ok(Identity::new(user).from_source(presented.source)),
                Err(error) => Err(error.refusal(Some(presented.source))),
            },
        }
    }

    /// A client's connection becomes a session: from here on it can be found and sent to.
    pub(crate) fn join(&self, reservation: Reservation, socket: WebSocket) -> Session {
        let session = reservation.join(socket);
        let info = session.info();
        // The name as a value, not as it stands: it is quoted, so that it cannot pass for another field.
        tracing::info!(session = %info.id, user = &*info.identity.user, token_from = info.identity.source, "connected");
        session
    }
}

/// A client's life.
pub(crate) async fn run(session: Session) {
    let info = session.info().clone();
    let id = info.id;
    let report = session
        .run(|_, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tracing::debug!(session = %id, size = message.len(), text = message.as_text().map(beginning), "message");
            }
            Ok(())
        })
        .await;
    tracing::info!(session = %info.id, user = &*info.identity.user, lived = ?report.lived, %report, "ended");
}

/// `/ws` on a connection that has served another request before.
pub(crate) async fn upgrade(State(app): State<App>, Extension(Remote(remote)): Extension<Remote>, mut request: Request) -> Response {
    let upgraded = app.admit(&request, remote).and_then(|(_, reservation)| Ok((reservation, app.upgrader.upgrade(&mut request)?)));
    match upgraded {
        Ok((reservation, (response, socket))) => {
            app.tasks.spawn(run(app.join(reservation, socket)));
            response.map(|()| axum::body::Body::empty())
        }
        Err(refusal) => refusal.response(request.headers()).into_response(),
    }
}

/// What the hub refuses, as an answer of HTTP.
fn no_place(refused: JoinRefused) -> Refusal {
    let title = refused.to_string();
    match refused {
        JoinRefused::TooManySessions { limit, .. } => Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", title)
            .arrived(format!("a handshake of a user with {limit} sessions"))
            .cure("close another page or device of this user, or raise the bound"),
        JoinRefused::DeviceConnected { .. } => Refusal::new(StatusCode::CONFLICT, "device-connected", title)
            .arrived("a handshake of a device that is connected")
            .cure("close the device's other connection, or give each device a name of its own"),
        _ => stopping(),
    }
}

fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this server is stopping")
        .arrived("a handshake after the server was told to stop")
        .cure("connect again in a few seconds")
        .header(RETRY_AFTER, HeaderValue::from_static("5"))
}

/// A user that nobody else is.
fn anonymous() -> String {
    format!("anonymous-{:016x}", rand::random::<u64>())
}

/// What fits on a line of the log.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn what_the_hub_refuses_is_an_answer_that_explains_itself() {
        let (user, device) = ("alice".into(), "phone".into());
        let too_many = JoinRefused::TooManySessions { user, limit: NonZeroUsize::MIN };
        for (refused, status, cause) in [
            (too_many, StatusCode::TOO_MANY_REQUESTS, "too-many-sessions"),
            (JoinRefused::DeviceConnected { user: "alice".into(), device }, StatusCode::CONFLICT, "device-connected"),
            (JoinRefused::Draining, StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        ] {
            let response = no_place(refused).response(&http::HeaderMap::new());
            assert_eq!(response.status(), status);
            assert!(response.body().contains(cause), "{}", response.body());
        }
    }
}
