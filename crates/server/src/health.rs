//! Whether the server lives, and whether it wants more clients.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use silverback::Refusal;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Problem;
use crate::routes::App;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready))
}

/// Whether the server lives.
#[utoipa::path(
    get, path = "/health/live", operation_id = "is_live", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain", description = "`ok`")),
)]
async fn live() -> &'static str {
    "ok\n"
}

/// Whether the server takes new clients: not while it drains or stops.
#[utoipa::path(
    get, path = "/health/ready", operation_id = "is_ready", tag = "health", security(()),
    responses((status = 200, body = String, content_type = "text/plain", description = "`ready`"), (status = 503)),
)]
async fn ready(State(app): State<App>) -> Response {
    let (cause, title) = if app.draining.leaving.is_cancelled() {
        ("stopping", "this server is stopping")
    } else if app.draining.has_begun() {
        ("draining", "this server is draining, and takes no new clients until it is started again")
    } else {
        return "ready\n".into_response();
    };
    Problem(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, title).cure("send new clients to another server")).into_response()
}
