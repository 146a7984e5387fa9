//! What is said while a run goes on: one line that is written anew on a terminal, a line now and then elsewhere. Both on standard error.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use tokio::time::Instant;

use super::tally::Tally;
use super::units::{self, count, rate, time};

/// What a terminal's line holds.
const WIDTH: usize = 79;

/// Between two writings of the line of a terminal.
const LIVELY: Duration = Duration::from_millis(500);

/// Between two lines of a log; the sending begins with one of its own.
const CALM: Duration = Duration::from_secs(5);

/// Tells how far a run has come.
pub(super) struct Progress {
    is_terminal: bool,
    said_at: Instant,
    phase: &'static str,
    /// What was counted since the last line.
    since: Tally,
}

/// The state of a run.
pub(super) struct Now<'a> {
    pub(super) phase: &'static str,
    pub(super) left: Duration,
    pub(super) total: &'a Tally,
    pub(super) wanted: u64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_terminal: stderr().is_terminal(), said_at: Instant::now(), phase: "", since: Tally::default() }
    }

    /// Tells, if it is time to.
    pub(super) fn tell(&mut self, counted: &Tally, now: &Now<'_>) {
        self.since.add(counted);
        let since = self.said_at.elapsed();
        let is_due = if self.is_terminal { since >= LIVELY } else { since >= CALM || (now.phase == "sending" && self.phase != now.phase) };
        if !is_due {
            return;
        }
        self.phase = now.phase;
        let line = line(&std::mem::take(&mut self.since), since, now);
        self.said_at = Instant::now();
        let _ = if self.is_terminal { write!(stderr(), "\r{line:<WIDTH$}\r") } else { writeln!(stderr(), "{line}") };
    }

    /// Says this on a line of its own.
    pub(super) fn say(&self, text: &str) {
        self.clear();
        let _ = writeln!(stderr(), "{text}");
    }

    /// Leaves no line behind.
    pub(super) fn clear(&self) {
        if self.is_terminal {
            let _ = write!(stderr(), "\r{:WIDTH$}\r", "");
        }
    }
}

fn line(counted: &Tally, since: Duration, now: &Now<'_>) -> String {
    let messages = rate(counted.received as f64 / since.as_secs_f64().max(0.001));
    let latency = match counted.latency.count() {
        0 => "p50 – p99 –".to_owned(),
        _ => format!("p50 {} p99 {}", time(counted.latency.percentile(50.0)), time(counted.latency.percentile(99.0))),
    };
    let (open, wanted) = (now.total.open(), now.wanted);
    let open = if open == wanted { format!("{} open", count(open)) } else { format!("{} of {} open", count(open), count(wanted)) };
    let (left, errors) = (now.left.as_secs_f64().ceil(), units::counted(now.total.errors(), "error"));
    let line = format!("{} {left} s  {open}  {messages} msg/s  {latency}  {errors}", now.phase);
    line.chars().take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_a_terminal() {
        let mut total = Tally { connected: 1_000_000, received: 12_345_678, lost: 1_234_567, ..Tally::default() };
        total.latency.record(Duration::from_micros(123_456));
        let now = Now { phase: "sending", left: Duration::from_millis(12_300), total: &total, wanted: 1_000_000 };
        let long = line(&total, Duration::from_secs(1), &now);
        assert!(long.chars().count() <= WIDTH, "{long}");
        let total = Tally { connected: 50, ..Tally::default() };
        let short = line(&total, Duration::from_secs(1), &Now { total: &total, wanted: 50, ..now });
        assert_eq!(short, "sending 13 s  50 open  0.0 msg/s  p50 – p99 –  0 errors");
    }
}
