//! The life of one connection.

use std::sync::Arc;

use silverback::{Receiver, Sender};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::arguments::Mode;
use super::phase::{self, Phases};
use super::plan::Plan;
use super::stamp::Clocks;
use super::tally::SharedTally;
use super::{cause, echo, listen};

/// So many messages that have come are counted under one lock.
pub(super) const BATCH: usize = 64;

/// One of the connections.
pub(super) struct Member {
    pub(super) rank: u32,
    pub(super) plan: Arc<Plan>,
    pub(super) tally: SharedTally,
    pub(super) phases: Phases,
    pub(super) dial_at: Instant,
    /// Told when a message of an open loop is due.
    pub(super) is_due: Arc<Notify>,
    pub(super) clocks: Clocks,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Ours,
    Theirs,
}

impl Member {
    /// Connects, does what the mode says, closes.
    pub(super) async fn live(mut self) {
        tokio::select! {
            () = sleep_until(self.dial_at) => {}
            () = phase::over(&mut self.phases) => return,
        }
        self.tally.lock().attempted += 1;
        let dialer = match self.plan.dialer(self.rank) {
            Ok(dialer) => dialer,
            Err(error) => return self.failed(error.to_string()),
        };
        let began = Instant::now();
        let socket = tokio::select! {
            dialled = dialer.connect(&self.plan.url) => match dialled {
                Ok(socket) => socket,
                Err(error) => return self.failed(cause::of_dial(&error)),
            },
            () = phase::over(&mut self.phases) => return self.failed("given up: the run ended before it was connected".into()),
        };
        {
            let mut tally = self.tally.lock();
            tally.connected += 1;
            tally.connect_time.record(began.elapsed());
        }
        drop(dialer);
        let tally = self.tally.clone();
        let mut end = End::Theirs;
        let ended = &mut end;
        let report = socket
            .run(|tx, rx| async move {
                *ended = self.talk(tx, rx).await;
                Ok(())
            })
            .await;
        let mut tally = tally.lock();
        tally.ended += 1;
        match end {
            End::Theirs => tally.disconnects.add(cause::of_end(&report), 1),
            End::Ours => tally.unanswered_closes += u64::from(!report.is_clean()),
        }
    }

    async fn talk(self, tx: Sender, mut rx: Receiver) -> End {
        match self.plan.mode {
            Mode::Echo => echo::echo(self, &tx, &mut rx).await,
            Mode::Push => listen::listen(self, &mut rx).await,
        }
    }

    fn failed(&self, cause: String) {
        self.tally.lock().connect_failures.add(cause, 1);
    }
}
