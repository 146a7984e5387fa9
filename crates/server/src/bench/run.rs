//! A run, from the first connection to the report.
//!
//! ```text
//!   connecting ─▶ sending ─▶ draining ─▶ closing ─▶ report
//! ```
//!
//! Each has a deadline, Ctrl-C goes on to the next but one, and what does not end in time is dropped.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::task::TaskTracker;

use super::arguments::Mode;
use super::connection::Member;
use super::crew::Crew;
use super::machine::{self, Machine, Processors};
use super::pacer::Pacer;
use super::phase::{Phase, Sending};
use super::plan::{Pace, Plan};
use super::poster::{OPEN_LOOP_WORKERS, Poster};
use super::progress::{Now, Progress};
use super::report::{Outcome, Report};
use super::schedule::Schedule;
use super::stamp::Clocks;
use super::tally::Tally;
use super::timeline::Timeline;
use super::warnings;
use crate::{limits, process};

/// How often counts are collected.
const TICK: Duration = Duration::from_millis(100);

/// How long closing may take: the server's Close has 5 s, its FIN has some more.
const CLOSING: Duration = Duration::from_secs(8);

/// The same once Ctrl-C was pressed twice.
const AT_ONCE: Duration = Duration::from_millis(500);

/// Makes the load, and tells what became of it.
pub(super) async fn run(plan: Plan) -> Result<Report, Box<dyn Error>> {
    let plan = Arc::new(plan);
    let descriptors = limits::raise_descriptor_limit();
    let machine = Machine::this(descriptors);
    let mut follow = Follow::new(&plan)?;
    let early = warnings::before(&plan, descriptors);
    early.iter().for_each(|warning| follow.progress.say(&format!("warning: {warning}")));

    let crew = Crew::start(plan.threads)?;
    let (phase, _) = watch::channel(Phase::Connecting);
    let mut load =
        Load { plan: plan.clone(), crew, phase, connections: TaskTracker::new(), posters: TaskTracker::new(), posted: Arc::default() };
    load.start();

    let everybody = u64::from(plan.connections);
    let by = Instant::now() + plan.ramp + plan.timeout + Duration::from_secs(1);
    follow.until("connecting", by, &load, |total| total.settled() >= everybody).await;

    let connected = follow.total.connected;
    let (cpu, processors, start) = (machine::processor_time(), Processors::now(), Instant::now());
    let mut sending = Sending { start, end: start + plan.duration, interval: plan.interval(connected) };
    if connected > 0 && !follow.is_interrupted {
        load.phase.send_replace(Phase::Sending(sending));
        follow.until("sending", sending.end, &load, |total| total.open() == 0).await;
        sending.end = sending.end.min(Instant::now());
    }
    let sent_for = start.elapsed();
    let cpu =
        machine::processor_time().zip(cpu).map(|(now, then)| now.saturating_sub(then).as_secs_f64() / sent_for.as_secs_f64().max(0.001));
    let machine_busy = Processors::now().zip(processors).map(|(now, then)| now.busy_since(then));

    load.phase.send_replace(Phase::Draining);
    let by = Instant::now() + if follow.is_interrupted { plan.timeout.min(Duration::from_secs(2)) } else { plan.timeout };
    if plan.mode == Mode::Echo {
        follow.until("draining", by, &load, Tally::is_drained).await;
    } else if plan.api.is_some() {
        let posters = load.posters.clone();
        follow.until("draining", by, &load, |total| posters.is_empty() && (total.received >= total.sent || total.open() == 0)).await;
    }

    load.phase.send_replace(Phase::Closing);
    let connections = load.connections.clone();
    let by = Instant::now() + if follow.is_hurried { AT_ONCE } else { CLOSING };
    follow.until("closing", by, &load, |_| connections.is_empty()).await;
    follow.progress.clear();

    let not_posted = load.not_posted(sending);
    let Follow { mut total, timeline, began, began_at, is_interrupted, .. } = follow;
    total.not_sent += not_posted;
    let left = total.open();
    if plan.api.is_some() {
        total.sent = total.sent.max(total.received); // a request whose answer was lost may have been heard
    }
    if plan.api.is_some() || (left > 0 && plan.mode == Mode::Echo) {
        total.lost = total.sent.saturating_sub(total.received); // those who were dropped have not told of their losses
    }
    let timeline = timeline.finish(left, began.elapsed());
    Ok(Report::new(&plan, Outcome { total, timeline, began_at, is_interrupted, sent_for, cpu, machine_busy, machine, warnings: early }))
}

/// Everything that runs on the threads.
struct Load {
    plan: Arc<Plan>,
    crew: Crew,
    phase: watch::Sender<Phase>,
    connections: TaskTracker,
    posters: TaskTracker,
    /// The number of the next message that is posted.
    posted: Arc<AtomicU64>,
}

impl Load {
    fn start(&mut self) {
        let (plan, clocks, began) = (&self.plan, Clocks::now(), Instant::now());
        let hands = self.crew.hands.len();
        for (index, hand) in self.crew.hands.iter().enumerate() {
            let mut members = Vec::new();
            for rank in (0..plan.connections).skip(index).step_by(hands) {
                let is_due = Arc::new(Notify::new());
                members.push((rank, is_due.clone()));
                let dial_at = began + plan.ramp.mul_f64(f64::from(rank) / f64::from(plan.connections));
                let (plan, tally, phases) = (plan.clone(), hand.tally.clone(), self.phase.subscribe());
                let member = Member { rank, plan, tally, phases, dial_at, is_due, clocks };
                self.connections.spawn_on(member.live(), &hand.runtime);
            }
            if plan.mode == Mode::Echo && !matches!(plan.pace, Pace::Closed { .. }) {
                let pacer = Pacer { phases: self.phase.subscribe(), members, count: plan.connections };
                hand.runtime.spawn(pacer.pace());
            }
            if let Some(api) = &plan.api {
                let requests = Arc::new(api.requests());
                let workers = match plan.pace {
                    Pace::Closed { in_flight } => (0..in_flight as usize).skip(index).step_by(hands).count(),
                    _ => OPEN_LOOP_WORKERS,
                };
                for _ in 0..workers {
                    let (plan, tally, phases) = (plan.clone(), hand.tally.clone(), self.phase.subscribe());
                    let poster = Poster { plan, tally, phases, clocks, requests: requests.clone(), next: self.posted.clone() };
                    self.posters.spawn_on(poster.post(), &hand.runtime);
                }
            }
        }
        self.connections.close();
        self.posters.close();
    }

    /// What was due to be posted and nobody had time for.
    fn not_posted(&self, Sending { start, end, interval }: Sending) -> u64 {
        let Some(interval) = interval.filter(|_| self.plan.api.is_some()) else { return 0 };
        Schedule::new(start, end, interval, 0, 1).count_before(end).saturating_sub(self.posted.load(Ordering::Relaxed))
    }
}

/// Collects the counts, tells of them, and listens for Ctrl-C.
struct Follow {
    total: Tally,
    timeline: Timeline,
    progress: Progress,
    tick: Interval,
    began: Instant,
    began_at: SystemTime,
    wanted: u64,
    stopped: Pin<Box<dyn Future<Output = &'static str>>>,
    is_interrupted: bool,
    /// It was interrupted twice.
    is_hurried: bool,
}

impl Follow {
    fn new(plan: &Plan) -> std::io::Result<Self> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            total: Tally::default(),
            timeline: Timeline::new(plan.ramp + plan.duration),
            progress: Progress::new(),
            tick,
            began: Instant::now(),
            began_at: SystemTime::now(),
            wanted: u64::from(plan.connections),
            stopped: Box::pin(process::stopped()?),
            is_interrupted: false,
            is_hurried: false,
        })
    }

    /// Waits until it is done, until its time is over, or until it is interrupted.
    async fn until(&mut self, phase: &'static str, by: Instant, load: &Load, is_done: impl Fn(&Tally) -> bool) {
        loop {
            let is_over = tokio::select! {
                biased;
                _ = &mut self.stopped => {
                    self.interrupted();
                    true
                }
                () = sleep_until(by) => true,
                _ = self.tick.tick() => false,
            };
            let counted = load.crew.take();
            self.total.add(&counted);
            self.timeline.add(&counted, self.total.open(), self.began.elapsed());
            let left = by.saturating_duration_since(Instant::now());
            self.progress.tell(&counted, &Now { phase, left, total: &self.total, wanted: self.wanted });
            if is_over || is_done(&self.total) {
                return;
            }
        }
    }

    fn interrupted(&mut self) {
        self.is_hurried = self.is_interrupted;
        self.is_interrupted = true;
        self.progress.say(if self.is_hurried { "stopping at once" } else { "stopping early: once more to stop at once" });
        match process::stopped() {
            Ok(again) => self.stopped = Box::pin(again),
            Err(_) => self.stopped = Box::pin(std::future::pending()),
        }
    }
}
