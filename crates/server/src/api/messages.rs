//! Sending.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use silverback::Message;
use utoipa::ToSchema;

use super::delivery_policy::{DeliveryPolicy, How, Outcome};
use super::query::{self, PathPart};
use super::{Problem, body};
use crate::routes::App;

/// What may be written around a message.
const ENVELOPE: usize = 1024 * 1024;

const EXAMPLE: &str = r#"{"to":{"users":["alice"]},"message":{"text":"hello"}}"#;

type Policy = Result<Query<DeliveryPolicy>, QueryRejection>;

/// A message, and whom it is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `to` and `message`")]
struct ToMany {
    to: To,
    message: Content,
}

/// Whom a message is for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", expecting = "\"everyone\", or an object with `users` or `attribute`")]
enum To {
    /// Every session.
    Everyone,
    /// Every session of these users.
    Users(Vec<String>),
    /// Every session with this attribute: an object of one key and its value.
    #[schema(value_type = Object)]
    Attribute(BTreeMap<String, Value>),
}

/// What is sent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", expecting = "an object with `text` or `base64`")]
enum Content {
    /// A text message.
    Text(String),
    /// A binary message, in base64 (RFC 4648, 4).
    Base64(String),
}

/// Bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a body")]
struct Binary(Vec<u8>);

/// Sends the body to every session of a user.
#[utoipa::path(
    post, path = "/v1/users/{user}/messages", tag = "messages",
    params(("user" = String, description = "The user, percent-encoded"), DeliveryPolicy),
    request_body(content((String = "text/plain"), (Value = "application/json"), (Binary = "application/octet-stream")), description = "The message"),
    responses((status = 200, body = Outcome), (status = 400), (status = 404), (status = 413)),
)]
pub(super) async fn send_to_user(
    State(app): State<App>,
    user: PathPart,
    policy: Policy,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    let (user, how) = (query::user(user)?, How::read(policy)?);
    let message = message(request, &app).await?;
    Ok(Json(how.deliver(message, app.hub.user(&user), &app.stats.traffic).await?))
}

/// Sends the body to one session.
#[utoipa::path(
    post, path = "/v1/sessions/{id}/messages", tag = "messages",
    params(("id" = String, description = "The session's id", format = "uuid"), DeliveryPolicy),
    request_body(content((String = "text/plain"), (Value = "application/json"), (Binary = "application/octet-stream")), description = "The message"),
    responses((status = 200, body = Outcome), (status = 400), (status = 404), (status = 413)),
)]
pub(super) async fn send_to_session(
    State(app): State<App>,
    id: PathPart,
    policy: Policy,
    request: Request,
) -> Result<Json<Outcome>, Problem> {
    let (id, how) = (query::session(id)?, How::read(policy)?);
    let message = message(request, &app).await?;
    if app.hub.session(id).sessions().is_empty() {
        return Err(query::not_there(app.hub.timeline(id).is_some()));
    }
    Ok(Json(how.deliver(message, app.hub.session(id), &app.stats.traffic).await?))
}

/// Sends a message to many users, to everyone, or to those with an attribute.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages",
    params(DeliveryPolicy),
    request_body(content = ToMany, description = "The message, and whom it is for"),
    responses((status = 200, body = Outcome), (status = 400), (status = 413), (status = 415)),
)]
pub(super) async fn send_to_many(State(app): State<App>, policy: Policy, request: Request) -> Result<Json<Outcome>, Problem> {
    let how = How::read(policy)?;
    let (head, content) = request.into_parts();
    let message_limit = app.live.now().message_limit();
    let limit = message_limit.saturating_mul(2).saturating_add(ENVELOPE);
    let ToMany { to, message } = body::json(&head.headers, content, limit, EXAMPLE).await?;
    let message = message.into_message(message_limit)?;
    let audience = match &to {
        To::Everyone => app.hub.everyone(),
        To::Users(users) => app.hub.users(users.iter().map(String::as_str)),
        To::Attribute(attribute) => match attribute.first_key_value() {
            Some((key, value)) if attribute.len() == 1 => app.hub.with_attribute(key, value.clone()),
            _ => {
                let title = "`attribute` names one attribute and its value";
                return Err(Problem::bad_request("body-not-valid", title, "write {\"attribute\":{\"plan\":\"pro\"}}"));
            }
        },
    };
    Ok(Json(how.deliver(message, audience, &app.stats.traffic).await?))
}

async fn message(request: Request, app: &App) -> Result<Message, Problem> {
    let (head, content) = request.into_parts();
    body::message(&head.headers, content, app.live.now().message_limit()).await
}

impl Content {
    fn into_message(self, limit: usize) -> Result<Message, Problem> {
        let message = match self {
            Self::Text(text) => Message::from(text),
            Self::Base64(text) => Message::Binary(STANDARD.decode(text).map_err(not_base64)?.into()),
        };
        if message.len() > limit { Err(body::too_large(limit)) } else { Ok(message) }
    }
}

fn not_base64(_: base64::DecodeError) -> Problem {
    let cure = "write the standard alphabet with padding, as `base64 --wrap=0` does, or send `text`";
    Problem::bad_request("body-not-valid", "`base64` is not base64 (RFC 4648, 4)", cure)
}
