//! The answer to a request that is not accepted.

use std::borrow::Cow;
use std::fmt;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::fields;

/// Why a handshake was refused, in a form that a person can act on: what is wrong, what arrived, and the likely cure.
///
/// It renders as `application/problem+json` (RFC 9457) for clients that accept JSON and as plain text for all others.
///
/// ```
/// use http::{HeaderMap, StatusCode, header};
/// use silverback_wire::handshake::Refusal;
///
/// let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "token-expired", "the token has expired")
///     .arrived("a token that was good until 12:00")
///     .cure("ask for another one and connect again")
///     .header(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
///
/// let answer = refusal.response(&HeaderMap::new()); // the request's headers
/// assert_eq!(answer.status(), 401);
/// assert!(answer.body().starts_with("the token has expired (token-expired)\n"));
/// assert_eq!(refusal.problem().headers()["content-type"], "application/problem+json");
/// assert_eq!(refusal.what_to_do(), "ask for another one and connect again");
/// ```
#[derive(Debug, Clone)]
pub struct Refusal(Box<Parts>); // boxed: the error of many functions that mostly succeed

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    cause: &'static str,
    title: Cow<'static, str>,
    arrived: Cow<'static, str>,
    cure: Cow<'static, str>,
    headers: HeaderMap,
}

impl Refusal {
    /// A refusal with this status. `cause` is a short name for machines, such as `token-expired`; `title` says what is wrong in one line.
    pub fn new(status: StatusCode, cause: &'static str, title: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts { status, cause, title: title.into(), arrived: "".into(), cure: "".into(), headers: HeaderMap::new() }))
    }

    /// Says what arrived, as this server saw it. It is shown to the client and logged: no secrets, and nothing unprintable.
    #[must_use]
    pub fn arrived(mut self, arrived: impl Into<Cow<'static, str>>) -> Self {
        self.0.arrived = arrived.into();
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<Cow<'static, str>>) -> Self {
        self.0.cure = cure.into();
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The short name of the cause, such as `upgrade-missing`; the same for all refusals of a kind.
    pub fn cause(&self) -> &'static str {
        self.0.cause
    }

    /// What is wrong, in one line.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// What arrived, as this server saw it, or "".
    pub fn detail(&self) -> &str {
        &self.0.arrived
    }

    /// What to do about it, or "".
    pub fn what_to_do(&self) -> &str {
        &self.0.cure
    }

    /// The whole answer to a request with these headers.
    pub fn response(&self, request: &HeaderMap) -> Response<String> {
        if accepts_json(request) { self.problem() } else { self.answer("text/plain; charset=utf-8", self.text()) }
    }

    /// The whole answer as `application/problem+json`, whoever asks: for an API.
    pub fn problem(&self) -> Response<String> {
        self.answer("application/problem+json", self.json())
    }

    fn answer(&self, content_type: &'static str, body: String) -> Response<String> {
        let mut response = Response::new(body);
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers.clone();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // It repeats what a stranger sent: no browser may take it for a page, no cache may keep it.
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn json(&self) -> String {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: String,
            title: &'a str,
            status: u16,
            cause: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            detail: &'a str,
            #[serde(skip_serializing_if = "str::is_empty")]
            cure: &'a str,
        }
        let problem = Problem {
            r#type: format!("urn:silverback:refusal:{}", self.0.cause),
            title: &self.0.title,
            status: self.0.status.as_u16(),
            cause: self.0.cause,
            detail: &self.0.arrived,
            cure: &self.0.cure,
        };
        serde_json::to_string(&problem).unwrap_or_default()
    }

    fn text(&self) -> String {
        let mut text = format!("{} ({})\n", self.0.title, self.0.cause);
        for (label, part) in [("What arrived", &self.0.arrived), ("What to do", &self.0.cure)] {
            if !part.is_empty() {
                text.push_str(&format!("\n{label}: {part}\n"));
            }
        }
        text
    }
}

/// For logs: one line, without the cure.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.0.title, self.0.cause, self.0.arrived.lines().next().unwrap_or_default())
    }
}

impl std::error::Error for Refusal {}

fn accepts_json(request: &HeaderMap) -> bool {
    fields::items(request, ACCEPT).any(|item| {
        let media = item.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/json") || media.eq_ignore_ascii_case("application/problem+json")
    })
}
