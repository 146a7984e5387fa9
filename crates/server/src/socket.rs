//! `/ws`: a handshake becomes a session.

use std::future::Future;

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ORIGIN, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use silverback::wire::handshake::server::Acceptance;
use silverback::{Refusal, WebSocket};
use silverback_hub::{Attributes, Identity, JoinRefused, Reservation, Session};
use tracing::{Instrument as _, Span};

use crate::arrival::{self, Peer};
use crate::auth::{TokenError, Verified};
use crate::handshakes::Asker;
use crate::hooks::{Asking, Line, Room};
use crate::identity::{Presented, offers_only_a_token, presented};
use crate::life;
use crate::limits::{Pace, Refused, Seat};
use crate::listening::Remote;
use crate::log::SESSIONS;
use crate::routes::App;
use crate::traces;

impl App {
    /// Judges a handshake: first whether it is one, then whose, and then whether there is a place for it. Only the first needs the request; the
    /// second may have to wait.
    pub(crate) fn admit<B>(
        &self,
        request: &http::Request<B>,
        remote: Remote,
    ) -> impl Future<Output = Result<(Acceptance, Place), Refusal>> + Send + use<B> {
        let judged = self
            .upgrader()
            .judge(request)
            .and_then(|acceptance| if self.draining.has_begun() { Err(stopping()) } else { Ok((acceptance, presented(request))) });
        let handshake = judged.as_ref().map(|(acceptance, _)| summary(request.headers(), acceptance)).unwrap_or_default();
        let has_only_a_token = offers_only_a_token(request.headers());
        let asking = self.hooks.as_ref().filter(|hooks| judged.is_ok() && hooks.judges_handshakes()).map(|_| Asking::new(request));
        let app = self.clone();
        let asker = Asker::of(request.headers());
        let span = traces::handshake(remote);
        let told = span.clone();
        let admitted = async move {
            let admitted = match judged {
                Ok((acceptance, presented)) => app.reserve(presented, asking, remote, &handshake).await.map(|place| (acceptance, place)),
                Err(refusal) => Err(refusal),
            };
            told.record("http.response.status_code", admitted.as_ref().map_or_else(|refusal| refusal.status().as_u16(), |_| 101));
            if let Err(refusal) = &admitted {
                told.record("silverback.refusal", refusal.cause());
                app.handshakes.refused(Refused::Handshake, remote, &asker, refusal);
            } else if has_only_a_token {
                tracing::warn!(%remote, "a client offers its token as its only subprotocol; browsers and most libraries then give the connection up: let it offer \"silverback\" too");
            }
            admitted
        };
        admitted.instrument(span)
    }

    async fn reserve(
        &self,
        presented: Option<Presented>,
        asking: Option<Asking>,
        remote: Remote,
        handshake: &str,
    ) -> Result<Place, Refusal> {
        let mut verified = self.identify(presented, asking.is_some()).await?;
        if let (Some(hooks), Some(asking)) = (&self.hooks, asking) {
            verified = hooks.judge(verified, &asking, remote).await?;
        }
        let verified = match verified {
            Some(verified) => verified,
            None if self.live.now().config.allow_anonymous => anonymous(),
            None => return Err(TokenError::Missing.refusal(None)),
        };
        Span::current().record("user.id", &*verified.user);
        let identity = identity(verified, remote).with_handshake(handshake);
        let room = self.hooks.as_ref().map(|hooks| hooks.reserve(&identity)).transpose()?.flatten();
        Ok(Place { reservation: self.hub.reserve(identity).map_err(no_place)?, room })
    }

    /// Who it is by the token; `None` where there is none that this server can judge, and others may.
    async fn identify(&self, presented: Option<Presented>, is_asked_on: bool) -> Result<Option<Verified>, Refusal> {
        match (presented, &self.auth) {
            (None, _) => Ok(None),
            (Some(_), None) if is_asked_on => Ok(None),
            (Some(presented), None) => Err(TokenError::NoKeys.refusal(Some(presented.source))),
            (Some(presented), Some(auth)) => auth.check(&presented).await.map(Some).map_err(|error| error.refusal(Some(presented.source))),
        }
    }

    /// A place for a client that asks for `/ws`, before anything is done for it that costs something.
    pub(crate) fn seat(&self, remote: Remote, headers: &HeaderMap) -> Result<Seat, Refusal> {
        let seat = self.bounds.seat(remote.address().map(|address| address.ip()), &self.live.now().config.limits);
        seat.inspect_err(|refusal| self.handshakes.refused(Refused::Handshake, remote, &Asker::of(headers), refusal))
    }

    /// How fast a new session may send.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new(&self.live.now().config.limits)
    }

    /// A client's connection becomes a session: from here on it can be found and sent to.
    pub(crate) fn join(&self, Place { reservation, room }: Place, socket: WebSocket) -> (Session, Option<Line>) {
        let session = reservation.join(socket);
        let info = session.info();
        let line = self.hooks.as_ref().map(|hooks| hooks.line(info, room));
        // The name as a value, not as it stands: it is quoted, so that it cannot pass for another field.
        tracing::info!(target: SESSIONS, session = %info.id, user = &*info.identity.user, token_from = info.identity.source, "connected");
        (session, line)
    }
}

/// A place in the hub, and in the spool of what is to be told of the session.
pub(crate) struct Place {
    reservation: Reservation,
    room: Option<Room>,
}

/// What is worth remembering of a handshake: the page, the program, and whether messages are compressed.
fn summary(headers: &HeaderMap, acceptance: &Acceptance) -> String {
    let line = |name| headers.get(name).and_then(|line| line.to_str().ok());
    let page = line(ORIGIN).map_or("no page".to_owned(), |origin| format!("a page of {origin}"));
    let compression = if acceptance.deflate.is_some() { "compressed" } else { "not compressed" };
    match line(USER_AGENT) {
        Some(program) => format!("{page}, {compression}, {program}"),
        None => format!("{page}, {compression}"),
    }
}

/// What the hub is told of somebody.
fn identity(verified: Verified, remote: Remote) -> Identity {
    let Verified { user, device, attributes, expires_at, source } = verified;
    let identity = Identity::new(user).with_attributes(attributes).from_source(source);
    let identity = match remote.address() {
        Some(address) => identity.from_remote(address),
        None => identity,
    };
    let identity = match device {
        Some(device) => identity.on_device(device),
        None => identity,
    };
    match expires_at {
        Some(end) => identity.until(end),
        None => identity,
    }
}

/// `/ws` on a connection that has served another request before, or asks how it has arrived.
pub(crate) async fn upgrade(
    State(app): State<App>,
    Extension(remote): Extension<Remote>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
) -> Response {
    if arrival::is_asked_for(request.headers()) {
        return arrival::answer(&app, peer, remote, &request);
    }
    match admitted(&app, &mut request, remote).await {
        Ok((place, seat, response, socket)) => {
            let (session, line) = app.join(place, socket);
            app.tasks.spawn(Box::pin(life::run(session, line, app.pace(), seat, app.auth.clone(), app.stats.traffic.clone())));
            response.map(|()| axum::body::Body::empty())
        }
        Err(refusal) => {
            metrics::counter!("silverback_handshakes_refused_total", "cause" => refusal.cause()).increment(1);
            refusal.response(request.headers()).into_response()
        }
    }
}

async fn admitted(app: &App, request: &mut Request, remote: Remote) -> Result<(Place, Seat, http::Response<()>, WebSocket), Refusal> {
    let seat = app.seat(remote, request.headers())?.with_its_socket();
    let (_, place) = app.admit(request, remote).await?;
    let upgrader = app.live.now().upgrader.clone();
    let (response, socket) = upgrader.upgrade(request)?;
    Ok((place, seat, response, socket))
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
fn anonymous() -> Verified {
    let user = format!("anonymous-{:016x}", rand::random::<u64>());
    Verified { user, device: None, attributes: Attributes::default(), expires_at: None, source: "anonymous" }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::{Duration, SystemTime};

    use serde_json::json;

    use super::*;

    #[test]
    fn the_hub_is_told_all_that_a_token_says() {
        let end = SystemTime::now() + Duration::from_secs(60);
        let attributes = Attributes::new(json!({ "role": "admin" }).as_object().unwrap().clone()).unwrap();
        let device = Some("phone".to_owned());
        let verified = Verified { user: "alice".to_owned(), device, attributes, expires_at: Some(end), source: "cookie" };
        let identity = identity(verified, Remote::Tcp(([127, 0, 0, 1], 1).into()));
        assert_eq!((&*identity.user, identity.device.as_deref(), identity.source), ("alice", Some("phone"), "cookie"));
        assert_eq!((identity.attributes.value("role"), identity.expires_at), (Some(&json!("admin")), Some(end)));
    }

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
