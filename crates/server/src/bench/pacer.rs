//! Wakes the connections of a thread in an open loop, each when its next message is due.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::phase::{self, Phases, Sending};
use super::schedule::{times, turn};

/// Turns that are nearer than this to each other are taken together.
const QUANTUM: Duration = Duration::from_micros(50);

/// After so many turns that were due at once, others on the thread get theirs.
const TURNS: usize = 64;

/// One timer for all connections of a thread: they take turns, so the next one is always known.
pub(super) struct Pacer {
    pub(super) phases: Phases,
    /// The ranks of the connections and what wakes them, the lowest first.
    pub(super) members: Vec<(u32, Arc<Notify>)>,
    /// Of how many connections in all.
    pub(super) count: u32,
}

impl Pacer {
    /// Runs until the sending ends.
    pub(super) async fn pace(mut self) {
        let Some(Sending { start, end, interval: Some(interval) }) = phase::sending(&mut self.phases).await else { return };
        let mut phases = self.phases.clone();
        tokio::select! {
            paced = self.rounds(start, end, interval) => if let Err(error) = paced {
                tracing::error!(%error, "no timer to send by");
            },
            () = phase::over(&mut phases) => {}
        }
    }

    async fn rounds(&self, start: Instant, end: Instant, interval: Duration) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let (mut round, mut turns, mut woken_at) = (0, 0, start);
        loop {
            for (rank, is_due) in &self.members {
                let due = start + times(interval, round) + turn(interval, *rank, self.count);
                if due >= end {
                    return Ok(());
                }
                turns += 1;
                if due > Instant::now() {
                    alarm.until(due.max(woken_at + QUANTUM)).await?;
                    (turns, woken_at) = (0, Instant::now());
                } else if turns >= TURNS {
                    yield_now().await;
                    turns = 0;
                }
                is_due.notify_one();
            }
            // Who is woken sends all that is due: rounds that have passed need none of their own.
            let passed = start.elapsed().as_nanos() / interval.as_nanos().max(1);
            round = (round + 1).max(u64::try_from(passed).unwrap_or(u64::MAX));
            if self.members.is_empty() {
                return Ok(());
            }
            if turns > 0 {
                yield_now().await;
            }
        }
    }
}
