//! Echo: every connection keeps up to `depth` messages in flight.
//!
//! Closed loop: a connection is filled up once all of its answers, or `--refill` of them, have come. Open loop (`--rate`): messages come
//! at set times over all connections, and their latency counts from those, so that a server which stands still can't hide it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::Figures;
use crate::answers::learn;
use crate::failure::{Failure, Result};
use crate::lane::Lane;
use crate::open::{open, reset};
use crate::payload::Kind;
use crate::poll::{Poll, Ready, Watch, receive};
use crate::process;
use crate::ring::Ring;
use crate::stalled::Stalled;
use crate::target::{Common, PATIENCE, Times};
use crate::window::{Window, latencies};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    times: Times,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// The payload of a message, in bytes
    #[arg(long, default_value_t = 125)]
    size: usize,
    /// How many messages a connection may have in flight
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Fill a connection up when so many of its messages are back; all of them unless told otherwise
    #[arg(long)]
    refill: Option<usize>,
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// Open loop: this many messages a second, over all connections
    #[arg(long)]
    rate: Option<f64>,
    /// Compare all bytes while measuring too, not only during the warm-up
    #[arg(long)]
    compare: bool,
    /// So many further connections send as the others do, and never read
    #[arg(long, default_value_t = 0)]
    stalled: usize,
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let (common, times) = (&options.common, &options.times);
    let mut ring = Ring::new(options.kind, options.size, options.depth, common.raw, common.deflate)?;
    if common.deflate {
        learn(common, &mut ring)?;
    }
    let before = process::memory(common.pid)?.resident;
    let stalled = Stalled::open(common, options.connections, options.stalled, &ring)?;
    let mut echo = Echo::open(options, &ring)?;
    let began = Instant::now();
    let (measured_from, end) = (began + Duration::from_secs_f64(times.warm_up), Duration::from_secs_f64(times.seconds));
    let mut schedule = options.rate.map(|rate| Schedule::new(rate, began));
    if schedule.is_none() {
        echo.fill_all()?;
    }
    echo.until(measured_from, &mut schedule)?;
    echo.start_counting(options.compare);
    let window = Window::begin(common)?;
    echo.until(Instant::now() + end, &mut schedule)?;
    let mut figures = window.end(common, echo.done as f64)?;
    let resident = process::memory(common.pid)?.resident;
    figures.insert("memory_per_connection".into(), json!(resident.saturating_sub(before) as f64 * 1024.0 / options.connections as f64));
    figures.insert("answer_bytes".into(), json!(ring.answers.length() as f64 / ring.slots as f64));
    for (name, per_message) in [("receives", echo.receives), ("sends", echo.sends)] {
        figures.insert(format!("{name}_per_message"), json!(per_message as f64 / echo.done.max(1) as f64));
    }
    for (name, quantile) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999), ("max_us", 1.0)] {
        figures.insert(name.into(), json!(echo.latency.value_at_quantile(quantile) as f64 / 1e3));
    }
    reset(echo.lanes.into_iter().map(|lane| lane.socket).chain(stalled.sockets));
    Ok(figures)
}

struct Echo<'a> {
    ring: &'a Ring,
    poll: Poll,
    lanes: Vec<Lane>,
    clocks: Vec<Clock>,
    refill: usize,
    compare: bool,
    buffer: Vec<u8>,
    latency: Histogram<u64>,
    done: u64,
    receives: u64,
    sends: u64,
    stood_still_since: Instant,
}

/// When a connection's messages began.
enum Clock {
    /// Closed loop: when the batch in flight was sent.
    Batch(Instant),
    /// Open loop: the set times of the messages in flight, and then of those that wait for their turn.
    Due(VecDeque<Instant>),
}

impl<'a> Echo<'a> {
    fn open(options: &Options, ring: &'a Ring) -> Result<Self> {
        let sockets = open(&options.common, 0, options.connections)?;
        let poll = Poll::new(sockets.len())?;
        for (number, socket) in sockets.iter().enumerate() {
            poll.watch(socket, Watch::Readable, number)?;
        }
        let now = Instant::now();
        let clock = || if options.rate.is_some() { Clock::Due(VecDeque::new()) } else { Clock::Batch(now) };
        Ok(Self {
            ring,
            poll,
            clocks: sockets.iter().map(|_| clock()).collect(),
            lanes: sockets.into_iter().map(Lane::new).collect(),
            refill: options.refill.unwrap_or(ring.slots).clamp(1, ring.slots),
            compare: true,
            buffer: vec![0; ring.answers.length().min(1 << 20)],
            latency: latencies()?,
            done: 0,
            receives: 0,
            sends: 0,
            stood_still_since: now,
        })
    }

    fn start_counting(&mut self, compare: bool) {
        self.compare = compare;
        self.latency.reset();
        (self.done, self.receives, self.sends) = (0, 0, 0);
    }

    fn fill_all(&mut self) -> Result<()> {
        let now = Instant::now();
        for number in 0..self.lanes.len() {
            self.clocks[number] = Clock::Batch(now);
            self.queue(number, self.ring.slots)?;
        }
        Ok(())
    }

    fn until(&mut self, end: Instant, schedule: &mut Option<Schedule>) -> Result<()> {
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if now.duration_since(self.stood_still_since) > PATIENCE {
                return Err(Failure::new(format!("nothing came back for {PATIENCE:?}")));
            }
            let wait = match schedule {
                Some(schedule) => {
                    self.start_due(schedule, now)?;
                    Duration::ZERO // whoever sleeps sends late
                }
                None => Duration::from_millis(100).min(end.duration_since(now)),
            };
            for index in 0..self.poll.wait(wait)? {
                let Ready { number, readable, writable } = self.poll.ready(index);
                if writable {
                    self.flush(number)?;
                }
                if readable {
                    self.readable(number).map_err(|failure| Failure::new(format!("connection {number}: {failure}")))?;
                }
            }
        }
    }

    fn start_due(&mut self, schedule: &mut Schedule, now: Instant) -> Result<()> {
        while schedule.next <= now {
            let number = schedule.turn % self.lanes.len();
            if let Clock::Due(due) = &mut self.clocks[number] {
                due.push_back(schedule.next);
            }
            if self.lanes[number].in_flight < self.ring.slots {
                self.queue(number, 1)?;
            }
            schedule.turn += 1;
            schedule.next += schedule.step;
        }
        Ok(())
    }

    fn queue(&mut self, number: usize, count: usize) -> Result<()> {
        let lane = &mut self.lanes[number];
        lane.queue(self.ring, count);
        if lane.waits_for_room { Ok(()) } else { self.flush(number) }
    }

    fn flush(&mut self, number: usize) -> Result<()> {
        let lane = &mut self.lanes[number];
        let all = lane.flush(self.ring, &mut self.sends)?;
        if all == lane.waits_for_room {
            lane.waits_for_room = !all;
            let watch = if all { Watch::Readable } else { Watch::Both };
            self.poll.change(&lane.socket, watch, number)?;
        }
        Ok(())
    }

    fn readable(&mut self, number: usize) -> Result<()> {
        let lane = &mut self.lanes[number];
        self.receives += 1;
        let Some(received) = receive(&lane.socket, &mut self.buffer)? else { return Ok(()) };
        let done = lane.take(self.ring, &self.buffer[..received], self.compare)?;
        if done == 0 {
            return Ok(());
        }
        let now = Instant::now();
        self.done += done as u64;
        self.stood_still_since = now;
        let free = self.ring.slots - lane.in_flight;
        let next = match &mut self.clocks[number] {
            Clock::Batch(sent) => {
                if lane.in_flight == 0 {
                    self.latency.saturating_record(now.duration_since(*sent).as_nanos() as u64);
                    *sent = now;
                }
                if free >= self.refill { free } else { 0 }
            }
            Clock::Due(due) => {
                for sent in due.drain(..done) {
                    self.latency.saturating_record(now.duration_since(sent).as_nanos() as u64);
                }
                free.min(due.len() - lane.in_flight)
            }
        };
        if next == 0 { Ok(()) } else { self.queue(number, next) }
    }
}

/// When messages are due.
struct Schedule {
    next: Instant,
    step: Duration,
    turn: usize,
}

impl Schedule {
    fn new(rate: f64, began: Instant) -> Self {
        Self { next: began, step: Duration::from_secs_f64(1.0 / rate), turn: 0 }
    }
}
