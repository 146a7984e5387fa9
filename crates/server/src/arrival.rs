//! How a handshake has arrived: what `silverback doctor` asks for with the header `Silverback-Doctor`, so that a header that a proxy has
//! dropped is named with certainty.
//!
//! The answer goes to whoever asks, before any token is looked at. So it shows what somebody sent back to him, and what the proxies between have
//! made of it; values are shown of headers that are harmless and matter, of all others only that they are there.

use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request, Version};
use serde_json::{Map, Value, json};

use crate::identity::presented;
use crate::listening::Remote;
use crate::routes::App;

/// The header that asks for it.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("silverback-doctor");

/// Headers whose values are shown: what a handshake is judged by, and what proxies say.
const SHOWN: [&str; 24] = [
    "accept",
    "cf-ray",
    "cf-visitor",
    "connection",
    "content-length",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "sec-fetch-mode",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "silverback-doctor",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// What stands before a token among the subprotocols.
pub(crate) const TOKEN: &str = "silverback.bearer.";

/// The longest value that is shown, in bytes.
const LONGEST_VALUE: usize = 200;

/// The longest name of a subprotocol that is shown: what is longer may be a secret.
const LONGEST_SUBPROTOCOL: usize = 32;

/// Who has made the connection, before any header was believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) Remote);

/// Whether a request asks for it.
pub(crate) fn is_asked_for(headers: &HeaderMap) -> bool {
    headers.get(HEADER).is_some_and(|value| value == "1")
}

/// Tells how this request has arrived. It costs a handshake's place among those of a second, as any other.
pub(crate) fn answer<B>(app: &App, Peer(peer): Peer, client: Remote, request: &Request<B>) -> Response {
    if let Err(refusal) = app.seat(client, request.headers()) {
        return refusal.problem().into_response();
    }
    metrics::counter!("silverback_doctor_requests_total").increment(1);
    let headers = request.headers();
    let judged = app.upgrader().judge(request).map(|_| ()).map_err(|refusal| {
        let problem = refusal.problem().into_body();
        serde_json::from_str(&problem).unwrap_or(Value::Null)
    });
    let is_trusted = peer.address().is_some_and(|peer| app.live.now().config.proxies.trusts(peer.ip()));
    let told = json!({
        "silverback": env!("CARGO_PKG_VERSION"),
        "method": request.method().as_str(),
        "version": version(request.version()),
        "path": request.uri().path().escape_debug().to_string(),
        "query": request.uri().query().map(|query| masked(query.len())),
        "peer": peer.to_string(),
        "peer_is_trusted": is_trusted,
        "client": client.to_string(),
        "scheme": if app.is_tls || is_https(headers) { "https" } else { "http" },
        "token": presented(request).map(|presented| presented.source),
        "headers": shown(headers),
        "refusal": judged.err(),
    });
    let answer = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (answer, told.to_string()).into_response()
}

fn version(version: Version) -> &'static str {
    if version < Version::HTTP_11 { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn is_https(headers: &HeaderMap) -> bool {
    let said = headers.get("x-forwarded-proto").and_then(|line| line.to_str().ok()).and_then(|line| line.split(',').next());
    said.is_some_and(|scheme| ["https", "wss"].iter().any(|secure| scheme.trim().eq_ignore_ascii_case(secure)))
}

/// Each name with its lines.
fn shown(headers: &HeaderMap) -> Map<String, Value> {
    let lines = |name: &HeaderName| headers.get_all(name).into_iter().map(|line| value(name, line).into()).collect::<Vec<Value>>();
    headers.keys().map(|name| (name.as_str().to_owned(), lines(name).into())).collect()
}

pub(crate) fn value(name: &HeaderName, line: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(line.as_bytes());
    match *name {
        SEC_WEBSOCKET_PROTOCOL => text.split(',').map(|item| subprotocol(item.trim())).collect::<Vec<_>>().join(", "),
        AUTHORIZATION => match text.split_once(' ') {
            Some((scheme, rest)) if ["Basic", "Bearer"].contains(&scheme) => format!("{scheme} {}", masked(rest.len())),
            _ => masked(line.len()),
        },
        _ if !is_shown(name) => masked(line.len()),
        _ => text.chars().take(LONGEST_VALUE).flat_map(char::escape_debug).collect(),
    }
}

/// Whether a header's value is shown.
pub(crate) fn is_shown(name: &HeaderName) -> bool {
    SHOWN.contains(&name.as_str())
}

/// A subprotocol may be a token.
pub(crate) fn subprotocol(item: &str) -> String {
    if let Some(token) = item.strip_prefix(TOKEN) {
        return format!("{TOKEN}{}", masked(token.len()));
    }
    if item.len() > LONGEST_SUBPROTOCOL { masked(item.len()) } else { item.escape_debug().to_string() }
}

fn masked(length: usize) -> String {
    format!("(present, {length} bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_harmless_is_shown_by_its_value() {
        for (name, line, told) in [
            ("upgrade", "websocket", "websocket"),
            ("authorization", "Bearer eyJ.secret", "Bearer (present, 10 bytes)"),
            ("authorization", "secret", "(present, 6 bytes)"),
            ("cookie", "a=secret", "(present, 8 bytes)"),
            ("x-api-key", "secret", "(present, 6 bytes)"),
            ("sec-websocket-protocol", "silverback, silverback.bearer.secret", "silverback, silverback.bearer.(present, 6 bytes)"),
            ("sec-websocket-protocol", "access-token-0123456789-0123456789-secret", "(present, 41 bytes)"),
        ] {
            assert_eq!(value(&HeaderName::from_static(name), &HeaderValue::from_static(line)), told, "{name}");
        }
    }

    #[test]
    fn what_is_shown_is_not_long() {
        let line = HeaderValue::try_from("x".repeat(10_000)).unwrap();
        assert_eq!(value(&HeaderName::from_static("user-agent"), &line).len(), LONGEST_VALUE);
    }
}
