//! What `/proc` says of a process and of a core.

use std::fs;

use crate::failure::{Context as _, Failure, Result};

/// Processor time, in seconds.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

/// What all threads of a process have used.
pub(crate) fn cpu(pid: u32) -> Result<Cpu> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let seconds = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).map(|ticks| ticks / ticks_per_second());
    let (Some(user), Some(system)) = (seconds(11), seconds(12)) else {
        return Err(Failure::new(format!("/proc/{pid}/stat has no times")));
    };
    Ok(Cpu { user, system })
}

/// How long a core was busy since the machine started, whoever it was busy for.
pub(crate) fn core_busy(core: usize) -> Result<f64> {
    let stat = read("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")));
    let line = line.ok_or_else(|| Failure::new(format!("/proc/stat has no core {core}")))?;
    // user nice system idle iowait irq softirq
    let ticks: f64 =
        line.split_whitespace().take(7).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).filter_map(|(_, v)| v.parse::<f64>().ok()).sum();
    Ok(ticks / ticks_per_second())
}

/// The memory of a process, in KiB.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    /// What it has now.
    pub(crate) resident: u64,
    /// The most that it had.
    pub(crate) peak: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = read(&format!("/proc/{pid}/status"))?;
    Ok(Memory { resident: kib(&status, "VmRSS:")?, peak: kib(&status, "VmHWM:")? })
}

/// The memory that the kernel keeps in slabs, of which sockets are, in KiB.
pub(crate) fn slabs() -> Result<u64> {
    kib(&read("/proc/meminfo")?, "Slab:")
}

fn kib(text: &str, field: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| Failure::new(format!("/proc has no {field}")))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).context(|| format!("{path} (is the server still there?)"))
}

fn ticks_per_second() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}
