//! Messages that are posted through the API, for the server to push.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};

use super::alarm::Alarm;
use super::api::{Api, Requests};
use super::phase::{self, Phases, Sending};
use super::plan::{Plan, Users};
use super::schedule::Schedule;
use super::stamp::Clocks;
use super::tally::SharedTally;

/// In an open loop, so many requests of a thread may be under way: what is due meanwhile waits, and its latency counts on.
pub(super) const OPEN_LOOP_WORKERS: usize = 32;

/// One of those who post: each has one request under way.
pub(super) struct Poster {
    pub(super) plan: Arc<Plan>,
    pub(super) tally: SharedTally,
    pub(super) phases: Phases,
    pub(super) clocks: Clocks,
    pub(super) requests: Arc<Requests>,
    /// The number of the next message: all who post take from it.
    pub(super) next: Arc<AtomicU64>,
}

impl Poster {
    /// Posts until the run ends.
    pub(super) async fn post(mut self) {
        let plan = self.plan.clone();
        let (Some(api), Some(users)) = (&plan.api, &plan.users) else { return };
        let Some(sending) = phase::sending(&mut self.phases).await else { return };
        let work = self.work(api, users, sending);
        if let Err(error) = work.await {
            self.tally.lock().post_failures.add(format!("no timer for this: {error}"), 1);
        }
    }

    async fn work(&mut self, api: &Api, users: &Users, sending: Sending) -> std::io::Result<()> {
        let schedule = sending.interval.map(|interval| Schedule::new(sending.start, sending.end, interval, 0, 1));
        let alarm = Alarm::new()?;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let due = match &schedule {
                Some(schedule) => {
                    let Some(due) = schedule.next(number) else { return Ok(()) };
                    let is_due = tokio::select! {
                        biased;
                        () = phase::over(&mut self.phases) => false,
                        rung = alarm.until(due) => rung.map(|()| true)?,
                    };
                    if !is_due {
                        self.tally.lock().not_sent += u64::from(due < Instant::now());
                        return Ok(());
                    }
                    self.tally.lock().lateness.record(due.elapsed());
                    due
                }
                None => Instant::now(),
            };
            if schedule.is_none() && (due >= sending.end || phase::over(&mut self.phases).now_or_never().is_some()) {
                return Ok(());
            }
            let user = users.name(u32::try_from(number % u64::from(users.count)).unwrap_or_default());
            let message = self.clocks.stamped(self.plan.payload(), due);
            let bytes = message.len() as u64;
            let posted = timeout(self.plan.timeout, api.post(&self.requests, &user, message)).await;
            let mut tally = self.tally.lock();
            match posted.unwrap_or_else(|_| Err(format!("the API did not answer within {:?}", self.plan.timeout))) {
                Ok(queued) => {
                    tally.posts += 1;
                    tally.sent += queued;
                    tally.sent_bytes += queued * bytes;
                }
                Err(cause) => tally.post_failures.add(cause, 1),
            }
        }
    }
}
