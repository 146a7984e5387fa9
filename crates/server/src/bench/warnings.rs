//! What stood in the way of the measurement, and is not the server's doing.

use super::machine;
use super::plan::{Pace, Plan};
use super::report::Outcome;
use super::units::{count, time};

/// What the process needs for itself.
const OWN_DESCRIPTORS: u64 = 64;

/// Sends that are later than this are not what was planned, in microseconds.
const LATE: u64 = 5_000;

/// A load generator that takes so much of its threads has no time to look at the clock.
const BUSY: f64 = 0.9;

/// A machine that is busy for so much of the time has none left.
const SATURATED: f64 = 0.97;

/// What can be known before the run.
pub(super) fn before(plan: &Plan, descriptors: usize) -> Vec<String> {
    let connections = u64::from(plan.connections);
    let mut warnings = Vec::new();
    if connections + OWN_DESCRIPTORS > descriptors as u64 {
        warnings.push(format!(
            "this process may have {} files open, too few for {} connections: raise the hard limit (`ulimit -Hn`, or LimitNOFILE= in systemd)",
            count(descriptors as u64),
            count(connections)
        ));
    }
    if let Some(ports) = machine::local_ports().filter(|ports| connections > u64::from(*ports)) {
        warnings.push(format!(
            "from one address to another there are {} local ports here, too few for {} connections: widen net.ipv4.ip_local_port_range, or use several machines or addresses",
            count(u64::from(ports)),
            count(connections)
        ));
    }
    warnings
}

/// What the run has shown.
pub(super) fn after(plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(cpu) = outcome.cpu.filter(|cpu| *cpu >= BUSY * plan.threads.min(outcome.machine.processors) as f64) {
        let cure = if plan.threads < outcome.machine.processors { "give it more --threads" } else { "use a machine with more processors" };
        let note = if is_local(&plan.shown_url) { ", and not the server's own" } else { "" };
        warnings.push(format!(
            "the load generator itself was the bottleneck: it took all of {} ({:.0} %), so the server may do more, and latencies have waits of \
             this end in them: {cure}{note}",
            super::units::counted(plan.threads.min(outcome.machine.processors) as u64, "processor"),
            cpu * 100.0
        ));
    }
    if warnings.is_empty() && outcome.machine_busy.is_some_and(|busy| busy >= SATURATED) {
        warnings.push(
            "all processors of this machine were busy, with the load and with something beside it, so both waited for each other: make the load \
             from another machine, or less of it"
                .to_owned(),
        );
    }
    let late = outcome.total.lateness.percentile(99.0);
    if !matches!(plan.pace, Pace::Closed { .. }) && late > LATE {
        warnings.push(format!(
            "the load generator was late: one send of a hundred came {} or more after it was due, and latencies have that in them: use a lower \
             rate, or a machine with more time",
            time(late)
        ));
    }
    warnings
}

fn is_local(url: &str) -> bool {
    ["://127.", "://localhost", "://[::1]"].iter().any(|host| url.contains(host))
}
