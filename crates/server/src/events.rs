//! `GET /v1/events`: what happens, as it happens, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use silverback_hub::{Event, Missed, Subscription};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::RefusedJson;
use crate::handshakes::RefusedHandshake;
use crate::json::{MessageJson, ReportJson, SessionJson, timestamp};
use crate::routes::App;

/// How long the last events may take, once no session is left.
const LAST_EVENT: Duration = Duration::from_millis(500);

/// Tells what happens, as it happens: server-sent events.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "events", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream",
        description = "`session.connected`, `session.message`, `session.ended`, `handshake.refused`, and `lagged` where some were missed")),
)]
pub(crate) async fn stream(State(app): State<App>) -> impl IntoResponse {
    // A comment at once, so that whoever is in between passes the head of the answer on.
    let hello = stream::iter([Ok(SseEvent::default().comment("silverback"))]);
    let place = Place { sessions: app.hub.subscribe(), handshakes: app.handshakes.subscribe(), everybody_gone: app.everybody_gone };
    let stream = hello.chain(stream::unfold(place, next));
    let events = Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    // nginx would hold events back until it has a buffer full of them.
    ([("x-accel-buffering", "no")], events)
}

/// What a stream goes on from: its place among the events, and what ends it.
struct Place {
    sessions: Subscription,
    handshakes: Receiver<Arc<RefusedHandshake>>,
    everybody_gone: CancellationToken,
}

async fn next(mut place: Place) -> Option<(Result<SseEvent, Infallible>, Place)> {
    let Place { sessions, handshakes, everybody_gone } = &mut place;
    let (name, mut data) = tokio::select! {
        biased; // what has happened is told before the stream ends
        refused = handshakes.recv() => refused_or_missed(refused)?, // of which there are few, so that they hold up no other
        event = sessions.next() => told(event?),
        // Who has left is told of a moment later.
        () = everybody_gone.cancelled() => told(timeout(LAST_EVENT, sessions.next()).await.ok()??),
    };
    data["at"] = timestamp(SystemTime::now()).into();
    // Compact JSON has no line breaks, which is what an event's data must not have.
    Some((Ok(SseEvent::default().event(name).data(data.to_string())), place))
}

fn told(event: Result<Event, Missed>) -> (&'static str, Value) {
    match event {
        Ok(event) => describe(&event),
        Err(Missed(count)) => missed(count),
    }
}

/// `None` where no more will come: at the end of the process.
fn refused_or_missed(refused: Result<Arc<RefusedHandshake>, RecvError>) -> Option<(&'static str, Value)> {
    match refused {
        Ok(one) => Some(("handshake.refused", json!({ "handshake": RefusedJson::from(&*one) }))),
        Err(RecvError::Lagged(count)) => Some(missed(count)),
        Err(RecvError::Closed) => None,
    }
}

fn missed(count: u64) -> (&'static str, Value) {
    ("lagged", json!({ "missed": count }))
}

fn describe(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Connected(session) => ("session.connected", json!({ "session": SessionJson::from(&**session) })),
        Event::Message { session, size, excerpt } => ("session.message", json!(MessageJson::new(session, *size, excerpt))),
        Event::Ended { session, report } => {
            ("session.ended", json!({ "session": SessionJson::from(&**session), "report": ReportJson::from(&**report) }))
        }
        _ => ("unknown", json!({})), // a kind that a later hub tells of
    }
}
