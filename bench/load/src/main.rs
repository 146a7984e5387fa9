//! A neutral load generator: one thread, raw epoll, frames made by hand, no WebSocket library.
//!
//! | mode | what it does |
//! | --- | --- |
//! | `echo` | every connection keeps up to `--depth` messages in flight; with `--rate`, messages come at set times instead |
//! | `fan-out` | the first connection publishes, all of them receive |
//! | `churn` | opens and resets batches of connections |
//! | `idle` | opens many connections, holds them, and says what each costs the server |
//!
//! It prints one JSON object. The server's processor time and memory are read from `/proc`. `main.rs` holds the options, `echo.rs` is
//! the place to start reading.

mod answers;
mod churn;
mod deflate;
mod echo;
mod failure;
mod fan_out;
mod frame;
mod held;
mod idle;
mod lane;
mod open;
mod payload;
mod poll;
mod process;
mod ring;
mod shard;
mod stalled;
mod target;
mod window;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::{Map, Value};

use failure::{Context as _, Result};

#[derive(Parser)]
#[command(about = "A load generator without a WebSocket library: prints one JSON object", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Echo: the answers are compared, byte for byte
    Echo(echo::Options),
    /// The first connection publishes, all of them receive
    FanOut(fan_out::Options),
    /// Handshakes: opens and resets batches of connections
    Churn(churn::Options),
    /// Holds many connections, and says what each costs the server
    Idle(idle::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().mode {
        Mode::Echo(options) => pinned(options.common.core).and_then(|()| echo::run(&options)),
        Mode::FanOut(options) => pinned(options.common.core).and_then(|()| fan_out::run(&options)),
        Mode::Churn(options) => pinned(options.common.core).and_then(|()| churn::run(&options)),
        Mode::Idle(options) => pinned(options.common.core).and_then(|()| idle::run(&options)),
    };
    match outcome {
        Ok(figures) => {
            println!("{}", Value::Object(figures));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("load: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// What a mode has to say, by name.
type Figures = Map<String, Value>;

fn pinned(core: Option<usize>) -> Result<()> {
    let Some(core) = core else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context(|| format!("cannot keep to core {core}; is there one?"))
}
