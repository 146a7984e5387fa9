//! Every path of the server but its front door.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router, middleware};
use http::{StatusCode, Uri};
use silverback::{Refusal, Upgrader};
use silverback_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Authenticator, Mint};
use crate::config::Secret;
use crate::{api, api_key, console, events, socket};

/// What all requests share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hub: Hub,
    pub(crate) upgrader: Upgrader,
    pub(crate) api_key: Option<Secret>,
    /// `None` where only anonymous clients are let in.
    pub(crate) auth: Option<Arc<Authenticator>>,
    /// `None` where there is no secret to make tokens with.
    pub(crate) tokens: Option<Arc<Mint>>,
    pub(crate) allow_anonymous: bool,
    /// Whether the secret is made up for this run, so that whoever has the API key may mint tokens.
    pub(crate) is_throw_away: bool,
    pub(crate) message_limit: usize,
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
    let behind_the_key = Router::new()
        .route("/v1/users/{user}", get(api::user).delete(api::close_user))
        .route("/v1/users/{user}/messages", post(api::send_to_user))
        .route("/v1/sessions", get(api::sessions))
        .route("/v1/events", get(events::stream))
        .route("/v1/tokens", post(api::mint_token))
        .route_layer(middleware::from_fn_with_state(app.clone(), api_key::require));
    Router::new()
        .merge(behind_the_key)
        .route("/ws", any(socket::upgrade))
        .route("/console", get(console::page))
        .route("/console/console.css", get(console::style))
        .route("/console/console.js", get(console::script))
        .route("/", get(|| async { Redirect::temporary("/console") }))
        .route("/health/live", get(|| async { "ok\n" }))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(Extension(app.upgrader.clone()))
        .with_state(app)
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
