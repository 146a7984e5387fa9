//! What went wrong, in few words: so few that they can be counted. None has a secret in it, or anything of the address but its host.

use std::io::{self, ErrorKind};

use bytes::Bytes;
use http::Response;
use serde_json::Value;
use silverback::dialer::Stage;
use silverback::{Cause, CloseReport, DialError, TransportEnd};

use super::tally::Disconnect;

/// The longest that a server's own words may be.
const LONGEST: usize = 80;

/// Why there is no connection.
pub(super) fn of_dial(error: &DialError) -> String {
    match error {
        DialError::Refused { response } => refused(response),
        DialError::Connect { source, .. } => match source.iter().next() {
            Some((_, error)) => of_io(error),
            None => "could not be connected to".into(),
        },
        DialError::Timeout { stage: Stage::Handshake, after } => format!("no answer to the handshake within {after:?}"),
        DialError::Timeout { stage, after } => format!("{stage} took longer than {after:?}"),
        DialError::Io(error) => format!("{} during the handshake", of_io(error)),
        DialError::Ended => "ended by the server without an answer to the handshake".into(),
        other => shortened(&other.to_string()),
    }
}

/// How a connection ended that this end did not close.
pub(super) fn of_end(report: &CloseReport) -> Disconnect {
    let peers = report.received.as_ref();
    let code = match peers {
        Some(frame) => frame.code.map_or(1005, |code| code.get()),
        None => 1006,
    };
    let cause = match (&report.cause, peers) {
        (Cause::ClosedByPeer, Some(frame)) if !frame.reason().is_empty() => {
            format!("closed by the server with {code} \"{}\"", shortened(frame.reason()))
        }
        (Cause::ClosedByPeer, _) if code == 1005 => "closed by the server without a code".into(),
        (Cause::ClosedByPeer, _) => format!("closed by the server with {code}"),
        (Cause::TransportLost, _) => match report.transport {
            TransportEnd::Failed(kind) => format!("lost without a Close: {}", of_kind(kind)),
            _ => "lost without a Close: the server ended TCP".into(),
        },
        (Cause::PeerSilent(_), _) => "the server was silent, and answered no ping".into(),
        (Cause::WriteStalled(_), _) => "the server took no byte any more".into(),
        (cause, _) => shortened(&cause.to_string()),
    };
    Disconnect { code, cause }
}

/// What a server's answer says, if it says so in a way that programs can read.
pub(super) fn problem(body: &[u8]) -> Option<String> {
    let problem: Value = serde_json::from_slice(body).ok()?;
    let words = ["cause", "title"].into_iter().find_map(|member| problem[member].as_str().filter(|text| !text.is_empty()))?;
    Some(shortened(words))
}

pub(super) fn of_io(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(_) if text.starts_with("Too many open files") => "no descriptor left for another connection (ulimit -n)".into(),
        Some(_) if error.kind() == ErrorKind::AddrNotAvailable => "no local port left for another connection (docs/bench.md)".into(),
        _ => of_kind(error.kind()),
    }
}

fn of_kind(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::ConnectionRefused => "connection refused: nothing listens there".into(),
        ErrorKind::ConnectionReset => "connection reset".into(),
        ErrorKind::TimedOut => "TCP timed out".into(),
        kind => kind.to_string(),
    }
}

fn refused(response: &Response<Bytes>) -> String {
    match problem(response.body()) {
        Some(words) => format!("refused with {}: {words}", response.status().as_u16()),
        None => format!("refused with {}", response.status()),
    }
}

/// Without what a terminal would obey.
fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST).collect();
    shown.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &'static str) -> String {
        let response = Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap();
        of_dial(&DialError::Refused { response: Box::new(response) })
    }

    #[test]
    fn a_refusal_is_told_by_its_status_and_its_cause() {
        assert_eq!(refusal(401, r#"{"title":"no token came","cause":"token-missing"}"#), "refused with 401: token-missing");
        assert_eq!(refusal(503, r#"{"title":"busy"}"#), "refused with 503: busy");
        assert_eq!(refusal(404, "<html>/ws?token=secret"), "refused with 404 Not Found");
        assert_eq!(refusal(403, "{\"title\":\"\\u001b[31m\"}"), "refused with 403: \\u{1b}[31m");
    }

    #[test]
    fn errors_of_the_system_are_told_with_their_cure() {
        assert!(of_io(&io::Error::from_raw_os_error(24)).contains("ulimit -n"));
        assert!(of_io(&io::Error::from_raw_os_error(99)).contains("no local port"));
        assert_eq!(of_io(&ErrorKind::ConnectionReset.into()), "connection reset");
    }
}
