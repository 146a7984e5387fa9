//! The bodies of requests, read within bounds.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use silverback::{Message, Refusal, Text};
use tokio::time::timeout;

use super::Problem;
use crate::media::{self, Media};

/// How long a body may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A message: text or binary, as the content type says.
pub(super) async fn message(headers: &HeaderMap, body: Body, limit: usize) -> Result<Message, Problem> {
    let body = read(body, limit).await?;
    match media::kind(headers.get(CONTENT_TYPE)) {
        Media::Binary => Ok(Message::Binary(body)),
        Media::Text => Ok(Message::Text(text(body)?)),
    }
}

/// JSON. `example` shows what it should look like.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limit: usize, example: &str) -> Result<T, Problem> {
    let (family, subtype) = media::halves(headers.get(CONTENT_TYPE));
    let is_json = subtype == "json" || subtype.ends_with("+json");
    if headers.contains_key(CONTENT_TYPE) && !is_json {
        let title = "the body of this request is JSON, and its content type says something else";
        let refusal = Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type-not-json", title);
        let arrived = format!("a body of the type {}/{}", family.escape_debug(), subtype.escape_debug());
        return Err(Problem(refusal.arrived(arrived).cure("send `Content-Type: application/json`, as `curl --json` does")));
    }
    let body = read(body, limit).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let title = format!("the body must be JSON like {example}");
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "body-not-valid", title);
        Problem(refusal.arrived(error.to_string()).cure("write it as in the title; GET /v1/openapi.json has all of it"))
    })
}

pub(super) fn text(body: Bytes) -> Result<Text, Problem> {
    Text::try_from(body).map_err(|error| {
        let cure = "send text as UTF-8, or bytes with `Content-Type: application/octet-stream`";
        Problem::bad_request("not-utf8", error.to_string(), cure)
    })
}

pub(super) fn too_large(limit: usize) -> Problem {
    let title = format!("the body is larger than {limit} bytes");
    Problem(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title).cure("send less, or raise `limits.message`"))
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let read = timeout(WITHIN, whole(Limited::new(body, limit))).await.map_err(|_| {
        let title = format!("the body was not complete within {WITHIN:?}");
        Problem(Refusal::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", title).cure("send all of it at once"))
    })?;
    read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large(limit)
        } else {
            Problem::bad_request("body-broken", "the body could not be read to its end", "send all of it, as its head says")
        }
    })
}

/// Copies what comes in pieces: a piece of one byte may keep a buffer of thousands.
async fn whole(mut body: Limited<Body>) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_is_waited_for_within_bounds() {
        let began = tokio::time::Instant::now();
        let slow = |seconds: u64| {
            Body::from_stream(futures_util::stream::once(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok::<_, std::convert::Infallible>(Bytes::from_static(b"late"))
            }))
        };
        assert!(read(slow(29), 10).await.is_ok());
        let refused = read(slow(31), 10).await.unwrap_err().0;
        assert_eq!((refused.status(), refused.cause()), (StatusCode::REQUEST_TIMEOUT, "body-too-slow"));
        assert_eq!(began.elapsed().as_secs(), 59);
    }
}
