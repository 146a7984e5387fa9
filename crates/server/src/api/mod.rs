//! The API of back ends: what each address does is in a file of its own, with its description in OpenAPI beside it.
//!
//! ```text
//!   a request ─▶ api_key (which right?) ─▶ one of: messages, users, sessions, handshakes, stats, drain, tokens, key ─▶ the hub
//!                                             with what they share: query, close, delivery_policy, body, problem
//! ```

mod body;
mod close;
mod delivery_policy;
mod drain;
mod handshakes;
mod key;
mod messages;
mod problem;
mod query;
mod sessions;
mod stats;
mod tokens;
mod users;

use axum::middleware::{from_fn, from_fn_with_state};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api_key::{self, Gate, Right};
use crate::routes::App;
use crate::{events, traces};

pub(crate) use handshakes::RefusedJson;
pub(crate) use problem::{Problem, ProblemJson};

/// Everything under `/v1` that a key opens.
pub(crate) fn router(app: &App) -> OpenApiRouter<App> {
    let behind = |right, router: OpenApiRouter<App>| {
        router
            .route_layer(from_fn(traces::request))
            .route_layer(from_fn_with_state(Gate { live: app.live.clone(), right: Some(right) }, api_key::require))
    };
    let read = OpenApiRouter::new()
        .routes(routes!(users::show))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::show))
        .routes(routes!(events::stream))
        .routes(routes!(handshakes::list))
        .routes(routes!(stats::show))
        .routes(routes!(stats::history));
    let send = OpenApiRouter::new()
        .routes(routes!(messages::send_to_user))
        .routes(routes!(messages::send_to_session))
        .routes(routes!(messages::send_to_many));
    let close = OpenApiRouter::new().routes(routes!(users::close)).routes(routes!(sessions::close));
    let drain = OpenApiRouter::new().routes(routes!(drain::begin));
    let any = Gate { live: app.live.clone(), right: None };
    OpenApiRouter::new()
        .merge(OpenApiRouter::new().routes(routes!(key::show)).route_layer(from_fn_with_state(any, api_key::require)))
        .merge(behind(Right::Read, read))
        .merge(behind(Right::Send, send))
        .merge(behind(Right::Close, close))
        .merge(behind(Right::Drain, drain))
        .merge(behind(Right::Mint, OpenApiRouter::new().routes(routes!(tokens::mint))))
}
