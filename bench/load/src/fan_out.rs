//! Fan-out: the first connection publishes, and the server sends each message to all, the publisher included.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::Figures;
use crate::failure::{Failure, Result};
use crate::open::{open, reset};
use crate::payload::Kind;
use crate::poll::{Poll, Watch, receive, send};
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
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// The payload of a message, in bytes
    #[arg(long, default_value_t = 125)]
    size: usize,
    /// How many messages may be on their way at a time
    #[arg(long, default_value_t = 1)]
    depth: usize,
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// So many further connections are sent to, and never read
    #[arg(long, default_value_t = 0)]
    stalled: usize,
}

/// What is published before the kernel's buffers of a connection that never reads are full for sure, in bytes.
const ENOUGH_TO_STALL: usize = 8 << 20;

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let (common, times) = (&options.common, &options.times);
    let ring = Ring::new(options.kind, options.size, options.depth, false, false)?;
    let stalled = Stalled::silent(common, options.connections, options.stalled)?;
    let mut crowd = Crowd::open(common, options.connections, &ring)?;
    let resident = process::memory(common.pid)?.resident;
    crowd.until(Instant::now() + Duration::from_secs_f64(times.warm_up))?;
    while options.stalled > 0 && crowd.published * options.size < ENOUGH_TO_STALL {
        crowd.until(Instant::now() + Duration::from_millis(50))?;
    }
    crowd.start_counting();
    let window = Window::begin(common)?;
    crowd.until(Instant::now() + Duration::from_secs_f64(times.seconds))?;
    let mut figures = window.end(common, crowd.deliveries as f64)?;
    let grown = process::memory(common.pid)?.peak.saturating_sub(resident);
    figures.insert("grown_kib".into(), json!(grown));
    for (name, quantile) in [("last_p50_us", 0.5), ("last_p99_us", 0.99)] {
        figures.insert(name.into(), json!(crowd.until_last.value_at_quantile(quantile) as f64 / 1e3));
    }
    reset(crowd.sockets.into_iter().chain(stalled.sockets));
    Ok(figures)
}

struct Crowd<'a> {
    ring: &'a Ring,
    poll: Poll,
    sockets: Vec<OwnedFd>,
    /// The bytes that each has got.
    got: Vec<usize>,
    buffer: Vec<u8>,
    /// Of each message on its way: when it was published, and how many have it.
    published_at: Vec<Instant>,
    reached: Vec<usize>,
    /// Messages that were published, and those of them that all have.
    published: usize,
    complete: usize,
    /// Since counting began.
    deliveries: usize,
    until_last: Histogram<u64>,
}

impl<'a> Crowd<'a> {
    fn open(common: &Common, connections: usize, ring: &'a Ring) -> Result<Self> {
        let sockets = open(common, 0, connections)?;
        let poll = Poll::new(connections)?;
        for (number, socket) in sockets.iter().enumerate() {
            poll.watch(socket, Watch::Readable, number)?;
        }
        let mut crowd = Self {
            ring,
            poll,
            got: vec![0; sockets.len()],
            sockets,
            buffer: vec![0; 256 << 10],
            published_at: vec![Instant::now(); ring.slots],
            reached: vec![0; ring.slots],
            published: 0,
            complete: 0,
            deliveries: 0,
            until_last: latencies()?,
        };
        crowd.wait_for_all()?;
        Ok(crowd)
    }

    /// A server may answer a handshake before it has subscribed the connection: publishes one message after the other until one has
    /// reached all.
    fn wait_for_all(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.publish(1)?;
            let mut got = vec![0; self.sockets.len()];
            let quiet = Duration::from_millis(500);
            while let ready @ 1.. = self.poll.wait(quiet)? {
                for index in 0..ready {
                    let number = self.poll.ready(index).number;
                    got[number] += receive(&self.sockets[number], &mut self.buffer)?.unwrap_or(0);
                }
            }
            let one = self.ring.answers.span((self.published - 1) % self.ring.slots, 1);
            if got.iter().all(|bytes| *bytes == one) {
                self.got = vec![self.published * one; self.sockets.len()];
                self.complete = self.published;
                return Ok(());
            }
        }
        Err(Failure::new(format!("no message reached all {} connections in {PATIENCE:?}", self.sockets.len())))
    }

    fn start_counting(&mut self) {
        self.deliveries = 0;
        self.until_last.reset();
    }

    fn until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let room = self.ring.slots - (self.published - self.complete);
            if room > 0 {
                self.publish(room)?;
            }
            let ready = self.poll.wait(PATIENCE)?;
            if ready == 0 {
                return Err(Failure::new(format!("nobody got anything for {PATIENCE:?}; is a message lost?")));
            }
            for index in 0..ready {
                let number = self.poll.ready(index).number;
                if let Some(received) = receive(&self.sockets[number], &mut self.buffer)? {
                    self.take(number, received)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, number: usize, received: usize) -> Result<()> {
        let one = self.ring.answers.length() / self.ring.slots; // all are of one size
        let (before, after) = (self.got[number], self.got[number] + received);
        let at = before % self.ring.answers.length();
        if self.ring.answers.bytes.get(at..at + received) != Some(&self.buffer[..received]) {
            return Err(Failure::new(format!("connection {number} got other bytes than were published")));
        }
        self.got[number] = after;
        self.deliveries += after / one - before / one;
        for slot in (before / one..after / one).map(|message| message % self.ring.slots) {
            self.reached[slot] += 1;
            if self.reached[slot] == self.sockets.len() {
                self.reached[slot] = 0;
                self.complete += 1;
                self.until_last.saturating_record(self.published_at[slot].elapsed().as_nanos() as u64);
            }
        }
        Ok(())
    }

    fn publish(&mut self, count: usize) -> Result<()> {
        let slot = self.published % self.ring.slots;
        let start = self.ring.sent.span(0, slot);
        let bytes = &self.ring.sent.bytes[start..start + self.ring.sent.span(slot, count)];
        if send(&self.sockets[0], bytes)? != bytes.len() {
            return Err(Failure::new("the publisher's socket is full; publish less at a time with --depth"));
        }
        for message in self.published..self.published + count {
            self.published_at[message % self.ring.slots] = Instant::now();
        }
        self.published += count;
        Ok(())
    }
}
