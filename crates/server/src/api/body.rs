//! The bodies of requests, read within bounds.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use silverback::{Message, Refusal, Text};
use tokio::time::timeout;

use super::Problem;

/// How long a body may take.
const WITHIN: Duration = Duration::from_secs(30);

/// A message: text or binary, as the content type says.
pub(super) async fn message(headers: &HeaderMap, body: Body, limit: usize) -> Result<Message, Problem> {
    let body = read(body, limit).await?;
    match kind(headers) {
        Kind::Binary => Ok(Message::Binary(body)),
        Kind::Text => Ok(Message::Text(text(body)?)),
    }
}

/// JSON. `example` shows what it should look like.
pub(super) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body, limit: usize, example: &str) -> Result<T, Problem> {
    let (family, subtype) = media(headers);
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

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Binary,
}

/// What the content type makes of a body. Text is what is readable, and what says nothing: `curl --data` calls everything a form.
fn kind(headers: &HeaderMap) -> Kind {
    let (family, subtype) = media(headers);
    let is_text = family == "text"
        || matches!(&*subtype, "json" | "xml" | "x-www-form-urlencoded" | "x-ndjson" | "javascript")
        || subtype.ends_with("+json")
        || subtype.ends_with("+xml");
    if is_text { Kind::Text } else { Kind::Binary }
}

/// The two halves of the content type, in lower case.
fn media(headers: &HeaderMap) -> (String, String) {
    let line = headers.get(CONTENT_TYPE).map_or("", |line| HeaderValue::to_str(line).unwrap_or("application/octet-stream"));
    let media = line.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (family, subtype) = media.split_once('/').unwrap_or(("text", ""));
    (family.to_owned(), subtype.to_owned())
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
