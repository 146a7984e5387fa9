//! `GET /v1/events`: what happens, as it happens, as server-sent events.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::sse::{Event as SseEvent, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use silverback_hub::{Event, Missed, Subscription};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::json::{MessageJson, ReportJson, SessionJson, timestamp};
use crate::routes::App;

/// How long the last events may take, once no session is left.
const LAST_EVENT: Duration = Duration::from_millis(500);

/// Tells what happens, as it happens: server-sent events.
#[utoipa::path(
    get, path = "/v1/events", operation_id = "events", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream",
        description = "`session.connected`, `session.message`, `session.ended`, and `lagged` where some were missed")),
)]
pub(crate) async fn stream(State(app): State<App>) -> impl IntoResponse {
    // A comment at once, so that whoever is in between passes the head of the answer on.
    let hello = stream::iter([Ok(SseEvent::default().comment("silverback"))]);
    let events = stream::unfold((app.hub.subscribe(), app.everybody_gone), next);
    let stream = hello.chain(events);
    let events = Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)));
    // nginx would hold events back until it has a buffer full of them.
    ([("x-accel-buffering", "no")], events)
}

/// What a stream goes on from: its place among the events, and what ends it.
type Place = (Subscription, CancellationToken);

async fn next((mut subscription, everybody_gone): Place) -> Option<(Result<SseEvent, Infallible>, Place)> {
    let next = tokio::select! {
        biased; // what has happened is told before the stream ends
        next = subscription.next() => next?,
        // Who has left is told of a moment later.
        () = everybody_gone.cancelled() => timeout(LAST_EVENT, subscription.next()).await.ok()??,
    };
    let (name, mut data) = match next {
        Ok(event) => describe(&event),
        Err(Missed(count)) => ("lagged", json!({ "missed": count })),
    };
    data["at"] = timestamp(SystemTime::now()).into();
    // Compact JSON has no line breaks, which is what an event's data must not have.
    Some((Ok(SseEvent::default().event(name).data(data.to_string())), (subscription, everybody_gone)))
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
