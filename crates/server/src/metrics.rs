//! `GET /metrics`: what the library and the hub count, as Prometheus reads it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api_key::{self, Gate, Right};
use crate::routes::App;

/// How often what was recorded is summed up, so that it stays small where nobody asks for it.
const SUM_UP: Duration = Duration::from_secs(5);

/// From a quick answer to a day's session.
const SECONDS: [f64; 14] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 28_800.0, 86_400.0];

/// From a message to a full queue.
const BYTES: [f64; 8] = [128.0, 1024.0, 8192.0, 65_536.0, 262_144.0, 524_288.0, 1_048_576.0, 16_777_216.0];

/// What was counted since the process began.
#[derive(Clone)]
pub(crate) struct Metrics {
    recorded: Arc<PrometheusHandle>,
}

impl Metrics {
    /// Begins to record.
    pub(crate) fn install() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?;
        Ok(Self { recorded: Arc::new(recorder.install_recorder()?) })
    }

    /// Sums up what was recorded, again and again, until the server stops.
    pub(crate) async fn keep(self, stopping: CancellationToken) {
        let again = async {
            loop {
                sleep(SUM_UP).await;
                self.recorded.run_upkeep();
            }
        };
        stopping.run_until_cancelled(again).await;
    }
}

pub(crate) fn router(app: &App) -> OpenApiRouter<App> {
    let router = OpenApiRouter::new().routes(routes!(show));
    router.route_layer(from_fn_with_state(Gate { live: app.live.clone(), right: Some(Right::Read) }, require_unless_public))
}

async fn require_unless_public(gate: State<Gate>, request: Request, next: Next) -> Response {
    if gate.live.now().config.metrics.public { next.run(request).await } else { api_key::require(gate, request, next).await }
}

/// Shows what was counted, as Prometheus reads it.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "health",
    responses((status = 200, body = String, content_type = "text/plain", description = "Prometheus's text format")),
)]
async fn show(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.recorded.render()).into_response()
}
