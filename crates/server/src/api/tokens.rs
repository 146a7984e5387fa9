//! Tokens for trying things out.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use serde::{Deserialize, Serialize};
use silverback::Refusal;
use utoipa::ToSchema;

use super::{Problem, body};
use crate::json::timestamp;
use crate::routes::App;

/// How long a token of the console is good.
const CONSOLE_TOKEN: Duration = Duration::from_secs(24 * 3600);

/// The largest body of a request that is not a message, in bytes.
const SMALL_BODY: usize = 16 * 1024;

/// Whom a token is for.
#[derive(Deserialize, ToSchema)]
#[serde(expecting = "an object with a text `user`")]
struct TokenFor {
    user: String,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenJson {
    user: String,
    token: String,
    expires_at: String,
}

/// Makes a token for any user, as long as the secret is a throw-away one.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "mint_token", tag = "tokens",
    request_body = TokenFor,
    responses((status = 200, body = TokenJson), (status = 400), (status = 404), (status = 413), (status = 415)),
)]
pub(super) async fn mint(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let Some(tokens) = app.tokens.as_deref().filter(|_| app.is_throw_away) else {
        let refusal =
            Refusal::new(StatusCode::NOT_FOUND, "tokens-not-minted", "this server does not mint tokens: its secret is configured");
        return Err(Problem(refusal.cure("mint one where the secret is known: `silverback token --user NAME`")));
    };
    let (head, content) = request.into_parts();
    let TokenFor { user } = body::json(&head.headers, content, SMALL_BODY, "{\"user\":\"alice\"}").await?;
    let (token, expires) = tokens.mint(&user, CONSOLE_TOKEN).map_err(|error| {
        Problem::bad_request("user-not-valid", error.to_string(), "write a name of 1 to 256 bytes without control characters")
    })?;
    let answer = TokenJson { user, token, expires_at: timestamp(expires) };
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
