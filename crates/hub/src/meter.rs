//! What is counted of sessions, through the `metrics` facade.
//!
//! | name | kind | labels |
//! | --- | --- | --- |
//! | `silverback_sessions`, `silverback_users` | gauges | |
//! | `silverback_joins_total` | counter | `outcome`: `joined`, `too_many_sessions`, `device_connected`, `draining` |
//! | `silverback_session_ends_total` | counter | `cause`: `displaced`, `drained`, `closed_by_application`, or the cause of the connection's end |
//! | `silverback_session_seconds` | histogram | |
//! | `silverback_deliveries_total` | counter, of sessions | `outcome`: `queued`, `dropped`, `refused` |
//! | `silverback_requests_total` | counter | `outcome`: `answered`, `not_delivered`, `timed_out`, `ended` |
//! | `silverback_events_missed_total` | counter: what subscribers missed because they were slow | |

use silverback::{Cause, CloseReport};

use crate::{Asked, Delivery, JoinRefused};

/// A session has joined, and others had to go for it.
pub(crate) fn joined(is_first_of_user: bool, displaced: usize) {
    metrics::counter!("silverback_joins_total", "outcome" => "joined").increment(1);
    metrics::gauge!("silverback_sessions").increment(1.0 - displaced as f64);
    if is_first_of_user {
        metrics::gauge!("silverback_users").increment(1.0);
    }
}

/// A session has left the registry, and its user still has so many.
pub(crate) fn left(of_user: usize) {
    metrics::gauge!("silverback_sessions").decrement(1.0);
    if of_user == 0 {
        metrics::gauge!("silverback_users").decrement(1.0);
    }
}

pub(crate) fn refused(refused: &JoinRefused) {
    let outcome = match refused {
        JoinRefused::TooManySessions { .. } => "too_many_sessions",
        JoinRefused::DeviceConnected { .. } => "device_connected",
        JoinRefused::Draining => "draining",
    };
    metrics::counter!("silverback_joins_total", "outcome" => outcome).increment(1);
}

pub(crate) fn ended(asked: Option<Asked>, report: &CloseReport) {
    metrics::counter!("silverback_session_ends_total", "cause" => cause(asked, &report.cause)).increment(1);
    metrics::histogram!("silverback_session_seconds").record(report.lived);
}

pub(crate) fn delivered(delivery: &Delivery) {
    for (outcome, count) in [("queued", delivery.queued), ("dropped", delivery.dropped), ("refused", delivery.refused)] {
        if count > 0 {
            metrics::counter!("silverback_deliveries_total", "outcome" => outcome).increment(count as u64);
        }
    }
}

pub(crate) fn requested(outcome: &'static str) {
    metrics::counter!("silverback_requests_total", "outcome" => outcome).increment(1);
}

pub(crate) fn missed(events: u64) {
    metrics::counter!("silverback_events_missed_total").increment(events);
}

fn cause(asked: Option<Asked>, cause: &Cause) -> &'static str {
    match (cause, asked) {
        (Cause::ClosedHere(_), Some(Asked::Displaced { .. })) => "displaced",
        (Cause::ClosedHere(_), Some(Asked::Drained)) => "drained",
        (Cause::ClosedHere(_), Some(Asked::Application)) => "closed_by_application",
        (Cause::ClosedHere(_), None) => "closed_here",
        (Cause::ClosedByPeer, _) => "closed_by_peer",
        (Cause::Protocol(_), _) => "protocol_error",
        (Cause::PeerSilent(_), _) => "peer_silent",
        (Cause::Idle(_), _) => "idle",
        (Cause::WriteStalled(_), _) => "write_stalled",
        (Cause::MaxAge(_), _) => "max_age",
        (Cause::TransportLost, _) => "transport_lost",
        _ => "other",
    }
}
