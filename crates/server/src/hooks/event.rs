//! What the back end is told: an event after CloudEvents 1.0, in the binary mode of its HTTP binding: the attributes are headers, the body is
//! the data.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use serde::{Deserialize, Serialize};
use silverback::Message;
use silverback_hub::SessionInfo;

use crate::json::timestamp;

pub(super) const JSON: &str = "application/json";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Somebody asks to be let in.
    Connect,
    /// A session began.
    Connected,
    /// A client sent a message.
    Message,
    /// A session ended.
    Ended,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Connect, Self::Connected, Self::Message, Self::Ended];

    /// In the configuration and the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connected => "connected",
            Self::Message => "message",
            Self::Ended => "ended",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn event_type(self) -> &'static str {
        match self {
            Self::Connect => "silverback.session.connect",
            Self::Connected => "silverback.session.connected",
            Self::Message => "silverback.message",
            Self::Ended => "silverback.session.ended",
        }
    }
}

/// Something to tell. However often it is sent, it is the same: the back end knows it again by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) at: SystemTime,
    /// Of whom; `None` for a handshake, which is nobody's session yet.
    pub(super) of: Option<Whose>,
    /// The how manieth message of its session.
    pub(super) number: Option<u64>,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) session: String,
    pub(super) user: String,
    pub(super) device: Option<String>,
}

impl Whose {
    pub(super) fn new(info: &SessionInfo) -> Self {
        let identity = &info.identity;
        Self { session: info.id.to_string(), user: identity.user.to_string(), device: identity.device.as_ref().map(ToString::to_string) }
    }
}

impl Event {
    /// A handshake's. Nothing else has its id.
    pub(super) fn connect(body: Vec<u8>) -> Self {
        let id = format!("{}_connect", uuid::Uuid::now_v7());
        Self { kind: Kind::Connect, id, at: SystemTime::now(), of: None, number: None, content_type: JSON, body: body.into() }
    }

    /// The begin or the end of a session.
    pub(super) fn of_life(kind: Kind, of: Whose, at: SystemTime, body: Vec<u8>) -> Self {
        let id = format!("{}_{}", of.session, kind.name());
        Self { kind, id, at, of: Some(of), number: None, content_type: JSON, body: body.into() }
    }

    pub(super) fn message(info: &SessionInfo, number: u64, message: &Message) -> Self {
        let content_type = if message.as_text().is_some() { "text/plain; charset=utf-8" } else { "application/octet-stream" };
        let of = Whose::new(info);
        let (id, body) = (format!("{}_{number}", of.session), message.payload().clone());
        Self { kind: Kind::Message, id, at: SystemTime::now(), of: Some(of), number: Some(number), content_type, body }
    }

    /// The attributes, which all begin with `ce-`, and the type of the data.
    pub(super) fn headers(&self, source: &str) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        let mut add = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(&encoded(value)) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        add("ce-specversion", "1.0");
        add("ce-type", self.kind.event_type());
        add("ce-source", source);
        add("ce-id", &self.id);
        add("ce-time", &timestamp(self.at));
        if let Some(of) = &self.of {
            add("ce-session", &of.session);
            add("ce-user", &of.user);
            if let Some(device) = &of.device {
                add("ce-device", device);
            }
        }
        if let Some(number) = self.number {
            add("ce-number", &number.to_string());
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers
    }

    /// As it is kept in a file: a line of JSON with what the headers are made of, and then the body.
    pub(super) fn stored(&self) -> Vec<u8> {
        let of = self.of.as_ref();
        let head = Head {
            kind: self.kind,
            at_ms: self.at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            session: of.map(|of| of.session.clone()).unwrap_or_default(),
            user: of.map(|of| of.user.clone()).unwrap_or_default(),
            device: of.and_then(|of| of.device.clone()),
        };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// From what was kept; `None` where that is not what [`stored`](Self::stored) makes.
    pub(super) fn restored(bytes: &[u8]) -> Option<Self> {
        let line = bytes.iter().position(|byte| *byte == b'\n')?;
        let Head { kind, at_ms, session, user, device } = serde_json::from_slice(bytes.get(..line)?).ok()?;
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(at_ms))?;
        Some(Self::of_life(kind, Whose { session, user, device }, at, bytes.get(line + 1..)?.to_vec()))
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    kind: Kind,
    at_ms: u64,
    session: String,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    device: Option<String>,
}

/// As the HTTP binding wants it (3.1.3.2): a space, `"`, `%`, and what is no printable ASCII, percent-encoded as UTF-8.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'!' | b'#' | b'$' | b'&'..=b'~' => text.push(byte.into()),
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose() -> Whose {
        Whose { session: "s-1".to_owned(), user: "Ö % \"x".to_owned(), device: Some("phone".to_owned()) }
    }

    #[test]
    fn attributes_are_headers_and_what_no_header_can_carry_is_percent_encoded() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let event = Event::of_life(Kind::Connected, whose(), at, b"{}".to_vec());
        let headers = event.headers("silverback");
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-type", "silverback.session.connected"),
            ("ce-source", "silverback"),
            ("ce-id", "s-1_connected"),
            ("ce-time", "2023-11-14T22:13:20.123Z"),
            ("ce-session", "s-1"),
            ("ce-user", "%C3%96%20%25%20%22x"),
            ("ce-device", "phone"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(headers.get(name).unwrap(), value, "{name}");
        }
        assert_eq!(headers.len(), 9);
    }

    #[test]
    fn what_is_stored_is_the_same_when_it_is_restored() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        for device in [None, Some("a\nb".to_owned())] {
            let event = Event::of_life(Kind::Ended, Whose { device, ..whose() }, at, b"{\n}\n".to_vec());
            assert_eq!(Event::restored(&event.stored()), Some(event));
        }
        for garbage in [&b""[..], b"\n", b"{}\n{}", b"{\"kind\":\"ended\"}"] {
            assert_eq!(Event::restored(garbage), None);
        }
    }
}
