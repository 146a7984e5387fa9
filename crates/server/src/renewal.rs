//! What a client and this server say to each other about the session's token: a few small messages of JSON, described in
//! docs/authentication.md. They are between the two; nobody else sees them.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::json;
use silverback::Message;

use crate::auth::{TokenError, written};

/// The type of a client's message with a fresh token.
const FRESH: &str = "silverback.token";
const QUOTED: &str = "\"silverback.token\"";

/// What a client asks of us.
#[derive(PartialEq, Eq)]
pub(crate) enum Asked {
    /// To go on with this token.
    Renewal(String),
    /// Something about a token that cannot be read.
    Unreadable,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Fresh {
    token: String,
}

/// What a message asks of us; `None` for a message that is not for us, which nearly all are: those are looked at, not parsed.
pub(crate) fn asked(message: &Message) -> Option<Asked> {
    // The first look is at bytes: what is read as text is checked as UTF-8 once more.
    if !message.payload().trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let text = message.as_text().filter(|text| text.contains(QUOTED))?;
    match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) if envelope.r#type != FRESH => None,
        // What is meant for us may have a token in it, so that it is nobody else's even when it is broken.
        Err(error) if error.is_data() => None,
        Err(_) => Some(Asked::Unreadable),
        Ok(_) => Some(serde_json::from_str::<Fresh>(text).map_or(Asked::Unreadable, |fresh| Asked::Renewal(fresh.token))),
    }
}

/// The token is good, and the session lasts until then.
pub(crate) fn accepted(expires_at: Option<SystemTime>) -> Message {
    Message::text(json!({ "type": "silverback.token.accepted", "expires_at": expires_at.map(written) }).to_string())
}

/// The token is not good; the session goes on as before.
pub(crate) fn refused(error: &TokenError) -> Message {
    let (cause, cure) = (error.cause(), error.cure());
    Message::text(json!({ "type": "silverback.token.refused", "cause": cause, "detail": error.to_string(), "cure": cure }).to_string())
}

/// The session ends soon.
pub(crate) fn expiring(expires_at: SystemTime, left: Duration) -> Message {
    let seconds = left.as_secs_f64().round() as u64;
    Message::text(json!({ "type": "silverback.token.expiring", "expires_at": written(expires_at), "seconds": seconds }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        match asked(&Message::text(text.to_owned())) {
            None => None,
            Some(Asked::Renewal(token)) if token == "a.b.c" => Some("renewal"),
            Some(Asked::Renewal(_)) => Some("another token"),
            Some(Asked::Unreadable) => Some("unreadable"),
        }
    }

    #[test]
    fn a_fresh_token_is_noticed_however_it_is_written() {
        for text in [
            r#"{"type":"silverback.token","token":"a.b.c"}"#,
            r#"{"token":"a.b.c","type":"silverback.token"}"#,
            " \n{ \"type\" : \"silverback.token\" ,\n \"token\" : \"a.b.c\", \"more\": [1] }\n",
            r#"{"type":"silverback.token","token":"\u0061.b.c"}"#,
        ] {
            assert_eq!(of(text), Some("renewal"), "{text}");
        }
    }

    #[test]
    fn what_is_broken_and_may_hold_a_token_is_still_for_us() {
        for text in [
            r#"{"type":"silverback.token"}"#,
            r#"{"type":"silverback.token","token":7}"#,
            r#"{"type":"silverback.token","token":"a.b.c"#,
            r#"{"type":"silverback.token","token":"a.b.c",}"#,
            r#"{'token':'a.b.c', "type":"silverback.token"}"#,
        ] {
            assert_eq!(of(text), Some("unreadable"), "{text}");
        }
    }

    #[test]
    fn other_messages_are_not_for_us() {
        for text in [
            "",
            "hello",
            "{",
            r#"{"type":"chat","text":"send \"silverback.token\" to renew"}"#,
            r#"{"type":"chat","about":"silverback.token"}"#,
            r#"{"type":"silverback.token.accepted"}"#,
            r#"{"type":["silverback.token"]}"#,
            r#"["silverback.token"]"#,
            r#""silverback.token""#,
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert!(asked(&Message::binary(br#"{"type":"silverback.token","token":"a.b.c"}"#.to_vec())).is_none());
    }
}
