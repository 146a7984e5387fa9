//! Emptying the server, before it is stopped.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use silverback::Refusal;
use silverback_hub::Drain;
use utoipa::{IntoParams, ToSchema};

use super::{Problem, close, query};
use crate::json::milliseconds;
use crate::routes::App;

/// The longest of each of its times.
const LONGEST: Duration = Duration::from_secs(3600);

const USAGE: &str = "write any of ?over=30s, come_back_within=10s, patience=15s, code=1012 and reason=restarting";

/// How to empty it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DrainWith {
    /// Over how long the closes are spread: `10s` unless it is said, at most an hour, as each of the times.
    #[param(nullable = false)]
    over: Option<String>,
    /// After how long at most a client is to come back, each after a time of its own: `10s`.
    #[param(nullable = false)]
    come_back_within: Option<String>,
    /// How long the last may take to end after that: `15s`.
    #[param(nullable = false)]
    patience: Option<String>,
    /// The code of the closes.
    #[param(minimum = 1000, maximum = 4999, default = 1012, nullable = false)]
    code: Option<u16>,
    /// Why, in a few words, in the JSON of their reasons: `restarting`.
    #[param(nullable = false)]
    reason: Option<String>,
}

/// A drain that has begun.
#[derive(Serialize, ToSchema)]
pub(super) struct Draining {
    /// How many sessions there are to close.
    sessions: usize,
    /// Over how many milliseconds the closes are spread.
    over_ms: u64,
}

/// Begins to close every session, spread over a time, and takes no new ones until the server is started again.
#[utoipa::path(
    post, path = "/v1/drain", operation_id = "drain", tag = "drain",
    params(DrainWith),
    responses((status = 202, body = Draining), (status = 400), (status = 409)),
)]
pub(super) async fn begin(
    State(app): State<App>,
    with: Result<Query<DrainWith>, QueryRejection>,
) -> Result<(StatusCode, Json<Draining>), Problem> {
    let drain = query::parameters(with, USAGE)?.into_drain()?;
    if app.has_drained.swap(true, Ordering::Relaxed) {
        let refusal = Refusal::new(StatusCode::CONFLICT, "draining", "this server is draining already, and drains once");
        return Err(Problem(refusal.cure("follow it by GET /v1/sessions; stop the server to end it sooner")));
    }
    let draining = Draining { sessions: app.hub.len(), over_ms: milliseconds(drain.over) };
    tracing::info!(sessions = draining.sessions, over = ?drain.over, "draining");
    app.tasks.clone().spawn(run(app, drain));
    Ok((StatusCode::ACCEPTED, Json(draining)))
}

/// Until it is over, or the server stops.
async fn run(app: App, drain: Drain) {
    tokio::select! {
        drained = app.hub.drain(drain) => {
            tracing::info!(sessions = drained.sessions, closed = drained.closed, left = drained.left.len(), "drained");
        }
        () = app.stopping.cancelled() => {}
    }
}

impl DrainWith {
    fn into_drain(self) -> Result<Drain, Problem> {
        let mut drain = Drain::default();
        for (name, text, time) in [
            ("over", self.over, &mut drain.over),
            ("come_back_within", self.come_back_within, &mut drain.come_back_within),
            ("patience", self.patience, &mut drain.patience),
        ] {
            if let Some(text) = text {
                *time = query::time(name, &text, LONGEST)?;
            }
        }
        if let Some(code) = self.code {
            drain.code = close::code(code)?;
        }
        drain.reason = self.reason.unwrap_or(drain.reason);
        Ok(drain)
    }
}
