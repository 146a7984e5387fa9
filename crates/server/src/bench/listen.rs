//! Messages that come by themselves.

use futures_util::FutureExt as _;
use silverback::{Message, Receiver};
use tokio::time::Instant;

use super::connection::{BATCH, End, Member};
use super::phase::{self, Phase};
use super::stamp::Clocks;
use super::tally::Tally;

/// Counts what comes until the run or the connection ends.
pub(super) async fn listen(mut member: Member, rx: &mut Receiver) -> End {
    let counter = Counter { clocks: member.clocks, is_ours_alone: member.plan.api.is_some() };
    loop {
        tokio::select! {
            biased;
            () = phase::closing(&mut member.phases) => return End::Ours,
            first = rx.recv() => {
                let Some(first) = first else { return End::Theirs };
                // Asked for here: whoever posts may have learnt of a new phase before this task was woken by it.
                if matches!(*member.phases.borrow(), Phase::Connecting) {
                    continue;
                }
                let now = Instant::now();
                let mut tally = member.tally.lock();
                counter.count(&first, now, &mut tally);
                for _ in 1..BATCH {
                    match rx.recv().now_or_never() {
                        Some(Some(message)) => counter.count(&message, now, &mut tally),
                        Some(None) => return End::Theirs,
                        None => break,
                    }
                }
            }
        }
    }
}

struct Counter {
    clocks: Clocks,
    /// Messages are ours, which have a stamp, or none of our business.
    is_ours_alone: bool,
}

impl Counter {
    fn count(&self, message: &Message, now: Instant, tally: &mut Tally) {
        let age = self.clocks.age(message.payload(), now);
        if age.is_none() && self.is_ours_alone {
            tally.other += 1;
            return;
        }
        tally.received += 1;
        tally.received_bytes += message.len() as u64;
        if let Some(age) = age {
            tally.latency.record(age);
        }
    }
}
