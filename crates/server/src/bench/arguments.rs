//! The command's arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::payload::Payload;
use crate::config::parse_time;
use crate::target::Target;

/// What `--json` without a file stands for.
pub(super) const JSON_TO_STDOUT: &str = "-";

#[derive(Debug, Args)]
#[command(after_help = "\
Without --rate or --total-rate, a connection sends its next message when an answer has come (closed loop): that finds the most that a \
server does, and a server that stands still is not asked. With one of them, messages are due at fixed times (open loop), and latency \
counts from the time that a message was due: that finds what users of a steady load would feel. docs/bench.md tells more.

Exits with 0 only if every connection was made and kept, and every message arrived. Ctrl-C ends a run early and still reports.")]
pub(crate) struct Bench {
    #[command(flatten)]
    pub(super) target: Target,
    /// How many connections
    #[arg(short = 'c', long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) connections: u32,
    /// Over how long they connect, one after the other
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    pub(super) ramp: Duration,
    /// How long messages are sent, once all are connected
    #[arg(short = 'd', long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(super) duration: Duration,
    /// echo: each message is to come back. push: messages come from the server
    #[arg(long, value_enum, default_value = "echo")]
    pub(super) mode: Mode,
    /// Messages a second of each connection (push: for each user), as in 10 or 0.5: an open loop
    #[arg(long, value_name = "R", value_parser = parse_rate, conflicts_with = "total_rate")]
    pub(super) rate: Option<f64>,
    /// Messages a second of all connections together: an open loop
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    pub(super) total_rate: Option<f64>,
    /// Closed loop: how many messages of a connection wait for their answers (push: how many requests to the API, in all) [default: 1]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with_all = ["rate", "total_rate"])]
    pub(super) in_flight: Option<u32>,
    /// What is sent: a size, as in 125 or 16KiB, or @FILE for what is in a file
    #[arg(long, value_name = "SIZE", default_value = "125", value_parser = Payload::parse)]
    pub(super) payload: Payload,
    /// Sends it as text messages instead of binary ones
    #[arg(long)]
    pub(super) text: bool,
    /// A Silverback server: connects as so many users, in turn, with tokens signed with the key in SILVERBACK_AUTH_SECRET
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with = "token")]
    pub(super) users: Option<u32>,
    /// With --mode push: posts to these users through the API of a Silverback server here, with the key in SILVERBACK_API_KEY
    #[arg(long, value_name = "URL", requires = "users")]
    pub(super) api: Option<String>,
    /// How many threads make the load [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,
    /// How long a connection may take to be made, and the last answers to come
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(super) timeout: Duration,
    /// Writes a page with charts, which needs nothing else to be looked at
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Prints JSON instead of the table, or writes it to a file besides: --json or --json=FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = JSON_TO_STDOUT)]
    pub(super) json: Option<String>,
    /// A configuration file (TOML) with the keys of the server
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    Echo,
    Push,
}

fn parse_rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.001..=10_000_000.0).contains(rate));
    rate.ok_or("write messages a second, as in 10 or 0.5, from 0.001 to 10000000")
}
