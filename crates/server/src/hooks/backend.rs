//! One request to the back end, bounded in time and size.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use super::HooksError;
use super::event::Event;
use super::settings::Settings;
use super::signature::Signer;
use crate::outgoing::{self, chain, connector};

/// How long a connection is kept between two requests. Many servers end one after 5 s; whoever sends at that moment fails for nothing.
const IDLE: Duration = Duration::from_secs(4);

/// The longest pause that the back end may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where events are sent.
pub(super) struct Backend {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    signer: Signer,
    source: String,
    /// The largest answer, in bytes.
    largest_answer: usize,
}

/// What the back end says, by which it has taken the event, or will not have it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `None` where it was too large.
    pub(super) body: Option<Bytes>,
}

/// Why it is not known that the back end has the event: it is to be sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("the back end cannot be reached: {0}")]
    Unreachable(String),
    #[error("the back end did not answer within {0:?}")]
    Slow(Duration),
    #[error("the back end's answer broke off: {0}")]
    Broken(String),
    #[error("the back end answers with status {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error("the back end has failed again and again, and is not asked at the moment")]
    Open,
    #[error("too many requests to the back end are under way")]
    Busy,
    #[error("this server is stopping")]
    Stopping,
}

impl Failure {
    /// In the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Slow(_) => "slow",
            Self::Broken(_) => "broken",
            Self::Status { .. } => "status",
            Self::Open => "open",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
        }
    }

    /// Whether the back end as a whole is unwell, and not only this request.
    pub(super) fn is_of_the_back_end(&self) -> bool {
        !matches!(self, Self::Status { status: 408 | 425 | 429, .. } | Self::Open | Self::Busy | Self::Stopping)
    }

    /// How long it asks us to wait.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Status { retry_after: Some(pause), .. } => (*pause).min(LONGEST_PAUSE),
            _ => Duration::ZERO,
        }
    }
}

impl Backend {
    /// `connections` are kept between requests.
    pub(super) fn new(settings: &Settings, connections: usize, largest_answer: usize) -> Result<Self, HooksError> {
        let url = settings.url.as_ref().ok_or(HooksError::NoAddress)?;
        if !url.is_https() && !url.is_local() {
            tracing::warn!("{url} (hooks.url) is plain HTTP: whoever is in between reads what clients send; use https://");
        }
        let connector = connector(url).map_err(|error| HooksError::Address(format!("{url}: {error}")))?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .build(connector);
        let signer = Signer::new(&settings.secret.0).map_err(|error| HooksError::Secret(error.to_string()))?;
        Ok(Self { client, url: url.0.clone(), signer, source: settings.source.clone(), largest_answer })
    }

    /// Sends an event once.
    ///
    /// Cancel-safe in so far as the event may be sent again: the back end may have it already.
    pub(super) async fn post(&self, event: &Event, within: Duration) -> Result<Answer, Failure> {
        timeout(within, self.exchange(event)).await.unwrap_or(Err(Failure::Slow(within)))
    }

    async fn exchange(&self, event: &Event) -> Result<Answer, Failure> {
        let response = self.client.request(self.request(event)).await.map_err(|error| Failure::Unreachable(chain(&error)))?;
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, self.largest_answer).collect().await {
            Ok(body) => Some(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => None,
            Err(error) => return Err(Failure::Broken(chain(&*error))),
        };
        match head.status {
            status if status.is_success() => Ok(Answer { status, headers: head.headers, body }),
            status if is_final(status) => Ok(Answer { status, headers: head.headers, body }),
            status => Err(Failure::Status { status: status.as_u16(), retry_after: retry_after(&head.headers) }),
        }
    }

    fn request(&self, event: &Event) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(event.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        *headers = event.headers(&self.source);
        headers.insert(USER_AGENT, HeaderValue::from_static(outgoing::USER_AGENT));
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signature = self.signer.sign(&event.id, seconds, &event.body);
        for (name, value) in [("webhook-id", &event.id), ("webhook-timestamp", &seconds.to_string()), ("webhook-signature", &signature)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        request
    }
}

/// Whether the same answer would come again: the back end will not have the event.
fn is_final(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS)
}

/// `Retry-After` in seconds; one with a date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

impl Answer {
    pub(super) fn is_good(&self) -> bool {
        self.status.is_success()
    }

    /// What a person may read of it, in one line: `title` or `reason` of JSON, or a text. Cut after 200 bytes.
    pub(super) fn reason(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Said {
            reason: Option<String>,
            title: Option<String>,
            detail: Option<String>,
        }
        let body = self.body.as_ref().filter(|body| !body.is_empty())?;
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|line| line.to_str().ok()).unwrap_or_default();
        let text = if content_type.contains("json") {
            let said: Said = serde_json::from_slice(body).ok()?;
            said.reason.or(said.title).or(said.detail)?
        } else if content_type.is_empty() || content_type.starts_with("text/plain") {
            String::from_utf8_lossy(body).into_owned()
        } else {
            return None; // a page of HTML is for nobody here
        };
        let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        let line = line.trim();
        let cut = &line[..line.floor_char_boundary(200)];
        (!cut.is_empty()).then(|| cut.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_type: &'static str, body: &'static str) -> Answer {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Answer { status: StatusCode::FORBIDDEN, headers, body: Some(Bytes::from_static(body.as_bytes())) }
    }

    #[test]
    fn a_reason_is_found_in_json_and_in_text_and_is_one_line() {
        for (content_type, body, reason) in [
            ("application/json", r#"{"reason":"the room is full"}"#, Some("the room is full")),
            ("application/problem+json", r#"{"title":"no","detail":"more"}"#, Some("no")),
            ("application/json", r#"{"detail":"not yours"}"#, Some("not yours")),
            ("application/json", "[1]", None),
            ("text/plain; charset=utf-8", " the room\r\nis full\n", Some("the room  is full")),
            ("text/html", "<h1>403</h1>", None),
            ("text/plain", "", None),
        ] {
            assert_eq!(answer(content_type, body).reason().as_deref(), reason, "{body}");
        }
        let long = Answer { body: Some(Bytes::from("ö".repeat(101))), ..answer("text/plain", "") };
        assert_eq!(long.reason().unwrap().len(), 200);
    }

    #[test]
    fn what_would_come_again_is_final_and_the_rest_is_tried_again() {
        for code in [400, 401, 403, 404, 409, 410, 422] {
            assert!(is_final(StatusCode::from_u16(code).unwrap()), "{code}");
        }
        for code in [301, 304, 408, 425, 429, 500, 502, 503, 504] {
            assert!(!is_final(StatusCode::from_u16(code).unwrap()), "{code}");
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_is_taken_up_to_a_minute() {
        let failure = |line| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(line))]);
            Failure::Status { status: 503, retry_after: retry_after(&headers) }.retry_after().as_secs()
        };
        assert_eq!([failure("0"), failure("59"), failure("60"), failure("61"), failure("tomorrow")], [0, 59, 60, 60, 0]);
    }
}
