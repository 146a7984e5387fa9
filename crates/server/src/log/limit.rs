//! So many lines of a kind in a second, and then a count of those that were left out: a client may cause a line with each request, and a log must
//! stay readable whatever clients do.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::SESSIONS;

/// How many lines of a kind there are in a second.
const LINES: u32 = 50;

const SECOND: Duration = Duration::from_secs(1);

/// What tells of the lines that were left out, which is not left out itself.
const OWN: &str = "silverback_server::log";

/// A kind is a place in the program, so there is a bounded number of them. Lines below `info` are not limited: who asks for them wants them.
#[derive(Debug, Default)]
pub(crate) struct Limit(Mutex<HashMap<Identifier, Kind>>);

#[derive(Debug)]
struct Kind {
    /// What its lines say.
    says: String,
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Limit {
    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Kind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes(&self, event: &Event<'_>, now: Instant) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || [SESSIONS, OWN].contains(&metadata.target()) {
            return true;
        }
        self.kinds().entry(metadata.callsite()).or_insert_with(|| Kind::new(event, now)).takes(now)
    }

    /// What was left out since the last time, by what the lines say.
    fn left_out(&self) -> Vec<(String, u64)> {
        let mut kinds = self.kinds();
        let left_out = kinds.values_mut().filter(|kind| kind.left_out > 0);
        left_out.map(|kind| (kind.says.clone(), std::mem::take(&mut kind.left_out))).collect()
    }
}

/// Tells of lines that were left out, each second, until the server stops, and then once more.
pub(crate) async fn tell_left_out(limit: Arc<Limit>, stopping: CancellationToken) {
    loop {
        let is_over = stopping.run_until_cancelled(tokio::time::sleep(SECOND)).await.is_none();
        for (lines, left_out) in limit.left_out() {
            tracing::warn!(target: OWN, lines, left_out, "lines were left out: there are more than {LINES} of a kind in a second");
        }
        if is_over {
            return;
        }
    }
}

impl Kind {
    fn new(event: &Event<'_>, now: Instant) -> Self {
        let mut message = Message(String::new());
        event.record(&mut message);
        Self { says: message.0, since: now, lines: 0, left_out: 0 }
    }

    fn takes(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= SECOND {
            (self.since, self.lines) = (now, 0);
        }
        let takes = self.lines < LINES;
        self.lines += u32::from(takes);
        self.left_out += u64::from(!takes);
        takes
    }
}

/// The text of a line, without its fields.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// A format that writes nothing of what is left out. A filter would be the place for it; tracing-subscriber loses count of its filters when they are
/// asked about events (`event_enabled`) and all of them refuse one.
pub(super) struct Limited<F> {
    format: F,
    limit: Arc<Limit>,
}

impl<F> Limited<F> {
    pub(super) fn new(format: F, limit: Arc<Limit>) -> Self {
        Self { format, limit }
    }
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if self.limit.takes(event, Instant::now()) { self.format.format_event(context, writer, event) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(now: Instant) -> Kind {
        Kind { says: String::new(), since: now, lines: 0, left_out: 0 }
    }

    #[test]
    fn so_many_lines_are_taken_in_a_second_and_the_rest_is_counted() {
        let began = Instant::now();
        let mut kind = kind(began);
        let taken = (0..LINES + 7).filter(|_| kind.takes(began)).count();
        assert_eq!((taken, kind.left_out), (LINES as usize, 7));
        assert!(!kind.takes(began + SECOND - Duration::from_nanos(1)));
        assert!(kind.takes(began + SECOND), "the next second has lines of its own");
        assert_eq!(kind.left_out, 8, "until somebody tells of them");
    }

    #[test]
    fn exactly_the_limit_leaves_nothing_out() {
        let began = Instant::now();
        let mut kind = kind(began);
        assert!((0..LINES).all(|_| kind.takes(began)));
        assert_eq!(kind.left_out, 0);
    }
}
