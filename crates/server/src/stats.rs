//! How much is going on, now and in the last minutes: what the console draws.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use silverback_hub::Hub;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::handshakes::Handshakes;
use crate::limits::memory_used;
use crate::traffic::{Counted, Traffic};

/// How often it is looked at. A look is a few sums and a small file of the kernel's.
const EVERY: Duration = Duration::from_secs(5);

/// Fifteen minutes.
const KEPT: usize = 180;

/// Clones are the same.
#[derive(Clone)]
pub(crate) struct Stats {
    pub(crate) started_at: SystemTime,
    pub(crate) traffic: Traffic,
    history: Arc<Mutex<VecDeque<Sample>>>,
}

/// What was there at a moment, and what was counted until then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: SystemTime,
    pub(crate) sessions: usize,
    pub(crate) users: usize,
    pub(crate) counted: Counted,
    pub(crate) refused: u64,
    /// Bytes that the process has in memory, where the system tells.
    pub(crate) memory: Option<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        Self { started_at: SystemTime::now(), traffic: Traffic::default(), history: Arc::default() }
    }
}

impl Stats {
    pub(crate) fn now(&self, hub: &Hub, handshakes: &Handshakes) -> Sample {
        Sample {
            at: SystemTime::now(),
            sessions: hub.len(),
            users: hub.users_connected(),
            counted: self.traffic.now(),
            refused: handshakes.total(),
            memory: memory_used(),
        }
    }

    /// The last minutes, the oldest first.
    pub(crate) fn history(&self) -> Vec<Sample> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Keeps the last minutes, until the server stops.
    pub(crate) async fn keep(self, hub: Hub, handshakes: Handshakes, stopping: CancellationToken) {
        let mut looks = interval(EVERY);
        let again = async {
            loop {
                looks.tick().await;
                self.add(self.now(&hub, &handshakes));
            }
        };
        stopping.run_until_cancelled(again).await;
    }

    fn add(&self, sample: Sample) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push_back(sample);
        if history.len() > KEPT {
            history.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minutes_are_kept_and_no_more() {
        let (stats, hub, handshakes) = (Stats::default(), Hub::new(), Handshakes::default());
        for count in 0..KEPT + 10 {
            stats.traffic.came(1);
            let sample = stats.now(&hub, &handshakes);
            assert_eq!((sample.counted.messages_in, sample.sessions, sample.users), (count as u64 + 1, 0, 0));
            stats.add(sample);
        }
        let history = stats.history();
        assert_eq!((history.len(), history[0].counted.messages_in), (KEPT, 11));
    }
}
