//! The threads that make the load: each a runtime and a tally of its own.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

use super::tally::{SharedTally, Tally};

/// Dropped, it ends the threads and what still runs on them.
pub(super) struct Crew {
    pub(super) hands: Vec<Hand>,
    threads: Vec<JoinHandle<()>>,
    is_over: CancellationToken,
}

/// One of the threads.
pub(super) struct Hand {
    pub(super) runtime: Handle,
    pub(super) tally: SharedTally,
}

impl Crew {
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let mut crew = Self { hands: Vec::new(), threads: Vec::new(), is_over: CancellationToken::new() };
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            crew.hands.push(Hand { runtime: runtime.handle().clone(), tally: SharedTally::default() });
            let is_over = crew.is_over.clone();
            let thread = thread::Builder::new().name(format!("bench-{number}"));
            let live = move || {
                runtime.block_on(is_over.cancelled());
                runtime.shutdown_background(); // a name server that does not answer is not waited for
            };
            crew.threads.push(thread.spawn(live)?);
        }
        Ok(crew)
    }

    /// What all have counted since the last time.
    pub(super) fn take(&self) -> Tally {
        let mut sum = Tally::default();
        for hand in &self.hands {
            sum.add(&hand.tally.take());
        }
        sum
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.is_over.cancel();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
