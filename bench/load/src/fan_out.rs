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
    /// How many messages may be on their way at a time; with one, the time until the last has it is measured
    #[arg(long, default_value_t = 1)]
    depth: usize,
    #[arg(long, value_enum, default_value_t)]
    kind: Kind,
    /// So many further connections are sent to, and never read
    #[arg(long, default_value_t = 0)]
    stalled: usize,
}

pub(crate) fn run(options: &Options) -> Result<Figures> {
    let (common, times) = (&options.common, &options.times);
    let ring = Ring::new(options.kind, options.size, options.depth, false, false)?;
    let stalled = Stalled::silent(common, options.connections, options.stalled)?;
    let mut crowd = Crowd::open(common, options.connections, &ring)?;
    let resident = process::memory(common.pid)?.resident;
    crowd.until(Instant::now() + Duration::from_secs_f64(times.warm_up))?;
    crowd.start_counting();
    let window = Window::begin(common)?;
    crowd.until(Instant::now() + Duration::from_secs_f64(times.seconds))?;
    let mut figures = window.end(common, crowd.counted as f64 / ring.answers.length() as f64 * ring.slots as f64)?;
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
    /// Messages sent, and the bytes that all of them together have got, and since counting began.
    published: usize,
    delivered: usize,
    counted: usize,
    published_at: Instant,
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
            published: 0,
            delivered: 0,
            counted: 0,
            published_at: Instant::now(),
            until_last: latencies()?,
        };
        crowd.wait_for_all()?;
        Ok(crowd)
    }

    /// A server may answer a handshake before it has subscribed the connection: publishes one message after the other until one has reached all.
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
                self.delivered = self.sockets.len() * self.published * one;
                return Ok(());
            }
        }
        Err(Failure::new(format!("no message reached all {} connections in {PATIENCE:?}", self.sockets.len())))
    }

    fn start_counting(&mut self) {
        self.counted = 0;
        self.until_last.reset();
    }

    fn until(&mut self, end: Instant) -> Result<()> {
        let one = self.ring.answers.length() / self.ring.slots; // all are of one size
        let everyone = self.sockets.len();
        while Instant::now() < end {
            let on_their_way = self.published - self.delivered / one / everyone;
            if on_their_way < self.ring.slots {
                self.publish(self.ring.slots - on_their_way)?;
            }
            let ready = self.poll.wait(PATIENCE)?;
            if ready == 0 {
                return Err(Failure::new(format!("nobody got anything for {PATIENCE:?}; is a message lost?")));
            }
            for index in 0..ready {
                let number = self.poll.ready(index).number;
                let Some(received) = receive(&self.sockets[number], &mut self.buffer)? else { continue };
                let at = self.got[number] % self.ring.answers.length();
                if self.ring.answers.bytes.get(at..at + received) != Some(&self.buffer[..received]) {
                    return Err(Failure::new(format!("connection {number} got other bytes than were published")));
                }
                self.got[number] += received;
                self.delivered += received;
                self.counted += received;
            }
            if self.ring.slots == 1 && self.delivered == self.published * one * everyone {
                self.until_last.saturating_record(self.published_at.elapsed().as_nanos() as u64);
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
        self.published += count;
        self.published_at = Instant::now();
        Ok(())
    }
}
