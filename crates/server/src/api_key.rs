//! The key in front of the API.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderMap, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use silverback::Refusal;
use subtle::ConstantTimeEq;

use crate::config::Secret;
use crate::identity::bearer;
use crate::routes::{App, Remote};

/// Lets a request through that has the key.
pub(crate) async fn require(State(app): State<App>, request: Request, next: Next) -> Response {
    match check(app.api_key.as_ref(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let remote = request.extensions().get::<Remote>().map(|remote| remote.0);
            tracing::info!(?remote, cause = refusal.cause(), "a request to the API was refused");
            refusal.problem().into_response()
        }
    }
}

fn check(key: Option<&Secret>, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(key) = key else {
        return Err(refusal(
            "api-key-not-configured",
            "the API is closed: no key is configured",
            "set SILVERBACK_API_KEY and start the server again",
        ));
    };
    let Some(presented) = bearer(headers) else {
        return Err(refusal("api-key-missing", "the API needs a key, and none came with the request", "send `Authorization: Bearer KEY`"));
    };
    if bool::from(presented.as_bytes().ct_eq(key.expose().as_bytes())) {
        return Ok(());
    }
    Err(refusal(
        "api-key-wrong",
        "the API key is wrong",
        "send the key that this server has as SILVERBACK_API_KEY (a user's token is not a key)",
    ))
}

fn refusal(cause: &'static str, title: &'static str, cure: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, cause, title)
        .cure(cure)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"silverback API\""))
}
