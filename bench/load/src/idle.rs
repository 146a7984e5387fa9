//! Idle connections: opens many in steps, holds them, and says what each costs.
//!
//! What one costs is the slope of the server's memory over the number of connections, so what it needs at all does not count. Where
//! there are more than a descriptor table holds, they are spread over threads that have tables of their own.
#![expect(clippy::disallowed_methods, reason = "nothing runs on this thread while it sleeps")]

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::Figures;
use crate::answers::learn;
use crate::failure::{Context as _, Result};
use crate::payload::Kind;
use crate::process;
use crate::ring::Ring;
use crate::shard::{Counts, Shard};
use crate::target::Common;

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[arg(long, default_value_t = 18_000)]
    connections: usize,
    /// The connections of one thread; more than these have several, each with a descriptor table of its own
    #[arg(long, default_value_t = 18_000)]
    per_thread: usize,
    /// In how many steps they are opened; memory is read after each
    #[arg(long, default_value_t = 6)]
    steps: usize,
    /// The one message that each connection sends and gets back before memory is read again, in bytes; 0: none
    #[arg(long, default_value_t = 125)]
    touch: usize,
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// How long memory is given to settle before it is read
    #[arg(long, default_value_t = 0.3)]
    settle: f64,
    /// How long they are held while the server's processor time is read
    #[arg(long, default_value_t = 1.0)]
    hold: f64,
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let common = &options.common;
    raise_the_limit()?;
    let threads = options.connections.div_ceil(options.per_thread.max(1));
    let mut ring = Ring::new(options.kind, options.touch, 1, common.raw, common.deflate)?;
    if common.deflate {
        learn(common, &mut ring)?;
    }
    let ring = Arc::new(ring);
    let shards: Vec<Shard> = (0..threads).map(|_| Shard::start(common, &ring, threads > 1)).collect();
    let (slabs, cpu) = (process::slabs()?, process::cpu(common.pid)?.total());
    let mut points = Vec::new();
    let mut opening = Duration::ZERO;
    let step = options.connections.div_ceil(options.steps.max(1)).max(1);
    for (number, shard) in shards.iter().enumerate() {
        let (mut first, end) = (number * options.per_thread, options.connections.min((number + 1) * options.per_thread));
        while first < end {
            let count = step.min(end - first);
            let began = Instant::now();
            shard.open(first, count)?;
            opening += began.elapsed();
            first += count;
            settle(options);
            points.push((first as f64, process::memory(common.pid)?.resident as f64 * 1024.0));
        }
    }
    let used = process::cpu(common.pid)?.total() - cpu;
    let kernel = process::slabs()?.saturating_sub(slabs) as f64 * 1024.0 / options.connections as f64;
    let open = process::memory(common.pid)?.resident;
    if options.touch > 0 {
        shards.iter().try_for_each(Shard::touch)?;
        settle(options);
    }
    let touched = process::memory(common.pid)?.resident.saturating_sub(open) as f64 * 1024.0 / options.connections as f64;
    let before = counts(&shards)?;
    let (held, cpu) = (Instant::now(), process::cpu(common.pid)?.total());
    sleep(Duration::from_secs_f64(options.hold));
    let (idle, held) = (process::cpu(common.pid)?.total() - cpu, held.elapsed().as_secs_f64());
    let after = counts(&shards)?;
    shards.into_iter().for_each(Shard::end);

    let mut figures = Figures::new();
    let each = slope(&points);
    for (name, value) in [
        ("bytes_each", each),
        ("bytes_each_touched", each + touched),
        ("kernel_bytes_each", kernel),
        ("opened_per_second", options.connections as f64 / opening.as_secs_f64()),
        ("cpu_us_each", used / options.connections as f64 * 1e6),
        ("idle_cpu_percent", idle / held * 100.0),
        ("pings_per_second", (after.pings - before.pings) as f64 / held),
        ("held", options.connections as f64 - after.lost as f64),
        ("lost", after.lost as f64),
        ("resident_kib", process::memory(common.pid)?.resident as f64),
    ] {
        figures.insert(name.into(), json!(value));
    }
    Ok(figures)
}

fn counts(shards: &[Shard]) -> Result<Counts> {
    shards.iter().try_fold(Counts::default(), |all, shard| {
        let of_shard = shard.counts()?;
        Ok(Counts { pings: all.pings + of_shard.pings, lost: all.lost + of_shard.lost })
    })
}

fn settle(options: &Options) {
    sleep(Duration::from_secs_f64(options.settle));
}

/// By least squares: how much the second grows with the first.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / count, y + point.1 / count));
    let (over, under) =
        points.iter().fold((0.0, 0.0), |(over, under), point| (over + (point.0 - x) * (point.1 - y), under + (point.0 - x).powi(2)));
    if under == 0.0 { y / x.max(1.0) } else { over / under }
}

/// As many descriptors as are allowed.
fn raise_the_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context(|| "RLIMIT_NOFILE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_does_not_count_what_was_there_before() {
        assert_eq!(slope(&[(1.0, 110.0), (2.0, 120.0), (3.0, 130.0)]), 10.0);
    }
}
