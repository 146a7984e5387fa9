//! A user: the sessions, and the end of them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::close::{CloseWith, Closed};
use super::query::{self, PathPart};
use crate::json::SessionJson;
use crate::routes::App;

/// A user and the sessions that there are.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserJson {
    user: String,
    /// The oldest first.
    sessions: Vec<SessionJson>,
}

/// Tells which sessions a user has.
#[utoipa::path(
    get, path = "/v1/users/{user}", operation_id = "user", tag = "users",
    params(("user" = String, description = "The user, percent-encoded")),
    responses((status = 200, body = UserJson), (status = 400), (status = 404)),
)]
pub(super) async fn show(State(app): State<App>, user: PathPart) -> Result<Json<UserJson>, Problem> {
    let user = query::user(user)?;
    let sessions = app.hub.user(&user).sessions();
    let sessions = sessions.iter().map(|session| SessionJson::from(&**session)).collect();
    Ok(Json(UserJson { user, sessions }))
}

/// Closes a user's sessions.
#[utoipa::path(
    delete, path = "/v1/users/{user}", operation_id = "close_user", tag = "users",
    params(("user" = String, description = "The user, percent-encoded"), CloseWith),
    responses((status = 200, body = Closed), (status = 400), (status = 404)),
)]
pub(super) async fn close(
    State(app): State<App>,
    user: PathPart,
    with: Result<Query<CloseWith>, QueryRejection>,
) -> Result<Json<Closed>, Problem> {
    let (user, (code, reason)) = (query::user(user)?, CloseWith::read(with)?);
    Ok(Json(Closed { closed: app.hub.user(&user).close(code, reason) }))
}
