//! Every path of the server but its front door.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode, Uri};
use silverback::{Refusal, Upgrader};
use silverback_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::{Authenticator, Mint};
use crate::draining::Draining;
use crate::handshakes::Handshakes;
use crate::hooks::Hooks;
use crate::limits::Bounds;
use crate::listening::Serves;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::stats::Stats;
use crate::{api, console, health, metrics, openapi, socket};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    /// What is configured, as far as it can change.
    pub(crate) live: Live,
    /// What all clients may cost together.
    pub(crate) bounds: Bounds,
    /// Whether the server can only be reached from its own machine.
    pub(crate) is_local: bool,
    /// Whether TLS ends in this program, at the address that is meant.
    pub(crate) is_tls: bool,
    pub(crate) metrics: Metrics,
    pub(crate) stats: Stats,
    /// Those that were refused.
    pub(crate) handshakes: Handshakes,
    pub(crate) draining: Draining,
    /// `None` where only anonymous clients are let in.
    pub(crate) auth: Option<Arc<Authenticator>>,
    /// `None` where there is no secret to make tokens with.
    pub(crate) tokens: Option<Arc<Mint>>,
    /// `None` where no back end is told of anything.
    pub(crate) hooks: Option<Arc<Hooks>>,
    /// Whether the secret is made up for this run, so that whoever has the API key may mint tokens.
    pub(crate) is_throw_away: bool,
    /// Every task that serves somebody.
    pub(crate) tasks: TaskTracker,
    /// Told when the server stops.
    pub(crate) stopping: CancellationToken,
    /// Told when, after that, no session is left.
    pub(crate) everybody_gone: CancellationToken,
}

impl App {
    /// What is in force for clients at this address.
    pub(crate) fn upgrader(&self) -> Upgrader {
        let in_force = self.live.now();
        if self.is_tls { in_force.tls_upgrader.clone() } else { in_force.upgrader.clone() }
    }
}

/// What is at an address of the server.
pub(crate) fn router(app: App, serves: Serves) -> Router {
    let everything = match serves {
        Serves::Clients => Router::from(health::router()).route("/ws", any(socket::upgrade)).fallback(not_for_clients),
        Serves::All => {
            let (described, description) = described(&app).split_for_parts();
            Router::new()
                .merge(described)
                .merge(openapi::router(description))
                .route("/ws", any(socket::upgrade))
                .route("/console", get(console::page))
                .route("/console/{file}", get(console::file))
                .route("/", get(|| async { Redirect::temporary("/console") }))
                .fallback(not_found)
        }
    };
    everything
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response_with_state(app.draining.clone(), last_of_a_leaving_server))
        .with_state(app)
}

/// What OpenAPI describes: all but what browsers and clients use.
fn described(app: &App) -> OpenApiRouter<App> {
    openapi::start().merge(api::router(app)).merge(metrics::router(app)).merge(health::router())
}

/// A server that is going to end takes no further request on a connection: one that came while it ends the connection would have no answer.
async fn last_of_a_leaving_server(State(draining): State<Draining>, mut response: Response) -> Response {
    if draining.leaving.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pub(crate) async fn not_found(uri: Uri) -> Response {
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address")
        .arrived(format!("the path {}", uri.path().escape_debug()))
        .cure("clients connect to /ws, back ends use /v1/…, people look at /console");
    refusal.problem().into_response()
}

async fn not_for_clients(uri: Uri) -> Response {
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address")
        .arrived(format!("the path {}", uri.path().escape_debug()))
        .cure("clients connect to /ws; the API, the console and the metrics are at the addresses of `api.listen`");
    refusal.problem().into_response()
}

async fn method_not_allowed(uri: Uri) -> Response {
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this address does not take that method")
        .arrived(format!("the path {}", uri.path().escape_debug()))
        .cure("use one of the methods in the `Allow` header");
    refusal.problem().into_response()
}
