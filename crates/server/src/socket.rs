//! `/ws`: a handshake becomes a session.

use std::future::Future;
use std::net::SocketAddr;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::Map;
use silverback::wire::handshake::server::Acceptance;
use silverback::{Refusal, WebSocket};
use silverback_hub::{Identity, Session};

use crate::auth::{TokenError, Verified};
use crate::identity::{Presented, offers_only_a_token, presented};
use crate::life::{self, Lease};
use crate::routes::{App, Remote};

impl App {
    /// Judges a handshake: first whether it is one, then whose. The request is not needed for the second, which may have to wait.
    pub(crate) fn admit<B>(
        &self,
        request: &http::Request<B>,
        remote: SocketAddr,
    ) -> impl Future<Output = Result<(Acceptance, Verified), Refusal>> + Send + use<B> {
        let judged = self
            .upgrader
            .judge(request)
            .and_then(|acceptance| if self.stopping.is_cancelled() { Err(stopping()) } else { Ok((acceptance, presented(request))) });
        let has_only_a_token = offers_only_a_token(request.headers());
        let app = self.clone();
        async move {
            let admitted = match judged {
                Ok((acceptance, presented)) => app.identify(presented).await.map(|verified| (acceptance, verified)),
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = &admitted {
                tracing::info!(%remote, %refusal, "a handshake was refused");
            } else if has_only_a_token {
                tracing::warn!(%remote, "a client offers its token as its only subprotocol; browsers and most libraries then give the connection up: let it offer \"silverback\" too");
            }
            admitted
        }
    }

    async fn identify(&self, presented: Option<Presented>) -> Result<Verified, Refusal> {
        match (presented, &self.auth) {
            (None, _) if self.allow_anonymous => Ok(anonymous()),
            (None, _) => Err(TokenError::Missing.refusal(None)),
            (Some(presented), None) => Err(TokenError::NoKeys.refusal(Some(presented.source))),
            (Some(presented), Some(auth)) => auth.check(&presented).await.map_err(|error| error.refusal(Some(presented.source))),
        }
    }

    /// A client's connection becomes a session: from here on it can be found and sent to. What is returned is the rest of its life.
    pub(crate) fn join(&self, verified: &Verified, remote: SocketAddr, socket: WebSocket) -> impl Future<Output = ()> + Send + use<> {
        let lease = Lease::new(verified.expires_at, self.auth.clone(), socket.subprotocol().is_some());
        let session = self.hub.join(identity(verified, remote), socket);
        log_joined(&session);
        life::run(session, lease)
    }
}

/// What the hub knows of somebody.
fn identity(verified: &Verified, remote: SocketAddr) -> Identity {
    Identity::new(verified.user.as_str()).from_source(verified.source).from_remote(remote)
}

fn log_joined(session: &Session) {
    let info = session.info();
    // The name as a value, not as it stands: it is quoted, so that it cannot pass for another field.
    tracing::info!(session = %info.id, user = &*info.identity.user, token_from = info.identity.source, "connected");
}

/// `/ws` on a connection that has served another request before.
pub(crate) async fn upgrade(State(app): State<App>, Extension(Remote(remote)): Extension<Remote>, mut request: Request) -> Response {
    let admitted = app.admit(&request, remote).await;
    let upgraded = admitted.and_then(|(_, verified)| Ok((verified, app.upgrader.upgrade(&mut request)?)));
    match upgraded {
        Ok((verified, (response, socket))) => {
            app.tasks.spawn(app.join(&verified, remote, socket));
            response.map(|()| axum::body::Body::empty())
        }
        Err(refusal) => refusal.response(request.headers()).into_response(),
    }
}

fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this server is stopping")
        .arrived("a handshake after the server was told to stop")
        .cure("connect again in a few seconds")
        .header(RETRY_AFTER, HeaderValue::from_static("5"))
}

/// A user that nobody else is.
fn anonymous() -> Verified {
    let user = format!("anonymous-{:016x}", rand::random::<u64>());
    Verified { user, device: None, attributes: Map::new(), expires_at: None, source: "anonymous" }
}
