//! What is counted of connections, through the `metrics` facade. Without a recorder it costs a few calls for each connection and none for a
//! message: traffic is added up by the connection and told from time to time.
//!
//! | name | kind | labels |
//! | --- | --- | --- |
//! | `silverback_connections_opened_total` | counter | `role` |
//! | `silverback_connections_open` | gauge | `role` |
//! | `silverback_connections_ended_total` | counter | `role`, `cause` |
//! | `silverback_connection_seconds` | histogram | `role` |
//! | `silverback_messages_total`, `silverback_frames_total`, `silverback_bytes_total` | counters | `role`, `direction`: `in`, `out` |
//! | `silverback_messages_unsent_total`, `silverback_messages_dropped_total` | counters | `role` |
//! | `silverback_queue_bytes` | histogram, sampled at each look of the heartbeat | `role` |
//! | `silverback_queue_peak_bytes` | histogram, at the end of each connection | `role` |
//! | `silverback_round_trip_seconds` | histogram | `role` |
//! | `silverback_handshakes_refused_total` | counter | `cause` |
//! | `silverback_deflate_context_bytes` | gauge | |

use silverback_wire::{Cause, CloseReport, Connection, Role, Traffic};

use crate::queue::QueueFill;

/// What was told so far of one connection.
#[derive(Debug)]
pub(crate) struct Meter {
    role: Role,
    /// Bytes held for compression with context takeover.
    context: u32,
    told: Option<Box<[Traffic; 2]>>,
}

impl Meter {
    pub(crate) fn open(connection: &Connection) -> Self {
        let role = connection.role();
        let context = u32::try_from(connection.context_memory()).unwrap_or(u32::MAX);
        if context > 0 {
            metrics::gauge!("silverback_deflate_context_bytes").increment(context);
        }
        metrics::counter!("silverback_connections_opened_total", "role" => name(role)).increment(1);
        metrics::gauge!("silverback_connections_open", "role" => name(role)).increment(1.0);
        Self { role, context, told: None }
    }

    /// A Ping of the heartbeat was answered.
    pub(crate) fn round_trip(&self, took: std::time::Duration) {
        metrics::histogram!("silverback_round_trip_seconds", "role" => name(self.role)).record(took);
    }

    /// Tells what has come and gone since the last time.
    pub(crate) fn look(&mut self, connection: &Connection, queue: Option<QueueFill>) {
        let (incoming, outgoing) = connection.traffic();
        self.traffic(incoming, outgoing);
        if let Some(queue) = queue {
            metrics::histogram!("silverback_queue_bytes", "role" => name(self.role)).record(queue.bytes as f64);
        }
    }

    pub(crate) fn end(&mut self, report: &CloseReport, queue: Option<QueueFill>) {
        let role = name(self.role);
        self.traffic(report.incoming, report.outgoing);
        metrics::gauge!("silverback_connections_open", "role" => role).decrement(1.0);
        metrics::counter!("silverback_connections_ended_total", "role" => role, "cause" => label(&report.cause)).increment(1);
        metrics::histogram!("silverback_connection_seconds", "role" => role).record(report.lived);
        if self.context > 0 {
            metrics::gauge!("silverback_deflate_context_bytes").decrement(self.context);
        }
        if report.unsent.messages > 0 {
            metrics::counter!("silverback_messages_unsent_total", "role" => role).increment(report.unsent.messages);
        }
        if let Some(queue) = queue {
            metrics::histogram!("silverback_queue_peak_bytes", "role" => role).record(queue.peak_bytes as f64);
            if queue.dropped > 0 {
                metrics::counter!("silverback_messages_dropped_total", "role" => role).increment(queue.dropped);
            }
        }
    }

    fn traffic(&mut self, incoming: Traffic, outgoing: Traffic) {
        let role = name(self.role);
        let now = [incoming, outgoing];
        let told = self.told.get_or_insert_default();
        for ((direction, now), told) in ["in", "out"].into_iter().zip(now).zip(told.iter_mut()) {
            metrics::counter!("silverback_messages_total", "role" => role, "direction" => direction)
                .increment(now.messages - told.messages);
            metrics::counter!("silverback_frames_total", "role" => role, "direction" => direction).increment(now.frames - told.frames);
            metrics::counter!("silverback_bytes_total", "role" => role, "direction" => direction).increment(now.bytes - told.bytes);
            *told = now;
        }
    }
}

/// A handshake was refused.
pub(crate) fn refused(cause: &'static str) {
    metrics::counter!("silverback_handshakes_refused_total", "cause" => cause).increment(1);
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}

fn label(cause: &Cause) -> &'static str {
    match cause {
        Cause::ClosedByPeer => "closed_by_peer",
        Cause::ClosedHere(_) => "closed_here",
        Cause::Protocol(_) => "protocol_error",
        Cause::PeerSilent(_) => "peer_silent",
        Cause::Idle(_) => "idle",
        Cause::WriteStalled(_) => "write_stalled",
        Cause::MaxAge(_) => "max_age",
        Cause::TransportLost => "transport_lost",
        _ => "other",
    }
}
