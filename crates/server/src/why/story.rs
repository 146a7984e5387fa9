//! The life of a session, told for a person at a terminal of 80 columns. What comes from clients is escaped: it moves no cursor.

use std::fmt::Write as _;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::Value;

const WIDTH: usize = 80;

/// The stories of a user: those of the sessions that there are, then those that ended, the last first.
pub(super) fn of_user(user: &str, live: &[Value], ended: &[Value], has_more: bool) -> String {
    let user = shown(user);
    let mut told = match (live.len(), ended.len()) {
        (0, 0) => format!(
            "{user} is not connected, and this server remembers no session that ended.\nIt remembers the last 10,000 since it was started.\n"
        ),
        (0, _) => format!("{user} is not connected. The last to end comes first.\n"),
        (count, _) => format!("{user} is connected, with {}.\n", counted(count as u64, "session")),
    };
    for life in live.iter().chain(ended) {
        told.push('\n');
        told += &of_session(life);
    }
    if has_more {
        told += "\nThere are more: ask with a larger --last.\n";
    }
    told
}

/// The story of a session.
pub(super) fn of_session(life: &Value) -> String {
    let mut told = String::new();
    let state = if life["report"].is_null() { "it is connected" } else { "it has ended" };
    line(&mut told, "", &format!("Session {} of {}: {state}.", text(&life["id"]), text(&life["user"])));
    line(&mut told, &time(&life["connected_at"]), &beginning(life));
    if life["forgotten"].as_u64().is_some_and(|count| count > 0) {
        line(&mut told, "…", &format!("{} are forgotten", counted(number(&life["forgotten"]), "earlier moment")));
    }
    for moment in life["moments"].as_array().into_iter().flatten() {
        line(&mut told, &format!("+{}", duration(number(&moment["after_ms"]))), &happened(life, moment));
    }
    let report = &life["report"];
    if !report.is_null() {
        line(&mut told, &time(&life["ended_at"]), &ending(report));
        line(&mut told, "", &closes(report));
        line(&mut told, "", &traffic(report));
    }
    let queue = &life["queue"];
    if number(&queue["dropped"]) > 0 {
        let dropped = counted(number(&queue["dropped"]), "message");
        line(
            &mut told,
            "",
            &format!("the client was too slow for {dropped}, dropped; {} waited at most", ByteSize::b(number(&queue["peak_bytes"]))),
        );
    }
    told
}

fn beginning(life: &Value) -> String {
    let mut told = format!("connected from {}", if life["remote"].is_null() { "somewhere".into() } else { text(&life["remote"]) });
    if !life["device"].is_null() {
        let _ = write!(told, ", device {}", text(&life["device"]));
    }
    match life["token_from"].as_str() {
        Some("anonymous") => told += ", without a token",
        Some(source) if !source.is_empty() => {
            let _ = write!(told, ", with a token from the {}", shown(source));
        }
        _ => {}
    }
    if !life["expires_at"].is_null() {
        let _ = write!(told, ", good until {}", time(&life["expires_at"]));
    }
    if !life["handshake"].is_null() {
        let _ = write!(told, " ({})", text(&life["handshake"]));
    }
    told
}

fn happened(life: &Value, moment: &Value) -> String {
    match moment["what"].as_str() {
        Some("asked-to-close") => {
            let who = match life["asked"].as_str() {
                Some("newer-session") => format!("a newer session, {}, took its place", text(&life["displaced_by"])),
                Some("drain") => "this server was drained".to_owned(),
                _ => "the application asked to close it".to_owned(),
            };
            format!("{who}: {}", close(&moment["close"]))
        }
        Some("first-drop") => "its queue was full, and a message was dropped for the first time".to_owned(),
        _ => format!("noted: {}", text(&moment["note"])),
    }
}

fn ending(report: &Value) -> String {
    let who = if report["began"] == "peer" { "the client, or its network" } else { "this server" };
    format!("ended by {who}, after {}: {}", duration(number(&report["lived_ms"])), text(&report["cause"]))
}

fn closes(report: &Value) -> String {
    let said = |frame: &Value| if frame.is_null() { "no close".to_owned() } else { close(frame) };
    format!("this server sent {}, the client sent {}; TCP {}", said(&report["sent"]), said(&report["received"]), text(&report["transport"]))
}

fn traffic(report: &Value) -> String {
    let came = counted(number(&report["messages_in"]), "message");
    let unsent = match number(&report["unsent"]) {
        0 => "none left unsent".to_owned(),
        count => format!("{} left unsent", counted(count, "message")),
    };
    let mut told = format!("{came} came, {} went out, {unsent}", number(&report["messages_out"]));
    for (count, what) in [("pings_unanswered", "ping was not answered"), ("pauses", "pause in the reading")] {
        match number(&report[count]) {
            0 => {}
            1 => told.push_str(&format!(", 1 {what}")),
            count => told.push_str(&format!(", {count} {}", what.replace("ping was", "pings were").replace("pause", "pauses"))),
        }
    }
    told
}

fn close(frame: &Value) -> String {
    match frame["reason"].as_str() {
        None | Some("") => number(&frame["code"]).to_string(),
        Some(reason) => format!("{} \"{}\"", number(&frame["code"]), shown(reason)),
    }
}

/// A line of the story with what stands in front of it, broken where it would be too long.
fn line(told: &mut String, front: &str, text: &str) {
    const INDENT: usize = 27; // a moment, and what parts it from the rest
    let (mut column, mut is_first) = (0, true);
    if !told.is_empty() {
        let _ = write!(told, "  {front:<width$}", width = INDENT - 2);
        column = INDENT;
    }
    for word in text.split(' ') {
        let width = word.chars().count();
        if !is_first && column + 1 + width > WIDTH {
            let _ = write!(told, "\n{:INDENT$}", "");
            (column, is_first) = (INDENT, true);
        }
        if !is_first {
            told.push(' ');
            column += 1;
        }
        told.push_str(word);
        (column, is_first) = (column + width, false);
    }
    told.push('\n');
}

fn text(value: &Value) -> String {
    shown(value.as_str().unwrap_or("?"))
}

/// Without what a terminal would obey, and without what turns a line around.
fn shown(text: &str) -> String {
    text.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// `2026-11-25T15:13:11.123Z` as people write it.
fn time(value: &Value) -> String {
    let text = text(value);
    match text.split_once('T') {
        Some((day, clock)) => format!("{day} {} UTC", clock.trim_end_matches('Z').split('.').next().unwrap_or(clock)),
        None => text,
    }
}

fn duration(milliseconds: u64) -> String {
    let unit = if milliseconds < 1000 { 1 } else { 1000 };
    humantime::format_duration(Duration::from_millis(milliseconds / unit * unit)).to_string()
}

fn counted(count: u64, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn life() -> Value {
        json!({
            "id": "0198c0de-7b1c-7cc3-98c4-dc0c0c07398f", "user": "alice", "device": "phone", "remote": "127.0.0.1:50000",
            "connected_at": "2026-11-25T15:13:11.123Z", "token_from": "cookie", "forgotten": 0, "asked": "application",
            "moments": [
                { "after_ms": 61_500, "what": "first-drop" },
                { "after_ms": 61_900, "what": "note", "note": "\u{1b}[31m\u{202e}red" },
                { "after_ms": 62_000, "what": "asked-to-close", "close": { "code": 4000, "reason": "it's \"late\"" } },
            ],
            "queue": { "bytes": 0, "messages": 0, "peak_bytes": 1_048_576, "dropped": 3 },
            "ended_at": "2026-11-25T15:14:13.456Z",
            "report": {
                "began": "local", "cause": "it's late", "sent": { "code": 4000, "reason": "it's \"late\"" }, "received": null,
                "transport": "timed out", "lived_ms": 62_333, "messages_in": 1, "messages_out": 2, "unsent": 4,
            },
        })
    }

    #[test]
    fn a_life_is_told_in_lines_that_fit_a_terminal() {
        let told = r#"
Session 0198c0de-7b1c-7cc3-98c4-dc0c0c07398f of alice: it has ended.
  2026-11-25 15:13:11 UTC  connected from 127.0.0.1:50000, device phone, with a
                           token from the cookie
  +1m 1s                   its queue was full, and a message was dropped for the
                           first time
  +1m 1s                   noted: \u{1b}[31m\u{202e}red
  +1m 2s                   the application asked to close it: 4000 "it's "late""
  2026-11-25 15:14:13 UTC  ended by this server, after 1m 2s: it's late
                           this server sent 4000 "it's "late"", the client sent
                           no close; TCP timed out
                           1 message came, 2 went out, 4 messages left unsent
                           the client was too slow for 3 messages, dropped; 1.0
                           MiB waited at most
"#;
        assert_eq!(of_session(&life()), told.trim_start());
    }

    #[test]
    fn what_a_client_said_moves_no_cursor() {
        let told = of_session(&life());
        assert!(told.contains("\\u{1b}[31m") && !told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told}");
    }

    #[test]
    fn a_user_of_whom_nothing_is_known_is_told_so() {
        assert!(of_user("bob", &[], &[], false).starts_with("bob is not connected, and this server remembers no session"));
        assert!(of_user("bob", &[], &[life()], true).ends_with("--last.\n"));
    }
}
