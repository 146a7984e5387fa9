//! What is counted of hooks, through the `metrics` facade.
//!
//! | name | kind | labels |
//! | --- | --- | --- |
//! | `silverback_hooks_events_total` | counter | `event`; `outcome`: `taken`, `refused`, `given_up`, `kept` |
//! | `silverback_hooks_requests_total` | counter | `event`; `outcome`: `2xx`, `4xx`, `status`, `unreachable`, `slow`, `broken` |
//! | `silverback_hooks_request_seconds` | histogram | `event` |
//! | `silverback_hooks_retries_total` | counter | `event` |
//! | `silverback_hooks_handshakes_total` | counter | `outcome`: `allowed`, `refused`, `nonsense`, `down_refused`, `down_allowed` |
//! | `silverback_hooks_answers_lost_total` | counter | `why`: `too_large`, `not_utf8`, `session_ended` |
//! | `silverback_hooks_breaker` | gauge: 0 closed, 1 half-open, 2 open | |
//! | `silverback_hooks_requests_under_way` | gauge | |
//! | `silverback_hooks_waiting` | gauge: events that are to be taken yet | `event` |
//! | `silverback_hooks_spool_bytes`, `silverback_hooks_spool_events` | gauges: what is kept | |
//! | `silverback_hooks_spool_reserved_bytes` | gauge: what counts against the limit | |
//! | `silverback_hooks_spool_failures_total` | counter: writes that failed | |

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::backend::{Answer, Failure};
use super::event::Kind;

pub(super) fn event(kind: Kind, outcome: &'static str, count: u64) {
    counter!("silverback_hooks_events_total", "event" => kind.name(), "outcome" => outcome).increment(count);
}

pub(super) fn requested(kind: Kind, sent: &Result<Answer, Failure>, took: Duration) {
    let outcome = match sent {
        Ok(answer) if answer.is_good() => "2xx",
        Ok(_) => "4xx",
        Err(failure) => failure.name(),
    };
    counter!("silverback_hooks_requests_total", "event" => kind.name(), "outcome" => outcome).increment(1);
    histogram!("silverback_hooks_request_seconds", "event" => kind.name()).record(took);
}

pub(super) fn retried(kind: Kind) {
    counter!("silverback_hooks_retries_total", "event" => kind.name()).increment(1);
}

pub(super) fn handshake(outcome: &'static str) {
    counter!("silverback_hooks_handshakes_total", "outcome" => outcome).increment(1);
}

pub(super) fn answer_lost(why: &'static str) {
    counter!("silverback_hooks_answers_lost_total", "why" => why).increment(1);
}

pub(super) fn breaker(state: f64) {
    gauge!("silverback_hooks_breaker").set(state);
}

pub(super) fn spool(bytes: u64, events: usize) {
    gauge!("silverback_hooks_spool_bytes").set(bytes as f64);
    gauge!("silverback_hooks_spool_events").set(events as f64);
}

pub(super) fn spool_reserved(bytes: u64) {
    gauge!("silverback_hooks_spool_reserved_bytes").set(bytes as f64);
}

pub(super) fn spool_failed() {
    counter!("silverback_hooks_spool_failures_total").increment(1);
}

/// One more of something, for as long as this lives.
pub(super) struct Counted(metrics::Gauge);

pub(super) fn under_way() -> Counted {
    Counted::new(gauge!("silverback_hooks_requests_under_way"))
}

pub(super) fn waiting(kind: Kind) -> Counted {
    Counted::new(gauge!("silverback_hooks_waiting", "event" => kind.name()))
}

impl Counted {
    fn new(gauge: metrics::Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
