//! What was counted, over time: so few points that a picture shows them all.

use std::time::Duration;

use serde::Serialize;

use super::tally::Tally;

/// About so many points a run is planned to have.
const POINTS: u32 = 240;

/// And at most so many there are; after that, two are made one.
const MOST: usize = 480;

/// The shortest time of a point.
const SHORTEST: Duration = Duration::from_millis(200);

/// A part of the run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// When it ended, in seconds since the run began.
    pub(super) at_s: f64,
    /// How long it was.
    pub(super) seconds: f64,
    /// Connections that were open at its end.
    pub(super) connections: u64,
    pub(super) sent_per_second: f64,
    pub(super) received_per_second: f64,
    pub(super) latency_p50_us: Option<u64>,
    pub(super) latency_p99_us: Option<u64>,
    /// Failures and losses in it.
    pub(super) errors: u64,
}

/// Collects counts into points.
#[derive(Debug)]
pub(super) struct Timeline {
    points: Vec<Point>,
    length: Duration,
    open: Tally,
    began: Duration,
}

impl Timeline {
    pub(super) fn new(planned: Duration) -> Self {
        Self { points: Vec::new(), length: (planned / POINTS).max(SHORTEST), open: Tally::default(), began: Duration::ZERO }
    }

    /// Adds what was counted up to `now`, which is since the run began.
    pub(super) fn add(&mut self, counted: &Tally, connections: u64, now: Duration) {
        self.open.add(counted);
        if now.saturating_sub(self.began) >= self.length {
            self.end_point(connections, now);
        }
    }

    /// What is in no point yet becomes the last one.
    pub(super) fn finish(mut self, connections: u64, now: Duration) -> Vec<Point> {
        if now.saturating_sub(self.began) >= SHORTEST / 2 {
            self.end_point(connections, now);
        }
        self.points
    }

    fn end_point(&mut self, connections: u64, now: Duration) {
        let seconds = now.saturating_sub(self.began).as_secs_f64();
        let counted = std::mem::take(&mut self.open);
        let latency = |percent| (counted.latency.count() > 0).then(|| counted.latency.percentile(percent));
        self.points.push(Point {
            at_s: rounded(now.as_secs_f64()),
            seconds: rounded(seconds),
            connections,
            sent_per_second: rounded(counted.sent as f64 / seconds),
            received_per_second: rounded(counted.received as f64 / seconds),
            latency_p50_us: latency(50.0),
            latency_p99_us: latency(99.0),
            errors: counted.errors(),
        });
        self.began = now;
        if self.points.len() >= MOST {
            self.points = self.points.chunks(2).filter_map(|pair| joined(pair.first()?, pair.last()?)).collect();
            self.length *= 2;
        }
    }
}

/// Two points that follow each other as one. Of percentiles the worse stays: a peak is not to vanish.
fn joined(first: &Point, second: &Point) -> Option<Point> {
    let seconds = first.seconds + second.seconds;
    let rate = |one: f64, other: f64| rounded((one * first.seconds + other * second.seconds) / seconds);
    Some(Point {
        seconds: rounded(seconds),
        sent_per_second: rate(first.sent_per_second, second.sent_per_second),
        received_per_second: rate(first.received_per_second, second.received_per_second),
        latency_p50_us: first.latency_p50_us.max(second.latency_p50_us),
        latency_p99_us: first.latency_p99_us.max(second.latency_p99_us),
        errors: first.errors + second.errors,
        ..second.clone()
    })
}

/// To thousandths.
pub(super) fn rounded(number: f64) -> f64 {
    if number.is_finite() { (number * 1000.0).round() / 1000.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_has_a_bound_and_loses_nothing() {
        let mut timeline = Timeline::new(Duration::from_secs(1));
        for tick in 1..=10_000 {
            timeline.add(&Tally { sent: 2, lost: 1, ..Tally::default() }, 5, SHORTEST * tick);
        }
        let points = timeline.finish(0, SHORTEST * 10_001);
        assert!(points.len() <= MOST, "{}", points.len());
        assert_eq!(points.iter().map(|point| point.errors).sum::<u64>(), 10_000);
        let sent: f64 = points.iter().map(|point| point.sent_per_second * point.seconds).sum();
        assert!((sent - 20_000.0).abs() < 20.0, "{sent}");
        assert!(points.is_sorted_by(|one, next| one.at_s < next.at_s));
    }
}
