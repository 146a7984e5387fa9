//! Every path of the server but its front door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use http::{StatusCode, Uri};
use silverback::Refusal;
use silverback_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;

use crate::auth::{Authenticator, Mint};
use crate::hooks::Hooks;
use crate::limits::Bounds;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::{api, console, health, metrics, openapi, socket};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    /// What is configured, as far as it can change.
    pub(crate) live: Live,
    /// What all clients may cost together.
    pub(crate) bounds: Bounds,
    pub(crate) metrics: Metrics,
    /// Whether a drain has begun.
    pub(crate) has_drained: Arc<AtomicBool>,
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

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote(pub(crate) SocketAddr);

pub(crate) fn router(app: App) -> Router {
    let (described, description) = described(&app).split_for_parts();
    Router::new()
        .merge(described)
        .merge(openapi::router(description))
        .route("/ws", any(socket::upgrade))
        .route("/console", get(console::page))
        .route("/console/console.css", get(console::style))
        .route("/console/console.js", get(console::script))
        .route("/", get(|| async { Redirect::temporary("/console") }))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// What OpenAPI describes: all but what browsers and clients use.
fn described(app: &App) -> OpenApiRouter<App> {
    openapi::start().merge(api::router(app)).merge(metrics::router(app)).merge(health::router())
}

async fn not_found(uri: Uri) -> Response {
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address")
        .arrived(format!("the path {}", uri.path().escape_debug()))
        .cure("clients connect to /ws, back ends use /v1/…, people look at /console");
    refusal.problem().into_response()
}

async fn method_not_allowed(uri: Uri) -> Response {
    let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this address does not take that method")
        .arrived(format!("the path {}", uri.path().escape_debug()))
        .cure("use one of the methods in the `Allow` header");
    refusal.problem().into_response()
}
