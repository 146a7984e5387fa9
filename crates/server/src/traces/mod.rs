//! Traces: what a handshake, a session and a request to the API were, and how long each took, for OpenTelemetry.
//!
//! A span is made with [`TARGET`], by which it is told from the spans of libraries. Without a collector nobody is interested in them, and they cost
//! next to nothing.

#[cfg(feature = "otlp")]
mod exporter;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use tracing::{Instrument as _, Span, field};

#[cfg(feature = "otlp")]
pub(crate) use exporter::Traces;

/// The target of every span that is sent.
pub(crate) const TARGET: &str = "silverback_server::traces";

/// Without the feature `otlp` there are none.
#[cfg(not(feature = "otlp"))]
#[derive(Debug)]
pub(crate) enum Traces {}

#[cfg(not(feature = "otlp"))]
impl Traces {
    pub(crate) fn start(_: &crate::otlp_settings::OtlpSettings) -> Result<Option<Self>, std::convert::Infallible> {
        Ok(None)
    }

    pub(crate) fn layer(&self) -> crate::log::More {
        match *self {}
    }

    pub(crate) async fn flush(self) {
        match self {}
    }
}

/// A handshake, from its head to the answer.
pub(crate) fn handshake(remote: impl std::fmt::Display) -> Span {
    tracing::info_span!(
        target: TARGET,
        "handshake",
        otel.kind = "server",
        client.address = %remote,
        user.id = field::Empty,
        silverback.refusal = field::Empty,
        http.response.status_code = field::Empty,
    )
}

/// A session, from its beginning to its end.
pub(crate) fn session(id: impl std::fmt::Display, user: &str) -> Span {
    tracing::info_span!(
        target: TARGET,
        parent: None,
        "session",
        otel.kind = "server",
        session.id = %id,
        user.id = user,
        silverback.cause = field::Empty,
        silverback.close.sent = field::Empty,
        silverback.close.received = field::Empty,
        silverback.messages.in = field::Empty,
        silverback.messages.out = field::Empty,
    )
}

/// A request to the API, named by its route, and part of the trace that the back end says it belongs to.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("/v1", MatchedPath::as_str);
    let method = request.method().as_str();
    let span = tracing::info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
    );
    belongs(&span, request.headers());
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}

#[cfg(feature = "otlp")]
fn belongs(span: &Span, headers: &HeaderMap) {
    exporter::belongs(span, headers);
}

#[cfg(not(feature = "otlp"))]
fn belongs(_: &Span, _: &HeaderMap) {}
