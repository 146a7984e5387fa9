//! Sessions: finding them, the life of one, and its end.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use silverback_hub::{EndedCursor, Query as Wanted, SessionId};
use utoipa::{IntoParams, ToSchema};

use super::Problem;
use super::close::{CloseWith, Closed};
use super::query::{self, PathPart};
use crate::json::SessionJson;
use crate::routes::App;
use crate::timeline_json::TimelineJson;

/// How many sessions one answer lists.
const MOST_LISTED: usize = 1000;

const USAGE: &str =
    "write ?state=live or ended, and any of user=, prefix=, device=, after= (the last page's `next`) and limit= (1 to 1000)";

/// Which sessions, and which page of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
    /// Those that are connected (the oldest first), or those that were (the last to end first).
    #[serde(default)]
    #[param(inline)]
    state: Life,
    /// Those of this user.
    #[param(nullable = false)]
    user: Option<String>,
    /// Those of users whose names begin so.
    #[param(nullable = false)]
    prefix: Option<String>,
    /// Those of this device.
    #[param(nullable = false)]
    device: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 1000, nullable = false)]
    limit: Option<usize>,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Life {
    #[default]
    Live,
    Ended,
}

/// A page of sessions.
#[derive(Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
#[schema(as = Page)]
pub(super) enum PageJson {
    Live {
        /// How many sessions are connected in all, whatever was asked for.
        total: usize,
        sessions: Vec<SessionJson>,
        /// Where to go on: `?after=`. Null behind the last page; a page may be short, or empty, and have one.
        next: Option<String>,
    },
    Ended {
        sessions: Vec<TimelineJson>,
        /// Where to go on: `?after=`. Null behind the last page.
        next: Option<String>,
    },
}

/// Lists sessions, page by page.
#[utoipa::path(
    get, path = "/v1/sessions", operation_id = "sessions", tag = "sessions",
    params(Listed),
    responses((status = 200, body = PageJson), (status = 400)),
)]
pub(super) async fn list(State(app): State<App>, listed: Result<Query<Listed>, QueryRejection>) -> Result<Json<PageJson>, Problem> {
    let Listed { state, user, prefix, device, after, limit } = query::parameters(listed, USAGE)?;
    let limit = limit.unwrap_or(MOST_LISTED);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(query::not_valid("`limit` is a number from 1 to 1000", USAGE));
    }
    let mut wanted = Wanted::all();
    (wanted.user, wanted.user_prefix, wanted.device) = (user.map(Into::into), prefix.map(Into::into), device.map(Into::into));
    Ok(Json(match state {
        Life::Live => {
            let after = after.map(|text| text.parse::<SessionId>()).transpose().map_err(|_| query::cursor_not_valid())?;
            let page = app.hub.page(&wanted, after, limit);
            PageJson::Live {
                total: app.hub.len(),
                sessions: page.sessions.iter().map(|session| SessionJson::from(&**session)).collect(),
                next: page.next.map(|next| next.to_string()),
            }
        }
        Life::Ended => {
            let after = after.map(|text| text.parse::<u64>()).transpose().map_err(|_| query::cursor_not_valid())?;
            let page = app.hub.ended(&wanted, after.map(EndedCursor), limit);
            PageJson::Ended {
                sessions: page.sessions.iter().map(|life| TimelineJson::from(&**life)).collect(),
                next: page.next.map(|EndedCursor(next)| next.to_string()),
            }
        }
    }))
}

/// Tells the life of a session, which may have ended.
#[utoipa::path(
    get, path = "/v1/sessions/{id}", operation_id = "session", tag = "sessions",
    params(("id" = String, description = "The session's id", format = "uuid")),
    responses((status = 200, body = TimelineJson), (status = 400), (status = 404)),
)]
pub(super) async fn show(State(app): State<App>, id: PathPart) -> Result<Json<TimelineJson>, Problem> {
    let life = app.hub.timeline(query::session(id)?).ok_or_else(|| query::not_there(false))?;
    Ok(Json(TimelineJson::from(&*life)))
}

/// Closes a session.
#[utoipa::path(
    delete, path = "/v1/sessions/{id}", operation_id = "close_session", tag = "sessions",
    params(("id" = String, description = "The session's id", format = "uuid"), CloseWith),
    responses((status = 200, body = Closed), (status = 400), (status = 404)),
)]
pub(super) async fn close(
    State(app): State<App>,
    id: PathPart,
    with: Result<Query<CloseWith>, QueryRejection>,
) -> Result<Json<Closed>, Problem> {
    let (id, (code, reason)) = (query::session(id)?, CloseWith::read(with)?);
    if app.hub.session(id).sessions().is_empty() {
        return Err(query::not_there(app.hub.timeline(id).is_some()));
    }
    Ok(Json(Closed { closed: app.hub.session(id).close(code, reason) }))
}
