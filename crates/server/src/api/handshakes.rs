//! The handshakes that were refused lately.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Problem, query};
use crate::handshakes::RefusedHandshake;
use crate::json::timestamp;
use crate::routes::App;

/// How many one answer lists.
const MOST_LISTED: usize = 1000;

const USAGE: &str = "write any of ?cause=, after= (the last page's `next`) and limit= (1 to 1000)";

/// Which refusals, and which page of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Listed {
    /// Those of this cause.
    #[param(nullable = false)]
    cause: Option<String>,
    /// The `next` of the page before.
    #[param(nullable = false)]
    after: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000, default = 100, nullable = false)]
    limit: Option<usize>,
}

/// A page of refused handshakes.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedHandshakes)]
pub(super) struct PageJson {
    /// How many were refused since the server was started.
    total: u64,
    /// Of which causes, the most frequent first.
    causes: Vec<CauseJson>,
    /// The last first. Of each cause ten a second are kept, and the last 1,000 in all.
    refused: Vec<RefusedJson>,
    /// Where to go on: `?after=`. Null behind the last page.
    next: Option<String>,
}

/// How often a cause was.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusalCause)]
struct CauseJson {
    cause: &'static str,
    count: u64,
}

/// A handshake that was refused.
#[derive(Serialize, ToSchema)]
#[schema(as = RefusedHandshake)]
pub(crate) struct RefusedJson {
    /// Greater than that of every earlier one.
    number: u64,
    #[schema(format = "date-time")]
    at: String,
    /// Where it came from.
    remote: String,
    status: u16,
    /// A short name of what was wrong, for programs.
    cause: &'static str,
    /// What was wrong, in one line.
    title: String,
    /// What arrived, as the server saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cure: Option<String>,
    /// The page, where a browser told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// How many others of its cause came just before it and are not listed.
    left_out: u64,
}

/// Lists the handshakes that were refused, page by page: why somebody cannot connect, and what to do about it.
#[utoipa::path(
    get, path = "/v1/handshakes", operation_id = "refused_handshakes", tag = "handshakes",
    params(Listed),
    responses((status = 200, body = PageJson), (status = 400)),
)]
pub(super) async fn list(State(app): State<App>, listed: Result<Query<Listed>, QueryRejection>) -> Result<Json<PageJson>, Problem> {
    let Listed { cause, after, limit } = query::parameters(listed, USAGE)?;
    let limit = limit.unwrap_or(100);
    if !(1..=MOST_LISTED).contains(&limit) {
        return Err(query::not_valid("`limit` is a number from 1 to 1000", USAGE));
    }
    let before = after.map(|text| text.parse::<u64>()).transpose().map_err(|_| query::cursor_not_valid())?;
    let page = app.handshakes.page(cause.as_deref(), before, limit);
    Ok(Json(PageJson {
        total: app.handshakes.total(),
        causes: app.handshakes.causes().into_iter().map(|(cause, count)| CauseJson { cause, count }).collect(),
        refused: page.refused.iter().map(|one| RefusedJson::from(&**one)).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

impl From<&RefusedHandshake> for RefusedJson {
    fn from(one: &RefusedHandshake) -> Self {
        let said = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            number: one.number,
            at: timestamp(one.at),
            remote: one.remote.to_string(),
            status: one.refusal.status().as_u16(),
            cause: one.refusal.cause(),
            title: one.refusal.title().to_owned(),
            detail: said(one.refusal.detail()),
            cure: said(one.refusal.what_to_do()),
            origin: one.origin.clone(),
            user_agent: one.user_agent.clone(),
            left_out: one.left_out,
        }
    }
}
