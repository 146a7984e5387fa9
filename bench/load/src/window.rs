//! The time that is measured: what the server, we and others used of the processors between its ends.

use std::time::Instant;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::Figures;
use crate::failure::{Context as _, Result};
use crate::process::{self, Cpu};
use crate::target::Common;

/// One end of it.
pub(crate) struct Window {
    at: Instant,
    server: Cpu,
    own: Cpu,
    server_core: f64,
    own_core: f64,
}

impl Window {
    pub(crate) fn begin(common: &Common) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: process::cpu(common.pid)?,
            own: process::cpu(std::process::id())?,
            server_core: process::core_busy(common.server_core)?,
            own_core: process::core_busy(common.core.unwrap_or(1))?,
        })
    }

    /// What happened since, for `units` of whatever was counted.
    ///
    /// `cpu_us`: the server's processor microseconds for each, its kernel time included. `foreign`: the part of a core, in percent,
    /// that others used: whoever they were, they disturbed the run.
    pub(crate) fn end(&self, common: &Common, units: f64) -> Result<Figures> {
        let end = Self::begin(common)?;
        let seconds = end.at.duration_since(self.at).as_secs_f64();
        let (server, own) = (end.server.total() - self.server.total(), end.own.total() - self.own.total());
        let others = (end.server_core - self.server_core - server).max(end.own_core - self.own_core - own).max(0.0);
        let mut figures = Figures::new();
        for (name, value) in [
            ("seconds", seconds),
            ("units", units),
            ("per_second", units / seconds),
            ("cpu_us", server / units * 1e6),
            ("kernel_percent", (end.server.system - self.server.system) / server.max(1e-9) * 100.0),
            ("server_percent", server / seconds * 100.0),
            ("load_percent", own / seconds * 100.0),
            ("foreign", others / seconds * 100.0),
            ("resident_kib", process::memory(common.pid)?.resident as f64),
            ("peak_kib", process::memory(common.pid)?.peak as f64),
        ] {
            figures.insert(name.to_owned(), json!(value));
        }
        Ok(figures)
    }
}

/// Nanoseconds up to a minute, to three digits.
pub(crate) fn latencies() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).context(|| "histogram".to_owned())
}
