//! What stands in the path and behind the `?`, with answers that say what could stand there.

use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use http::StatusCode;
use silverback::Refusal;
use silverback_hub::SessionId;

use super::Problem;

/// A part of the path.
pub(super) type PathPart = Result<Path<String>, PathRejection>;

pub(super) fn user(path: PathPart) -> Result<String, Problem> {
    let not_text =
        |_| Problem::bad_request("user-not-valid", "the user in the path is not UTF-8", "write the name in UTF-8, percent-encoded");
    Ok(path.map_err(not_text)?.0)
}

pub(super) fn session(path: PathPart) -> Result<SessionId, Problem> {
    let id = path.ok().and_then(|Path(text)| text.parse().ok());
    id.ok_or_else(|| {
        let cure = "write it as GET /v1/sessions lists it, like 01890a5d-ac96-774b-bcce-b302099a8057";
        Problem::bad_request("session-id-not-valid", "the session in the path is not a UUID", cure)
    })
}

/// No session of this id is connected.
pub(super) fn not_there(is_known: bool) -> Problem {
    let (title, cure) = if is_known {
        ("this session has ended", "ask GET /v1/sessions/{id} why, and GET /v1/users/{user} whether the user has another one")
    } else {
        ("there is no such session, or it ended longer ago than this server remembers", "list those that are there by GET /v1/sessions")
    };
    Problem(Refusal::new(StatusCode::NOT_FOUND, "session-not-found", title).cure(cure))
}

/// The parameters of a query. `usage` says what they may be.
pub(super) fn parameters<T>(query: Result<Query<T>, QueryRejection>, usage: &'static str) -> Result<T, Problem> {
    match query {
        Ok(Query(parameters)) => Ok(parameters),
        Err(_) => {
            Err(not_valid("the query has a parameter that is unknown here, is there twice, or has a value that it cannot have", usage))
        }
    }
}

/// A time such as `5s`, of at most `most`.
pub(super) fn time(name: &str, text: &str, most: Duration) -> Result<Duration, Problem> {
    let time = humantime::parse_duration(text).ok().filter(|time| *time <= most);
    time.ok_or_else(|| {
        let title = format!("`{name}` is not a time of at most {}", humantime::format_duration(most));
        not_valid(title, "write a time, as in 500ms or 5s")
    })
}

pub(super) fn cursor_not_valid() -> Problem {
    Problem::bad_request(
        "cursor-not-valid",
        "`after` is not the `next` of a page of this kind",
        "take it from the page before, as it stands",
    )
}

pub(super) fn not_valid(title: impl Into<std::borrow::Cow<'static, str>>, cure: &'static str) -> Problem {
    Problem::bad_request("query-not-valid", title, cure)
}
