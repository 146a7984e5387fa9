//! The report for a terminal of 80 columns.

use std::fmt::Write as _;

use super::arguments::Mode;
use super::report::{Bin, Parameters, Percentiles, Report};
use super::units::{bytes, count, counted, duration, rate, time};
use crate::wrapped::wrapped;

const WIDTH: usize = 80;

/// The widest bar.
const BAR: usize = 44;

/// The most lines of the picture.
const MOST_LINES: usize = 14;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const FAINT: &str = "2";

/// The whole report.
pub(super) fn table(report: &Report, is_coloured: bool) -> String {
    let mut table = Table { text: String::new(), is_coloured };
    table.head(report);
    table.counts(report);
    table.times(report);
    table.picture(&report.latency_histogram);
    table.causes(report);
    table.notes(report);
    table.text
}

/// What was asked for, in a line.
pub(super) fn plan(parameters: &Parameters) -> String {
    let Parameters { mode, connections, payload_bytes, payload_type, is_posting, .. } = parameters;
    let connections = counted((*connections).into(), "connection");
    let users = parameters.users.map(|users| format!(" of {}", counted(users.into(), "user"))).unwrap_or_default();
    let pace = match (parameters.in_flight, parameters.rate_each, parameters.rate_total) {
        (Some(in_flight), ..) => format!(", {in_flight} in flight (closed loop)"),
        (_, Some(each), _) => format!(", {each}/s each (open loop)"),
        (.., Some(total)) => format!(", {total}/s in all (open loop)"),
        _ => String::new(),
    };
    let what = match mode {
        Mode::Push if !is_posting => "listening to what the server pushes".to_owned(),
        Mode::Push => format!("pushed through the API, {} bytes {payload_type}{pace}", count(*payload_bytes as u64)),
        Mode::Echo => format!("echo, {} bytes {payload_type}{pace}", count(*payload_bytes as u64)),
    };
    format!("{connections}{users}: {what}")
}

struct Table {
    text: String,
    is_coloured: bool,
}

impl Table {
    fn line(&mut self, text: impl AsRef<str>) {
        self.text += text.as_ref();
        self.text.push('\n');
    }

    fn styled(&self, style: &str, text: impl AsRef<str>) -> String {
        let text = text.as_ref();
        if self.is_coloured { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A name, and what belongs to it.
    fn row(&mut self, name: &str, text: impl AsRef<str>) {
        let name = self.styled(BOLD, format!("{name:<12}"));
        self.line(format!("{name} {}", text.as_ref()));
    }

    fn head(&mut self, report: &Report) {
        let title = self.styled(BOLD, "silverback bench");
        self.line(format!("{title} {}", report.url));
        let plan = wrapped(&plan(&report.parameters), WIDTH);
        for line in plan {
            let line = self.styled(FAINT, line);
            self.line(line);
        }
        self.line("");
    }

    fn counts(&mut self, report: &Report) {
        let (connects, messages) = (&report.connects, &report.messages);
        let mut text = format!("{} of {}", count(connects.ok), count(report.parameters.connections.into()));
        if connects.failed > 0 {
            let _ = write!(text, "   {}", self.styled(RED, format!("{} failed", count(connects.failed))));
        }
        let ended: u64 = report.disconnects.iter().map(|end| end.count).sum();
        if ended > 0 {
            let _ = write!(text, "   {}", self.styled(RED, format!("{} ended during the run", count(ended))));
        }
        self.row("connected", text);
        if connects.ok == 0 {
            return;
        }
        let listens = report.parameters.mode == Mode::Push && !report.parameters.is_posting;
        let mut text = if listens { String::new() } else { format!("{} sent   ", count(messages.sent)) };
        let _ = write!(text, "{} received", count(messages.received));
        if !listens {
            let lost = format!("{} lost", count(messages.lost));
            let _ = write!(text, "   {}", if messages.lost > 0 { self.styled(RED, lost) } else { lost });
        }
        for (number, what) in [(messages.other, "others"), (messages.not_sent, "could not be sent")] {
            if number > 0 {
                let _ = write!(text, "   {}", self.styled(YELLOW, format!("{} {what}", count(number))));
            }
        }
        self.row("messages", text);
        let (each_second, wire) = (rate(messages.received_per_second), bytes(messages.received_bytes_per_second));
        self.row("throughput", format!("{each_second} msg/s   {wire}   over {:.1} s", messages.seconds));
    }

    fn times(&mut self, report: &Report) {
        let rows = [("latency", &report.latency_us), ("connecting", &report.connects.time_us), ("sent late", &report.generator.late_us)];
        if rows.iter().all(|(_, times)| times.is_none()) {
            return;
        }
        self.line("");
        let names: String = ["p50", "p90", "p99", "p99.9", "max", "mean"].iter().map(|name| format!("{name:>10}")).collect();
        let names = self.styled(FAINT, format!("{:13}{names}", ""));
        self.line(names);
        for (name, times) in rows {
            if let Some(Percentiles { p50, p90, p99, p99_9, max, mean, .. }) = times {
                let times = [*p50, *p90, *p99, *p99_9, *max, mean.round() as u64];
                let text: String = times.iter().map(|microseconds| format!("{:>10}", time(*microseconds))).collect();
                self.row(name, text);
            }
        }
    }

    fn picture(&mut self, bins: &[Bin]) {
        let bins = fewer(bins);
        let all: u64 = bins.iter().map(|bin| bin.count).sum();
        let Some(most) = bins.iter().map(|bin| bin.count).max() else { return };
        self.line("");
        for bin in bins {
            let eighths = (bin.count * BAR as u64 * 8).div_ceil(most.max(1));
            let bar = self.styled(CYAN, format!("{:<BAR$}", bar(usize::try_from(eighths).unwrap_or_default())));
            let share = bin.count as f64 * 100.0 / all.max(1) as f64;
            let share = match bin.count {
                0 => String::new(),
                _ if share < 0.01 => "< 0.01 %".to_owned(),
                _ => format!("{share:.2} %"),
            };
            self.line(format!("{:>12} {bar} {share:>9}", format!("≤ {}", time(bin.to_us))));
        }
    }

    fn causes(&mut self, report: &Report) {
        let rows = report.connects.failures.iter().map(|failure| ("connect", failure.count, &failure.cause));
        let rows = rows.chain(report.disconnects.iter().map(|end| ("ended", end.count, &end.cause)));
        let rows = rows.chain(report.posts.iter().flat_map(|posts| &posts.failures).map(|failure| ("post", failure.count, &failure.cause)));
        let rows: Vec<_> = rows.collect();
        if rows.is_empty() {
            return;
        }
        self.line("");
        let title = self.styled(BOLD, "what went wrong");
        self.line(title);
        for (what, number, cause) in rows {
            let front = format!("{:>9} × {what:<8}", count(number));
            for (at, line) in wrapped(cause, WIDTH - 21).into_iter().enumerate() {
                let front = if at == 0 { self.styled(RED, &front) } else { format!("{:20}", "") };
                self.line(format!("{front} {line}"));
            }
        }
    }

    fn notes(&mut self, report: &Report) {
        self.line("");
        for warning in &report.warnings {
            for line in wrapped(&format!("warning: {warning}"), WIDTH) {
                let line = self.styled(YELLOW, line);
                self.line(line);
            }
        }
        if report.unanswered_closes > 0 {
            self.line(format!("{} did not answer our Close in time.", counted(report.unanswered_closes, "connection")));
        }
        if report.interrupted {
            let planned = duration(std::time::Duration::from_secs_f64(report.parameters.duration_s));
            self.line(format!("Interrupted: {planned} were planned."));
        }
        let verdict = match report.ok {
            true => self.styled(GREEN, "All connections and messages were fine."),
            false => self.styled(RED, "Not all was well."),
        };
        self.line(verdict);
    }
}

/// Neighbours together, until there are few enough lines.
fn fewer(bins: &[Bin]) -> Vec<Bin> {
    let mut bins = bins.to_vec();
    while bins.len() > MOST_LINES {
        let joined = |pair: &[Bin]| {
            Some(Bin { count: pair.iter().map(|bin| bin.count).sum(), from_us: pair.first()?.from_us, ..pair.last()?.clone() })
        };
        bins = bins.chunks(2).filter_map(joined).collect();
    }
    bins
}

/// A bar of so many eighths of a column.
fn bar(eighths: usize) -> String {
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{part}", "█".repeat(eighths / 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bins_become_few_and_keep_their_counts() {
        let bins: Vec<_> = (0..100).map(|at| Bin { from_us: at, to_us: at + 1, count: at }).collect();
        let few = fewer(&bins);
        assert!(few.len() <= MOST_LINES);
        assert_eq!(few.iter().map(|bin| bin.count).sum::<u64>(), 4950);
        assert_eq!((few[0].from_us, few.last().unwrap().to_us), (0, 100));
    }

    #[test]
    fn bars_and_lines_keep_to_their_width() {
        assert_eq!([0, 3, 8, 13].map(bar), ["", "▍", "█", "█▋"]);
    }
}
