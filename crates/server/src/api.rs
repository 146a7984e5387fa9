//! The API of back ends.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use silverback::{CloseCode, CloseFrame, Message, Refusal, Text};

use crate::json::{DeliveryJson, SessionJson, timestamp};
use crate::routes::App;

/// How many sessions one answer lists.
const MOST_LISTED: usize = 1000;

/// How long a token of the console is good.
const CONSOLE_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The largest body of a request that is not a message, in bytes.
const SMALL_BODY: usize = 16 * 1024;

/// A request that cannot be answered, as a problem (RFC 9457).
pub(crate) struct Problem(Refusal);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.problem().into_response()
    }
}

/// The user in the path.
type UserPath = Result<Path<String>, PathRejection>;

fn user_of(path: UserPath) -> Result<String, Problem> {
    let not_text =
        |_| Problem(bad_request("user-not-valid", "the user in the path is not UTF-8").cure("write the name in UTF-8, percent-encoded"));
    Ok(path.map_err(not_text)?.0)
}

fn bad_request(cause: &'static str, title: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, cause, title)
}

/// `POST /v1/users/{user}/messages`: the body goes to every session of the user.
pub(crate) async fn send_to_user(State(app): State<App>, user: UserPath, request: Request) -> Result<Json<DeliveryJson>, Problem> {
    let user = user_of(user)?;
    let kind = kind(request.headers());
    let body = read_body(request.into_body(), app.message_limit).await?;
    let message = match kind {
        Kind::Binary => Message::Binary(body),
        Kind::Text => Message::Text(Text::try_from(body).map_err(|error| {
            let cure = "send text as UTF-8, or bytes with `Content-Type: application/octet-stream`";
            Problem(bad_request("not-utf8", error.to_string()).cure(cure))
        })?),
    };
    Ok(Json(app.hub.user(&user).send(message).into()))
}

/// `GET /v1/users/{user}`: the user's sessions.
pub(crate) async fn user(State(app): State<App>, user: UserPath) -> Result<Json<Value>, Problem> {
    let user = user_of(user)?;
    let sessions = app.hub.user(&user).sessions();
    let sessions: Vec<_> = sessions.iter().map(|session| SessionJson::from(&**session)).collect();
    Ok(Json(json!({ "user": user, "sessions": sessions })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseWith {
    code: Option<u16>,
    reason: Option<String>,
}

/// `DELETE /v1/users/{user}?code=&reason=`: closes the user's sessions.
pub(crate) async fn close_user(
    State(app): State<App>,
    user: UserPath,
    with: Result<Query<CloseWith>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let user = user_of(user)?;
    let with = with.map_err(|_| {
        let cure = "write ?code=4000&reason=bye, or leave either out";
        Problem(bad_request("query-not-valid", "`code` is a number from 1000 to 4999, `reason` a text, and there are no others").cure(cure))
    })?;
    let code = CloseCode::new(with.code.unwrap_or(1000)).map_err(|error| {
        Problem(
            bad_request("close-code-not-valid", error.to_string())
                .cure("use 1000 for a normal end, or a code of your own from 4000 to 4999"),
        )
    })?;
    let reason = with.0.reason.unwrap_or_default();
    if reason.len() > CloseFrame::REASON_LIMIT {
        let title = format!("a close reason has at most {} bytes, and this one has {}", CloseFrame::REASON_LIMIT, reason.len());
        return Err(Problem(bad_request("close-reason-too-long", title)));
    }
    Ok(Json(json!({ "closed": app.hub.user(&user).close(code, reason) })))
}

/// `GET /v1/sessions`: who is connected, the oldest sessions first.
pub(crate) async fn sessions(State(app): State<App>) -> Json<Value> {
    let sessions = app.hub.sessions();
    let listed: Vec<_> = sessions.iter().take(MOST_LISTED).map(|session| SessionJson::from(&**session)).collect();
    Json(json!({ "total": sessions.len(), "sessions": listed }))
}

#[derive(Deserialize)]
#[serde(expecting = "an object with a text `user`")]
struct TokenFor {
    user: String,
}

/// `POST /v1/tokens`: a token for any user, as long as the secret is a throw-away one.
pub(crate) async fn mint_token(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Some(tokens) = app.tokens.as_deref().filter(|_| app.is_throw_away) else {
        let refusal =
            Refusal::new(StatusCode::NOT_FOUND, "tokens-not-minted", "this server does not mint tokens: its secret is configured");
        return Err(Problem(refusal.cure("mint one where the secret is known: `silverback token --user NAME`")));
    };
    let body = read_body(request.into_body(), SMALL_BODY).await?;
    let TokenFor { user } = serde_json::from_slice(&body).map_err(|error| {
        Problem(bad_request("body-not-valid", "the body must be JSON like {\"user\":\"alice\"}").arrived(error.to_string()))
    })?;
    let (token, expires) = tokens.mint(&user, CONSOLE_TOKEN).map_err(|error| Problem(bad_request("user-not-valid", error.to_string())))?;
    let body = json!({ "user": user, "token": token, "expires_at": timestamp(expires) });
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Binary,
}

/// What the content type makes of a body. Text is what is readable, and what says nothing: `curl --data` calls everything a form.
fn kind(headers: &HeaderMap) -> Kind {
    let line = headers.get(CONTENT_TYPE).map_or("", |line| HeaderValue::to_str(line).unwrap_or("application/octet-stream"));
    let media = line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (family, subtype) = media.split_once('/').unwrap_or(("text", ""));
    let is_text = family == "text"
        || matches!(subtype, "json" | "xml" | "x-www-form-urlencoded" | "x-ndjson" | "javascript")
        || subtype.ends_with("+json")
        || subtype.ends_with("+xml");
    if is_text { Kind::Text } else { Kind::Binary }
}

async fn read_body(body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            let title = format!("the body is larger than {limit} bytes");
            Problem(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title).cure("send less, or raise `limits.message`"))
        } else {
            Problem(bad_request("body-broken", "the body could not be read to its end"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_between_text_and_binary() {
        let is_text =
            |line: &'static str| matches!(kind(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(line))])), Kind::Text);
        for text in [
            "text/plain",
            "TEXT/plain; charset=utf-8",
            "application/json",
            "application/problem+json",
            "application/x-www-form-urlencoded",
            "nonsense",
        ] {
            assert!(is_text(text), "{text}");
        }
        for binary in ["application/octet-stream", "image/png", "application/cbor", "application/json-seq"] {
            assert!(!is_text(binary), "{binary}");
        }
        assert!(matches!(kind(&HeaderMap::new()), Kind::Text));
    }
}
