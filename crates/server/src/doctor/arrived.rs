//! What the other end says of a handshake: the refusals and the report of a Silverback server, and what has changed on the way.

use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{HeaderName, Request, Response};
use serde::Deserialize;
use serde_json::Value;
use silverback::wire::handshake::has_token;

use super::observed::{Arrival, Change};
use crate::arrival;

/// A refusal of a Silverback server (RFC 9457), or its words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Problem {
    pub(super) title: String,
    pub(super) cause: String,
    #[serde(default)]
    pub(super) detail: String,
    #[serde(default)]
    pub(super) cure: String,
}

/// Reads a refusal that is one of Silverback's, as JSON or in words.
pub(super) fn problem(body: &[u8]) -> Option<Problem> {
    let text = std::str::from_utf8(body).ok()?;
    if let Ok(problem) = serde_json::from_str::<Problem>(text) {
        return Some(problem.printable());
    }
    let (title, cause) = text.lines().next()?.strip_suffix(')')?.rsplit_once(" (")?;
    if !cause.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') || cause.is_empty() {
        return None;
    }
    let (_, rest) = text.split_once("\n\nWhat arrived: ")?;
    let (detail, cure) = rest.split_once("\n\nWhat to do: ").unwrap_or((rest, ""));
    Some(Problem { title: title.into(), cause: cause.into(), detail: detail.trim().into(), cure: cure.trim().into() }.printable())
}

impl Problem {
    /// What stands in an answer may be anybody's.
    fn printable(self) -> Self {
        let clean = |text: String| text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).take(2000).collect();
        Self { title: clean(self.title), cause: clean(self.cause), detail: clean(self.detail), cure: clean(self.cure) }
    }
}

/// Reads what a Silverback server tells of a request.
pub(super) fn read(sent: &Request<()>, response: &Response<Bytes>) -> Option<Arrival> {
    let told: Value = serde_json::from_slice(response.body()).ok()?;
    told["silverback"].as_str()?;
    let changes = changes(sent, &told);
    Some(Arrival::Told { told, changes, headers: response.headers().clone() })
}

fn changes(sent: &Request<()>, told: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for (what, value) in [("version", "HTTP/1.1"), ("method", "GET")] {
        let arrived = told[what].as_str().unwrap_or_default();
        if arrived != value {
            changes.push(Change { what: what.to_owned(), sent: value.to_owned(), arrived: Some(arrived.to_owned()) });
        }
    }
    let headers = sent.headers();
    for name in headers.keys().filter(|name| **name != arrival::HEADER) {
        let sent = headers.get_all(name).iter().map(|line| arrival::value(name, line)).collect::<Vec<_>>().join(", ");
        let arrived = lines(told, name);
        if !is_the_same(name, &sent, arrived.as_deref()) {
            changes.push(Change { what: title(name), sent, arrived });
        }
    }
    changes
}

fn lines(told: &Value, name: &HeaderName) -> Option<String> {
    let lines = told["headers"][name.as_str()].as_array()?;
    Some(lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
}

fn is_the_same(name: &HeaderName, sent: &str, arrived: Option<&str>) -> bool {
    let Some(arrived) = arrived else { return false };
    let is_list = *name == CONNECTION || *name == UPGRADE;
    if !is_list {
        return sent == arrived || *name == HOST && without_port(sent) == without_port(arrived);
    }
    // A hop may say more in it, and in other letters.
    let headers = http::HeaderMap::from_iter(http::HeaderValue::from_str(arrived).map(|value| (name.clone(), value)));
    has_token(&headers, name, sent)
}

/// The scheme's own port may be left out.
fn without_port(host: &str) -> &str {
    host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(host)
}

/// As people write it.
fn title(name: &HeaderName) -> String {
    let word = |word: &str| match word {
        "websocket" => "WebSocket".to_owned(),
        word => {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        }
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}

/// A place to go to, without what may be secret in it, and printable.
pub(super) fn without_query(location: &str) -> String {
    let bare = location.split(['?', '#']).next().unwrap_or_default();
    let bare: String = bare.chars().take(200).flat_map(char::escape_debug).collect();
    let Some((scheme, rest)) = bare.split_once("//") else { return bare };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}//{}{path}", authority.rsplit('@').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sent() -> Request<()> {
        Request::get("/ws")
            .header("host", "example.com")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("authorization", "Bearer secret")
            .body(())
            .unwrap()
    }

    #[test]
    fn what_was_dropped_or_changed_on_the_way_is_named() {
        let told = json!({ "version": "HTTP/1.0", "method": "GET", "headers": { "host": ["127.0.0.1:8080"], "connection": ["close"] } });
        let changes: Vec<_> = changes(&sent(), &told).into_iter().map(|change| (change.what, change.arrived)).collect();
        let arrived = |text: &str| Some(text.to_owned());
        assert_eq!(
            changes,
            [
                ("version".to_owned(), arrived("HTTP/1.0")),
                ("Host".to_owned(), arrived("127.0.0.1:8080")),
                ("Connection".to_owned(), arrived("close")),
                ("Upgrade".to_owned(), None),
                ("Authorization".to_owned(), None),
            ]
        );
    }

    #[test]
    fn what_a_hop_may_say_otherwise_is_no_change() {
        let told = json!({ "version": "HTTP/1.1", "method": "GET", "headers": {
            "host": ["example.com:80"], "connection": ["keep-alive, upgrade"], "upgrade": ["WebSocket"],
            "authorization": ["Bearer (present, 6 bytes)"], "x-forwarded-for": ["192.0.2.1"],
        } });
        assert_eq!(changes(&sent(), &told), []);
    }

    #[test]
    fn a_refusal_is_read_as_json_and_in_words() {
        let refusal =
            silverback::Refusal::new(http::StatusCode::FORBIDDEN, "origin-not-allowed", "pages of this origin may not connect here")
                .arrived("`Origin` x")
                .cure("allow it");
        let read = problem(refusal.problem().body().as_bytes()).unwrap();
        assert_eq!((read.cause.as_str(), read.detail.as_str(), read.cure.as_str()), ("origin-not-allowed", "`Origin` x", "allow it"));
        assert_eq!(problem(refusal.response(&http::HeaderMap::new()).body().as_bytes()), Some(read));
        assert_eq!(problem(b"<html>(really)"), None);
    }

    #[test]
    fn a_place_is_shown_without_what_may_be_secret() {
        assert_eq!(without_query("https://user:secret@example.com/login?next=/ws#a"), "https://example.com/login");
        assert_eq!(without_query("https://user:secret@example.com"), "https://example.com");
        assert_eq!(without_query("//user:secret@example.com/login"), "//example.com/login");
        assert_eq!(without_query("/login?token=secret"), "/login");
    }
}
