//! Other houses' makers of tokens: `conformance/peers/README.md` says what they do.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Failure, Process, Result, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Another implementation of JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Minter {
    /// Python's PyJWT.
    PyJwt,
    /// npm's jose.
    Jose,
}

impl Minter {
    /// Keys of every algorithm, and tokens by them and by others.
    pub fn tokens(self) -> Result<Value> {
        let output = self.program()?.arg("tokens").output()?;
        if !output.status.success() {
            return Err(Failure::new(format!("{self:?}: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn program(self) -> Result<Command> {
        let peers = installed::source("conformance/peers");
        let there = installed::directory()?;
        match self {
            Self::PyJwt => {
                let mut python = Command::new(there.join("pyjwt/bin/python"));
                python.arg(peers.join("pyjwt/tokens.py"));
                Ok(python)
            }
            Self::Jose => {
                let mut node = Command::new(installed::program("node")?);
                node.env("NODE_PATH", there.join("jose/node_modules")).arg(peers.join("jose/tokens.cjs"));
                Ok(node)
            }
        }
    }
}

/// A running server of key sets, with one key that nobody else has. It is jose's.
pub struct KeyServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// A token by its key.
    pub token: String,
    /// A token that names a key which it does not have.
    pub unknown: String,
    /// The process, for its end.
    pub process: Process,
}

impl KeyServer {
    /// Starts one, on this port or on a free one.
    pub fn start(port: Option<u16>) -> Result<Self> {
        let mut command = Minter::Jose.program()?;
        let process = Process::start("jose as a server of keys", command.args(["serve", &port.unwrap_or(0).to_string()]))?;
        let address = process.wait_for_line("listening on ", STARTS_WITHIN)?.parse()?;
        let [token, unknown] = ["token ", "unknown "].map(|line| process.wait_for_line(line, STARTS_WITHIN));
        Ok(Self { address, token: token?, unknown: unknown?, process })
    }

    /// How many requests there were.
    pub fn asked(&self) -> usize {
        self.process.last_line("asked ").and_then(|count| count.parse().ok()).unwrap_or(0)
    }
}
