//! Who is measured, and how each is started. In its arguments, `PORT` stands for the port to listen on, and
//! `BENCH` for the directory of what was built.

use std::path::PathBuf;

use super::build;
use crate::run::find;

/// A server, by the name that stands in the tables.
#[derive(Clone)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    program: Program,
    arguments: &'static [&'static str],
    load: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Its machine code is made while it runs, or its memory is collected: it is given longer to warm up.
    pub(crate) warms_up_slowly: bool,
    /// Peers that are there for completeness have fewer rounds.
    pub(crate) in_every_round: bool,
}

/// What is started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Program {
    Silverback,
    /// As tests are built, not as it is shipped.
    UnoptimisedSilverback,
    /// An example of one of our packages.
    Example(&'static str, &'static str),
    Rust,
    UWebSockets,
    Gorilla,
    Ws,
    Bun,
}

impl Contender {
    pub(crate) const fn new(name: &'static str, program: Program, arguments: &'static [&'static str]) -> Self {
        Self {
            name,
            program,
            arguments,
            load: Vec::new(),
            environment: Vec::new(),
            warms_up_slowly: matches!(program, Program::Gorilla | Program::Ws | Program::Bun),
            in_every_round: true,
        }
    }

    /// With these options of the load generator.
    pub(crate) fn with(mut self, load: &[&str]) -> Self {
        self.load.extend(load.iter().map(ToString::to_string));
        self
    }

    pub(crate) fn in_environment(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// In one round only.
    pub(crate) fn once(mut self) -> Self {
        self.in_every_round = false;
        self
    }

    pub(crate) fn program(&self) -> Program {
        self.program
    }

    /// Neither a peer nor the floor.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.program, Program::Silverback | Program::UnoptimisedSilverback | Program::Example(..))
    }

    /// The command line.
    pub(crate) fn command(&self, port: u16) -> Result<Vec<PathBuf>, String> {
        let directory = build::directory()?;
        let program = match self.program {
            Program::Silverback => vec![build::release()?.join("silverback")],
            Program::UnoptimisedSilverback => vec![build::unoptimised()?.join("silverback")],
            Program::Example(_, name) => vec![build::release()?.join("examples").join(name)],
            Program::Rust => vec![directory.join("peers/release/peers")],
            Program::UWebSockets => vec![directory.join("uws")],
            Program::Gorilla => vec![directory.join("gorilla")],
            Program::Ws => vec![find("node").ok_or("node is not there")?, directory.join("js/ws.js")],
            Program::Bun => vec![directory.join("js/node_modules/@oven/bun-linux-x64/bin/bun"), directory.join("js/bun.js")],
        };
        let arguments = self.arguments.iter().map(|word| word.replace("PORT", &port.to_string()));
        let arguments = arguments.map(|word| placed(&word)).collect::<Result<Vec<_>, _>>()?;
        Ok(program.into_iter().chain(arguments.into_iter().map(PathBuf::from)).collect())
    }

    /// The options of the load generator that it needs.
    pub(crate) fn load_options(&self) -> Result<Vec<String>, String> {
        self.load.iter().map(|word| placed(word)).collect()
    }
}

fn placed(word: &str) -> Result<String, String> {
    Ok(word.replace("BENCH", &build::directory()?.to_string_lossy()))
}

/// Plain TCP: the floor.
pub(crate) const RAW: &str = "raw TCP";
pub(crate) const OURS: &str = "silverback";

pub(crate) fn raw() -> Contender {
    Contender::new(RAW, Program::Rust, &["raw", "PORT"]).with(&["--raw"])
}

/// `silverback echo`: `run`, its queue, heartbeat, limits and compression on, as by default.
pub(crate) fn silverback() -> Contender {
    Contender::new(OURS, Program::Silverback, &["echo", "--listen", "127.0.0.1:PORT"])
}

pub(crate) fn uwebsockets() -> Contender {
    Contender::new("uWebSockets", Program::UWebSockets, &["PORT"])
}

pub(crate) fn fastwebsockets() -> Contender {
    Contender::new("fastwebsockets", Program::Rust, &["fastwebsockets", "PORT"])
}

pub(crate) fn tokio_websockets() -> Contender {
    Contender::new("tokio-websockets", Program::Rust, &["tokio-websockets", "PORT"])
}

pub(crate) fn tokio_websockets_batched() -> Contender {
    Contender::new("tokio-websockets, batched", Program::Rust, &["tokio-websockets-batched", "PORT"])
}

pub(crate) fn tungstenite() -> Contender {
    Contender::new("tungstenite", Program::Rust, &["tungstenite", "PORT"])
}

pub(crate) fn tungstenite_batched() -> Contender {
    Contender::new("tungstenite, batched", Program::Rust, &["tungstenite-batched", "PORT"])
}

pub(crate) fn yawc() -> Contender {
    Contender::new("yawc", Program::Rust, &["yawc", "PORT"])
}

pub(crate) fn yawc_batched() -> Contender {
    Contender::new("yawc, batched", Program::Rust, &["yawc-batched", "PORT"])
}

pub(crate) fn gorilla() -> Contender {
    Contender::new("gorilla", Program::Gorilla, &["PORT"])
}

pub(crate) fn ws() -> Contender {
    Contender::new("ws", Program::Ws, &["PORT"])
}

pub(crate) fn bun() -> Contender {
    Contender::new("bun", Program::Bun, &["PORT"])
}
