//! Emptying the server, before it is stopped.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use silverback::Refusal;
use silverback_hub::Drain;
use utoipa::{IntoParams, ToSchema};

use super::{Problem, close, query};
use crate::drain_settings::LONGEST;
use crate::json::milliseconds;
use crate::routes::App;

const USAGE: &str = "write any of ?over=30s, come_back_within=10s, patience=15s, code=1012, reason=restarting and exit=true";

/// How to empty it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DrainWith {
    /// Over how long the closes are spread: `drain.over` of the configuration (10s) unless it is said, at most an hour, as each of
    /// the times.
    #[param(nullable = false)]
    over: Option<String>,
    /// After how long at most a client is to come back, each after a time of its own: `drain.come_back_within` of the
    /// configuration (10s).
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
    /// Whether the process ends afterwards, as by SIGTERM, with exit code 0. Otherwise it goes on answering.
    #[param(default = false, nullable = false)]
    exit: Option<bool>,
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
    let with = query::parameters(with, USAGE)?;
    let exit = with.exit.unwrap_or_default();
    let drain = with.into_drain(app.live.now().config.drain.drain())?;
    if !app.draining.begin(drain.over) {
        let refusal = Refusal::new(StatusCode::CONFLICT, "draining", "this server is draining already, and drains once");
        return Err(Problem(refusal.cure("follow it by GET /v1/sessions; stop the server to end it sooner")));
    }
    let draining = Draining { sessions: app.hub.len(), over_ms: milliseconds(drain.over) };
    tracing::info!(sessions = draining.sessions, over = ?drain.over, exit, "draining");
    app.tasks.clone().spawn(run(app, drain, exit));
    Ok((StatusCode::ACCEPTED, Json(draining)))
}

/// Until it is over, or a signal takes over.
async fn run(app: App, drain: Drain, exit: bool) {
    let Some(drained) = app.draining.run(&app.hub, drain).await else { return };
    tracing::info!(sessions = drained.sessions, closed = drained.closed, left = drained.left.len(), "drained");
    if exit {
        app.draining.exit.cancel();
    }
}

impl DrainWith {
    fn into_drain(self, mut drain: Drain) -> Result<Drain, Problem> {
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
