//! The web console: a page and its parts, served as they are.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, StatusCode, Uri};

use crate::routes::not_found;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal: $content_type:ident,)*) => {
        /// What is below `/console/`.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $content_type, include_str!(concat!("../console/", $name)))),*];
    };
}

files! {
    "console.css": CSS,
    "parts.css": CSS,
    "theme.js": JAVASCRIPT,
    "console.js": JAVASCRIPT,
    "actions.js": JAVASCRIPT,
    "api.js": JAVASCRIPT,
    "chart.js": JAVASCRIPT,
    "connection.js": JAVASCRIPT,
    "dom.js": JAVASCRIPT,
    "feed.js": JAVASCRIPT,
    "handshakes.js": JAVASCRIPT,
    "lines.js": JAVASCRIPT,
    "login.js": JAVASCRIPT,
    "overview.js": JAVASCRIPT,
    "session.js": JAVASCRIPT,
    "sessions.js": JAVASCRIPT,
    "snippets.js": JAVASCRIPT,
    "stats.js": JAVASCRIPT,
    "story.js": JAVASCRIPT,
    "try.js": JAVASCRIPT,
    "user.js": JAVASCRIPT,
    "words.js": JAVASCRIPT,
    "mark.svg": SVG,
}

pub(crate) async fn page(headers: HeaderMap) -> Response {
    answer(&headers, HTML, include_str!("../console/index.html"))
}

pub(crate) async fn file(uri: Uri, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, content_type, content)) => answer(&headers, content_type, content),
        None => not_found(uri).await,
    }
}

/// A browser asks each time, and is answered with the file only where it has another one.
fn answer(headers: &HeaderMap, content_type: &'static str, content: &'static str) -> Response {
    let tag = format!("\"{:016x}\"", BuildHasherDefault::<DefaultHasher>::default().hash_one(content));
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|line| line.to_str().is_ok_and(|line| line.contains(&tag)));
    let common = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common, [(ETAG, tag)]).into_response();
    }
    (common, [(CONTENT_TYPE, content_type)], [(ETAG, tag.as_str())], content).into_response()
}
