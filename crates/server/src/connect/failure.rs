//! Why there is no connection any more, in words.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use silverback::{Cause, CloseReport, DialError, Side, TransportEnd};

use super::ink::escaped;
use super::view::{in_words, short};

/// What the command fails with. It may say what a server said, so nothing in it drives a terminal.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// There was no connection.
    #[error("{}", no_connection(.0))]
    Dial(Box<DialError>),
    /// There was one, and it did not end well.
    #[error("{}", ended(.0))]
    Ended(Arc<CloseReport>),
    /// What was to be sent cannot be read.
    #[error("{0}")]
    Input(String),
    /// The person would not wait for a connection.
    #[error("given up while there was no connection")]
    GivenUp,
    /// The person would not wait for the end of one.
    #[error("stopped at once, without waiting for the server's Close")]
    Stopped,
}

/// How it ended, for a person who wanted it to.
pub(super) fn farewell(report: &CloseReport) -> String {
    ended(report)
}

fn no_connection(error: &DialError) -> String {
    match error {
        DialError::Refused { response } => refused(response).unwrap_or_else(|| escaped(&error.to_string())),
        error => escaped(&error.to_string()),
    }
}

/// A refusal as RFC 9457 has it, with the cause and the cure of ours.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
    cause: Option<String>,
    cure: Option<String>,
}

fn refused(response: &Response<Bytes>) -> Option<String> {
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    if !kind.starts_with("application/problem+json") && !kind.starts_with("application/json") {
        return None;
    }
    let problem: Problem = serde_json::from_slice(response.body()).ok()?;
    let mut text = format!("the server refused with {}", response.status());
    text.push_str(&problem.title.as_ref().map(|title| format!(": {}", escaped(title)))?);
    for (name, value) in [("arrived", &problem.detail), ("cause", &problem.cause), ("cure", &problem.cure)] {
        if let Some(value) = value {
            let _ = write!(text, "\n  {name:<8} {}", escaped(value).replace('\n', "\n           "));
        }
    }
    if let Some(after) = super::retry::retry_after(response) {
        let _ = write!(text, "\n  {:<8} in {}", "again", short(after));
    }
    Some(text)
}

fn ended(report: &CloseReport) -> String {
    let mut text = match (&report.cause, &report.received) {
        (Cause::ClosedByPeer, Some(frame)) => {
            let code = frame.code.map_or_else(String::new, |code| format!(" {code}"));
            let reason = if frame.reason().is_empty() { String::new() } else { format!(" {:?}", Shown(frame.reason())) };
            format!("closed by the server with{}{reason}: {}", if code.is_empty() { " a Close" } else { &code }, in_words(frame.code))
        }
        (Cause::TransportLost, _) => match report.transport {
            TransportEnd::Failed(error) => {
                format!("the connection was lost without a Close ({error}): the server, or something on the way, has dropped it")
            }
            _ => "the connection was ended without a Close: the server has gone, or something on the way has ended it".to_owned(),
        },
        (Cause::ClosedHere(_), _) => match (&report.sent, &report.received) {
            (Some(sent), Some(_)) => format!("closed here with {}", sent.code.map_or(1005, |code| code.get())),
            _ => "closed here, and the server did not answer the Close".to_owned(),
        },
        (cause, _) => escaped(&cause.to_string()),
    };
    let _ = write!(text, ", after {}; {} sent, {} received", short(report.lived), report.outgoing.messages, report.incoming.messages);
    if report.unsent.messages > 0 {
        let _ = write!(text, ", {} not sent", report.unsent.messages);
    }
    text
}

/// Whether a connection ended as it should have.
pub(super) fn is_good(report: &CloseReport) -> bool {
    let is_normal = report.received.as_ref().is_some_and(|frame| frame.code.is_none_or(|code| code.get() == 1000));
    match report.began {
        Side::Local => report.is_clean() && matches!(report.cause, Cause::ClosedHere(_)),
        Side::Peer => report.is_clean() && is_normal,
    }
}

/// A text in quotation marks, in which characters of other scripts stay as they are.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", escaped(self.0).replace('\n', "\\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: &str, body: &'static str) -> Response<Bytes> {
        Response::builder().status(401).header(CONTENT_TYPE, kind).header("retry-after", "7").body(Bytes::from(body)).unwrap()
    }

    #[test]
    fn a_problem_is_told_with_its_cure() {
        let body = r#"{"title":"no token","detail":"nothing\u001b[2J came","cause":"token-missing","cure":"send one"}"#;
        let text = refused(&answer("application/problem+json", body)).unwrap();
        assert_eq!(
            text,
            "the server refused with 401 Unauthorized: no token\n  arrived  nothing\\x1b[2J came\n  cause    token-missing\n  cure     send one\n  again    in 7.0s"
        );
    }

    #[test]
    fn what_is_no_problem_is_told_as_the_library_does() {
        let error = DialError::Refused { response: Box::new(answer("text/plain", "no\n")) };
        assert_eq!(no_connection(&error), error.to_string());
        assert_eq!(refused(&answer("application/json", "{\"error\":1}")), None);
    }
}
