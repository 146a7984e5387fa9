//! `silverback.session.connect`: may this client come, and as whom?

use http::header::{
    CONNECTION, COOKIE, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use silverback::Refusal;
use silverback_hub::Attributes;

use super::backend::{Answer, Failure};
use super::event::Event;
use super::settings::WhenDown;
use super::{Hooks, meter};
use crate::auth::{NotAUser, Verified, check_name, written};
use crate::listening::Remote;

/// The largest answer to a handshake that is read, in bytes.
pub(super) const LARGEST_ANSWER: usize = 64 * 1024;

/// Headers that are between the client and this server.
const OURS: [HeaderName; 6] =
    [CONNECTION, UPGRADE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_ACCEPT];

/// What is known of a handshake, for the back end's judgement.
#[derive(Debug, Serialize)]
pub(crate) struct Asking {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    headers: Map<String, Value>,
}

#[derive(Serialize)]
struct Question<'a> {
    /// As the token says; null without one.
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    remote: String,
    request: &'a Asking,
}

/// What the back end makes of somebody. What it does not say stays as the token has it.
#[derive(Debug, Default, Deserialize)]
struct Said {
    user: Option<String>,
    device: Option<String>,
    attributes: Option<Map<String, Value>>,
}

impl Asking {
    pub(crate) fn new<B>(request: &http::Request<B>) -> Self {
        let mut headers = Map::new();
        for name in request.headers().keys().filter(|name| !OURS.contains(name)) {
            let lines = request.headers().get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
            let between = if name == COOKIE { "; " } else { ", " };
            headers.insert(name.as_str().to_owned(), lines.collect::<Vec<_>>().join(between).into());
        }
        Self { path: request.uri().path().to_owned(), query: request.uri().query().map(str::to_owned), headers }
    }
}

impl Hooks {
    /// Asks whether somebody may come: who by the token, if there was one, and then by the back end. Nobody has said who where both are silent.
    ///
    /// Waits no longer than `hooks.connect_timeout`.
    pub(crate) async fn judge(&self, by_token: Option<Verified>, asking: &Asking, remote: Remote) -> Result<Option<Verified>, Refusal> {
        let token = by_token.as_ref();
        let question = Question {
            user: token.map(|token| &*token.user),
            device: token.and_then(|token| token.device.as_deref()),
            attributes: token.and_then(|token| token.attributes.object()),
            token_from: token.map(|token| token.source),
            expires_at: token.and_then(|token| token.expires_at).map(written),
            remote: remote.to_string(),
            request: asking,
        };
        let event = Event::connect(serde_json::to_vec(&question).unwrap_or_default());
        match self.courier.ask(&event, self.settings.connect_timeout).await {
            Ok(answer) if answer.is_good() => {
                let admitted = admitted(by_token, &answer);
                meter::handshake(if admitted.is_ok() { "allowed" } else { "nonsense" });
                admitted.map_err(|problem| {
                    self.log.nonsense.warn(|more| tracing::error!(problem, more, "the back end's answer to a handshake makes no sense"));
                    nonsense()
                })
            }
            Ok(answer) => {
                meter::handshake("refused");
                Err(refused(&answer))
            }
            Err(_) if by_token.is_some() && self.settings.when_down == WhenDown::Allow => {
                meter::handshake("down_allowed");
                Ok(by_token)
            }
            Err(failure) => {
                meter::handshake("down_refused");
                Err(down(&failure))
            }
        }
    }
}

/// Whoever the token and the back end together make of somebody.
fn admitted(by_token: Option<Verified>, answer: &Answer) -> Result<Option<Verified>, String> {
    let body = answer.body.as_ref().filter(|body| body.len() <= LARGEST_ANSWER).ok_or("it is larger than 64 KiB")?;
    let said: Said = match body.trim_ascii() {
        b"" => Said::default(),
        json => serde_json::from_slice(json).map_err(|error| format!("it is not JSON with `user`, `device` and `attributes`: {error}"))?,
    };
    let attributes = said.attributes.map(Attributes::new).transpose().map_err(|error| error.to_string())?;
    for name in said.user.iter().chain(&said.device) {
        check_name(name).map_err(|NotAUser| NotAUser.to_string())?;
    }
    let verified = match (by_token, said.user) {
        (None, None) => return Ok(None),
        (Some(verified), None) => verified,
        (Some(verified), Some(user)) => Verified { user, ..verified },
        (None, Some(user)) => Verified { user, device: None, attributes: Attributes::default(), expires_at: None, source: "hook" },
    };
    Ok(Some(Verified { device: said.device.or(verified.device), attributes: attributes.unwrap_or(verified.attributes), ..verified }))
}

/// The back end will not have somebody, with its status and its reason.
fn refused(answer: &Answer) -> Refusal {
    let reason = answer.reason().unwrap_or_else(|| "the back end does not let this client in".to_owned());
    let mut refusal = Refusal::new(answer.status, "refused-by-back-end", reason)
        .arrived(format!("a good handshake, which the back end answered with {}", answer.status.as_u16()))
        .cure("what is wrong is for the application behind this server to say: ask whoever runs it");
    for name in [RETRY_AFTER, WWW_AUTHENTICATE] {
        if let Some(value) = answer.headers.get(&name) {
            refusal = refusal.header(name, value.clone());
        }
    }
    if answer.status == StatusCode::UNAUTHORIZED && !answer.headers.contains_key(WWW_AUTHENTICATE) {
        refusal = refusal.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"silverback\""));
    }
    refusal
}

fn down(failure: &Failure) -> Refusal {
    let seconds = failure.retry_after().as_secs().max(5);
    unavailable("back-end-down", "the back end cannot be asked at the moment whether you may come")
        .arrived(format!("a good handshake, while {failure}"))
        .cure("connect again in a few seconds")
        .header(RETRY_AFTER, HeaderValue::from(seconds))
}

fn nonsense() -> Refusal {
    unavailable("back-end-nonsense", "what the back end says of you makes no sense")
        .arrived("a good handshake, and an answer of the back end that is described in this server's log")
        .cure("ask whoever runs the application behind this server")
        .header(RETRY_AFTER, HeaderValue::from_static("30"))
}

/// There is no room to keep what would have to be told of another session.
pub(super) fn spool_full() -> Refusal {
    unavailable("spool-full", "the back end is so far behind that no more sessions are taken")
        .arrived("a good handshake, while hooks.spool.limit is reached")
        .cure("connect again later; whoever runs this server: let the back end answer, or raise hooks.spool.limit")
        .header(RETRY_AFTER, HeaderValue::from_static("30"))
}

fn unavailable(cause: &'static str, title: &'static str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, title)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Some(Bytes::copy_from_slice(body.as_bytes())) }
    }

    fn by_token() -> Verified {
        let attributes = Attributes::new(json!({ "plan": "free" }).as_object().unwrap().clone()).unwrap();
        Verified { user: "alice".to_owned(), device: Some("phone".to_owned()), attributes, expires_at: None, source: "cookie" }
    }

    #[test]
    fn what_the_back_end_does_not_say_stays_as_the_token_has_it() {
        for silent in ["", " ", "{}"] {
            assert_eq!(admitted(Some(by_token()), &answer(200, silent)), Ok(Some(by_token())), "{silent:?}");
        }
        let changed = admitted(Some(by_token()), &answer(200, r#"{"user":"bob","attributes":{"plan":"paid"}}"#)).unwrap().unwrap();
        assert_eq!((&*changed.user, changed.device.as_deref(), changed.source), ("bob", Some("phone"), "cookie"));
        assert_eq!(changed.attributes.value("plan"), Some(&json!("paid")));
    }

    #[test]
    fn without_a_token_the_back_end_says_who_it_is_or_nobody_does() {
        assert_eq!(admitted(None, &answer(204, "")), Ok(None));
        let named = admitted(None, &answer(200, r#"{"user":"bob","device":"tablet"}"#)).unwrap().unwrap();
        assert_eq!((&*named.user, named.device.as_deref(), named.source), ("bob", Some("tablet"), "hook"));
    }

    #[test]
    fn an_answer_that_makes_no_sense_admits_nobody() {
        let large = format!("{{\"user\":\"a\"}}{}", " ".repeat(LARGEST_ANSWER));
        let attributes = format!("{{\"attributes\":{{\"a\":\"{}\"}}}}", "x".repeat(Attributes::LIMIT));
        for nonsense in ["[]", "{", "{\"user\":\"\"}", "{\"user\":7}", "{\"device\":\"a\\u0000\"}", &attributes, &large] {
            assert!(admitted(Some(by_token()), &answer(200, nonsense)).is_err(), "{:.40}", nonsense);
        }
        assert!(admitted(None, &Answer { body: None, ..answer(200, "") }).is_err());
    }

    #[test]
    fn a_refusal_has_the_back_ends_status_and_reason() {
        let refusal = refused(&answer(403, r#"{"reason":"the room is full"}"#));
        let problem: Value = serde_json::from_str(refusal.problem().body()).unwrap();
        assert_eq!((&problem["status"], &problem["cause"]), (&json!(403), &json!("refused-by-back-end")));
        assert_eq!(problem["title"], "the room is full");
        assert!(refused(&answer(401, "")).problem().headers().contains_key(WWW_AUTHENTICATE));
        let mut busy = answer(429, "");
        busy.headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(refused(&busy).problem().headers()[RETRY_AFTER], "7");
    }

    #[test]
    fn the_back_end_is_shown_the_request_but_not_what_is_between_the_client_and_us() {
        let request = http::Request::builder()
            .uri("/ws?room=7")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "x")
            .body(())
            .unwrap();
        let shown = serde_json::to_value(Asking::new(&request)).unwrap();
        assert_eq!(shown, json!({ "path": "/ws", "query": "room=7", "headers": { "cookie": "a=1; b=2" } }));
    }
}
