//! When a connection that ended is made anew.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::RETRY_AFTER;
use serde::Deserialize;
use silverback::{Cause, CloseReport, DialError};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// A server that asks for less is not asked without a pause.
const SHORTEST_HINT: Duration = Duration::from_millis(100);

/// A server that asks for more is not given more.
const LONGEST_HINT: Duration = Duration::from_secs(600);

/// A connection that lasted this long was a good one: what comes after it begins anew.
const GOOD: Duration = Duration::from_secs(10);

/// How often it was tried in vain.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after this: the server's own hint, or twice as long each time up to 30 s; of that, between half and all, so that many
    /// clients do not come at once. `None` if trying again would not help.
    pub(super) fn after_refusal(&mut self, error: &DialError) -> Option<Duration> {
        let hint = match error {
            DialError::Refused { response } => {
                let hint = retry_after(response);
                let status = response.status();
                if hint.is_none() && !status.is_server_error() && !matches!(status.as_u16(), 408 | 425 | 429) {
                    return None;
                }
                hint
            }
            DialError::Address(_)
            | DialError::ProxyVariable { .. }
            | DialError::Redirect(_)
            | DialError::SpeaksTls
            | DialError::Answer(_) => {
                return None;
            }
            _ => None,
        };
        Some(self.pause(hint))
    }

    /// The same after a connection.
    pub(super) fn after_end(&mut self, report: &CloseReport) -> Option<Duration> {
        let reason = report.received.as_ref().map_or("", |frame| frame.reason());
        let hint = retry_hint(reason);
        let code = report.received.as_ref().and_then(|frame| frame.code).map(|code| code.get());
        let is_worth_it = match (&report.cause, code) {
            (Cause::Protocol(_) | Cause::ClosedHere(_), _) => false,
            (Cause::ClosedByPeer, code) => hint.is_some() || matches!(code, None | Some(1001 | 1011..=1014 | 3008)),
            _ => true,
        };
        if report.lived >= GOOD {
            self.failures = 0;
        }
        is_worth_it.then(|| self.pause(hint))
    }

    fn pause(&mut self, hint: Option<Duration>) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        hint.map_or_else(|| whole.mul_f64(rand::random_range(0.5..=1.0)), |hint| hint.clamp(SHORTEST_HINT, LONGEST_HINT))
    }
}

/// What a Silverback server that drains says in its Close: `{"reason":"restarting","retry_ms":4210}`.
fn retry_hint(reason: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Hint {
        retry_ms: u64,
    }
    serde_json::from_str::<Hint>(reason).ok().map(|hint| Duration::from_millis(hint.retry_ms))
}

/// `Retry-After` in seconds; as a date it is not heeded.
pub(super) fn retry_after(response: &Response<Bytes>) -> Option<Duration> {
    response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_the_same() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause(None)).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST, "{pauses:?}");
        assert!(pauses[19] >= LONGEST / 2 && pauses[19] <= LONGEST, "{pauses:?}");
        assert!(pauses[10..].windows(2).any(|pair| pair[0] != pair[1]), "{pauses:?}");
    }

    #[test]
    fn a_servers_hint_comes_first() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.pause(retry_hint("{\"reason\":\"restarting\",\"retry_ms\":4210}")), Duration::from_millis(4210));
        assert_eq!(backoff.pause(Some(Duration::MAX)), LONGEST_HINT);
        assert_eq!(backoff.pause(retry_hint("{\"reason\":\"restarting\",\"retry_ms\":0}")), SHORTEST_HINT);
        assert_eq!(retry_hint("bye"), None);
    }

    #[test]
    fn a_refusal_that_stays_one_is_not_asked_again() {
        let refusal = |status: u16, header: Option<&str>| {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            header.map(|value| response.headers_mut().insert(RETRY_AFTER, value.parse().unwrap()));
            Backoff::default().after_refusal(&DialError::Refused { response: Box::new(response) })
        };
        assert_eq!(refusal(401, None), None);
        assert_eq!(refusal(404, None), None);
        assert_eq!(refusal(403, Some("3")), Some(Duration::from_secs(3)));
        assert_eq!(refusal(429, Some("2")), Some(Duration::from_secs(2)));
        assert!(refusal(503, None).is_some());
    }
}
