//! What is known of this machine, and of what this process takes of it.

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// The machine that made the load.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    pub(super) system: String,
    pub(super) processor: String,
    pub(super) processors: usize,
    /// How many files this process may have open.
    pub(super) descriptors: u64,
}

impl Machine {
    pub(super) fn this(descriptors: usize) -> Self {
        let system = rustix::system::uname();
        let part = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        Self {
            system: format!("{} {} {}", part(system.sysname()), part(system.release()), part(system.machine())),
            processor: processor().unwrap_or_else(|| "unknown".into()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            descriptors: descriptors as u64,
        }
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The processor time that this process has taken, where the system tells.
pub(super) fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, which may have anything in it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64))
}

/// What all processors have done: their idle time and all of it, in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processors {
    idle: u64,
    all: u64,
}

impl Processors {
    /// Up to now, where the system tells.
    pub(super) fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/stat").ok()?;
        let ticks: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).take(8).map_while(|field| field.parse().ok()).collect();
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }

    /// The part of the time since `then` in which they were busy, from 0 to 1.
    pub(super) fn busy_since(self, then: Self) -> f64 {
        let (idle, all) = (self.idle.saturating_sub(then.idle), self.all.saturating_sub(then.all));
        if all == 0 { 0.0 } else { 1.0 - idle as f64 / all as f64 }
    }
}

/// How many connections this machine can have to one address of a server.
pub(super) fn local_ports() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let (low, high) = text.trim().split_once(char::is_whitespace)?;
    Some(high.trim().parse::<u32>().ok()?.checked_sub(low.parse().ok()?)? + 1)
}
