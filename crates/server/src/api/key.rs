//! The key that a request comes with.

use axum::Json;
use axum::extract::{Extension, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api_key::{Holder, Right};
use crate::routes::App;

/// A key, and what it may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyJson {
    /// What it is called: `api.key`, or its name in `api.keys`.
    name: String,
    /// Some of `send`, `read`, `close`, `drain`, and `mint` where the server makes tokens for it.
    rights: Vec<String>,
}

/// Tells what the key of the request may do. Any key opens it.
#[utoipa::path(
    get, path = "/v1/key", operation_id = "key", tag = "health",
    responses((status = 200, body = KeyJson)),
)]
pub(super) async fn show(State(app): State<App>, Extension(holder): Extension<Holder>) -> Json<KeyJson> {
    let mints = app.tokens.is_some() && app.is_throw_away;
    let rights = holder.rights.iter().filter(|right| **right != Right::Mint || mints).map(Right::to_string).collect();
    Json(KeyJson { name: holder.name.to_string(), rights })
}
