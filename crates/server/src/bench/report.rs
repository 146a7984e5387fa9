//! What became of a run: what the table, the JSON and the page tell. docs/bench.md describes its JSON; a member is only ever added.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::arguments::Mode;
use super::machine::Machine;
use super::plan::{Pace, Plan};
use super::tally::{Causes, Tally, Times};
use super::timeline::{Point, rounded};
use super::units::counted;
use super::warnings;

/// The edges of bins within a factor of ten: each is a fifth longer than the one before.
const EDGES: [u64; 12] = [100, 120, 150, 180, 220, 270, 330, 390, 470, 560, 680, 820];

/// What a run leaves.
pub(super) struct Outcome {
    pub(super) total: Tally,
    pub(super) timeline: Vec<Point>,
    pub(super) began_at: SystemTime,
    pub(super) is_interrupted: bool,
    /// How long messages were sent.
    pub(super) sent_for: Duration,
    /// How many processors this process kept busy meanwhile.
    pub(super) cpu: Option<f64>,
    /// How much of this machine's processors all processes kept busy, from 0 to 1.
    pub(super) machine_busy: Option<f64>,
    pub(super) machine: Machine,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) silverback: &'static str,
    pub(super) url: String,
    pub(super) began_at: String,
    /// Whether every connection and every message was fine.
    pub(super) ok: bool,
    /// What was not.
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
    pub(super) interrupted: bool,
    pub(super) parameters: Parameters,
    pub(super) machine: Machine,
    pub(super) connects: Connects,
    pub(super) messages: Messages,
    pub(super) latency_us: Option<Percentiles>,
    pub(super) latency_histogram: Vec<Bin>,
    pub(super) disconnects: Vec<Disconnects>,
    pub(super) unanswered_closes: u64,
    /// With `--api`.
    pub(super) posts: Option<Posts>,
    pub(super) generator: Generator,
    pub(super) timeline: Vec<Point>,
}

#[derive(Debug, Serialize)]
pub(super) struct Parameters {
    pub(super) mode: Mode,
    pub(super) connections: u32,
    pub(super) ramp_s: f64,
    pub(super) duration_s: f64,
    /// `open` or `closed`.
    pub(super) r#loop: &'static str,
    pub(super) in_flight: Option<u32>,
    pub(super) rate_each: Option<f64>,
    pub(super) rate_total: Option<f64>,
    pub(super) payload_bytes: usize,
    pub(super) payload_type: &'static str,
    pub(super) users: Option<u32>,
    pub(super) is_posting: bool,
    pub(super) threads: usize,
    pub(super) timeout_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Connects {
    pub(super) attempted: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) failures: Vec<Failure>,
    pub(super) time_us: Option<Percentiles>,
}

#[derive(Debug, Serialize)]
pub(super) struct Messages {
    /// `sent` is `received` and `lost` together, but where the server pushes by itself.
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    /// Came and were no answers.
    pub(super) other: u64,
    /// Were due and could not be sent.
    pub(super) not_sent: u64,
    /// What the rates are of.
    pub(super) seconds: f64,
    pub(super) sent_per_second: f64,
    pub(super) received_per_second: f64,
    pub(super) sent_bytes_per_second: f64,
    pub(super) received_bytes_per_second: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Percentiles {
    pub(super) count: u64,
    pub(super) min: u64,
    pub(super) mean: f64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p99_9: u64,
    pub(super) max: u64,
}

/// Times that are longer than `from_us`, and at most `to_us`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Bin {
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) cause: String,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Disconnects {
    /// 1005 and 1006 where no code came (RFC 6455, 7.4.1).
    pub(super) code: u16,
    pub(super) cause: String,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Posts {
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) failures: Vec<Failure>,
}

/// What is to be known of the load generator.
#[derive(Debug, Serialize)]
pub(super) struct Generator {
    /// How many processors it kept busy.
    pub(super) cpu: Option<f64>,
    /// How much of its machine all processes kept busy, from 0 to 1.
    pub(super) machine_busy: Option<f64>,
    /// How late it sent what was due.
    pub(super) late_us: Option<Percentiles>,
}

impl Report {
    pub(super) fn new(plan: &Plan, outcome: Outcome) -> Self {
        let late = warnings::after(plan, &outcome);
        let Outcome { total, timeline, began_at, is_interrupted, sent_for, cpu, machine_busy, machine, warnings } = outcome;
        let problems = problems(plan, &total);
        let seconds = sent_for.as_secs_f64();
        let each_second = |number: u64| rounded(number as f64 / seconds.max(0.001));
        let (in_flight, rate_each, rate_total) = match plan.pace {
            Pace::Closed { in_flight } => (Some(in_flight), None, None),
            Pace::Each(rate) => (None, Some(rate), None),
            Pace::Total(rate) => (None, None, Some(rate)),
        };
        let sends = plan.mode == Mode::Echo || plan.api.is_some();
        Self {
            silverback: env!("CARGO_PKG_VERSION"),
            url: plan.shown_url.clone(),
            began_at: humantime::format_rfc3339_seconds(began_at).to_string(),
            ok: problems.is_empty(),
            problems,
            warnings: warnings.into_iter().chain(late).collect(),
            interrupted: is_interrupted,
            parameters: Parameters {
                mode: plan.mode,
                connections: plan.connections,
                ramp_s: plan.ramp.as_secs_f64(),
                duration_s: plan.duration.as_secs_f64(),
                r#loop: if in_flight.is_some() { "closed" } else { "open" },
                in_flight: in_flight.filter(|_| sends),
                rate_each: rate_each.filter(|_| sends),
                rate_total: rate_total.filter(|_| sends),
                payload_bytes: plan.payload().len(),
                payload_type: if plan.is_text() { "text" } else { "binary" },
                users: plan.users.as_ref().map(|users| users.count),
                is_posting: plan.api.is_some(),
                threads: plan.threads,
                timeout_s: plan.timeout.as_secs_f64(),
            },
            machine,
            connects: Connects {
                attempted: total.attempted,
                ok: total.connected,
                failed: total.connect_failures.total(),
                failures: failures(&total.connect_failures),
                time_us: percentiles(&total.connect_time),
            },
            messages: Messages {
                sent: total.sent,
                received: total.received,
                lost: total.lost,
                other: total.other,
                not_sent: total.not_sent,
                seconds: rounded(seconds),
                sent_per_second: each_second(total.sent),
                received_per_second: each_second(total.received),
                sent_bytes_per_second: each_second(total.sent_bytes),
                received_bytes_per_second: each_second(total.received_bytes),
            },
            latency_us: percentiles(&total.latency),
            latency_histogram: bins(&total.latency),
            disconnects: total
                .disconnects
                .sorted()
                .into_iter()
                .map(|(end, count)| Disconnects { code: end.code, cause: end.cause.clone(), count })
                .collect(),
            unanswered_closes: total.unanswered_closes,
            posts: plan.api.is_some().then(|| Posts {
                ok: total.posts,
                failed: total.post_failures.total(),
                failures: failures(&total.post_failures),
            }),
            generator: Generator { cpu: cpu.map(rounded), machine_busy: machine_busy.map(rounded), late_us: percentiles(&total.lateness) },
            timeline,
        }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

fn problems(plan: &Plan, total: &Tally) -> Vec<String> {
    let mut problems = Vec::new();
    let mut add = |count: u64, text: String| {
        if count > 0 {
            problems.push(text);
        }
    };
    let (failed, ended, posts) = (total.connect_failures.total(), total.disconnects.total(), total.post_failures.total());
    add(failed, format!("{failed} of {} failed", counted(u64::from(plan.connections), "connection")));
    add(ended, format!("{} ended during the run", counted(ended, "connection")));
    add(posts, format!("{} to the API failed", counted(posts, "request")));
    let never = if total.received == 0 && plan.mode == Mode::Echo {
        ", and none ever came back: does this server echo? (else --mode push)"
    } else {
        ""
    };
    add(total.lost, format!("{} lost{never}", counted(total.lost, "message")));
    add(total.not_sent, format!("{} could not be sent in time", counted(total.not_sent, "message")));
    let sends = plan.mode == Mode::Echo || plan.api.is_some();
    let is_quiet = sends && total.received == 0 && total.connected > 0 && total.lost == 0;
    add(u64::from(is_quiet), "no message came".to_owned());
    add(u64::from(total.settled() == 0), "no connection was tried".to_owned());
    problems
}

fn failures(causes: &Causes<String>) -> Vec<Failure> {
    causes.sorted().into_iter().map(|(cause, count)| Failure { cause: cause.clone(), count }).collect()
}

fn percentiles(times: &Times) -> Option<Percentiles> {
    let at = |percent| times.percentile(percent);
    (times.count() > 0).then(|| Percentiles {
        count: times.count(),
        min: times.min(),
        mean: rounded(times.mean()),
        p50: at(50.0),
        p90: at(90.0),
        p99: at(99.0),
        p99_9: at(99.9),
        max: times.max(),
    })
}

/// From the shortest to the longest, with those between them that are empty.
fn bins(times: &Times) -> Vec<Bin> {
    let mut bins: Vec<Bin> = Vec::new();
    for (time, count) in times.counts() {
        while bins.last().is_none_or(|bin| bin.to_us < time) {
            let from = match bins.last() {
                Some(bin) => bin.to_us,
                None => edges().take_while(|edge| *edge < time).last().unwrap_or(0),
            };
            let to_us = edges().find(|edge| *edge > from).unwrap_or(u64::MAX);
            bins.push(Bin { from_us: from, to_us, count: 0 });
        }
        if let Some(bin) = bins.last_mut() {
            bin.count += count;
        }
    }
    bins
}

/// From 1 µs on.
fn edges() -> impl Iterator<Item = u64> {
    let decades = (0..).map_while(|power| 10_u64.checked_pow(power)).take(12);
    let mut last = 0;
    decades.flat_map(|decade| EDGES.map(|edge| edge * decade / 100)).filter(move |edge| std::mem::replace(&mut last, *edge) < *edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_one_bin() {
        let mut times = Times::default();
        for microseconds in [1, 2, 3, 40, 41, 41, 5000, 70_000_000] {
            times.record(Duration::from_micros(microseconds));
        }
        let bins = bins(&times);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 8);
        assert!(bins.windows(2).all(|pair| pair[0].to_us == pair[1].from_us && pair[0].from_us < pair[0].to_us), "{bins:?}");
        assert_eq!((bins[0].from_us, bins[0].to_us, bins[0].count), (0, 1, 1));
        let forty = bins.iter().find(|bin| bin.from_us == 39).unwrap();
        assert_eq!((forty.to_us, forty.count), (47, 3));
        assert_eq!(bins.last().unwrap().count, 1);
    }
}
