//! Other libraries, each as a program of a few lines: `conformance/peers/README.md` says what they do.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::{Process, Result, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// Another implementation of WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// Go's.
    Gorilla,
    /// Rust's: tokio-tungstenite.
    Tungstenite,
    /// Python's.
    Websockets,
    /// Node's.
    Ws,
}

impl Library {
    /// Starts an echo server on a free port. What `compression` may be, the README says.
    pub fn serve(self, compression: &str) -> Result<(Process, SocketAddr)> {
        let process = Process::start(&format!("{self:?} as a server"), self.program()?.args(["serve", compression]))?;
        let address = process.wait_for_line("listening on ", STARTS_WITHIN)?.parse()?;
        Ok((process, address))
    }

    /// Starts a client, which ends well when everything that it sent came back.
    pub fn connect(self, url: &str, compression: &str) -> Result<Process> {
        Process::start(&format!("{self:?} as a client"), self.program()?.args(["connect", url, compression]))
    }

    fn program(self) -> Result<Command> {
        let peers = installed::source("conformance/peers");
        let there = installed::directory()?;
        match self {
            Self::Gorilla => Ok(Command::new(there.join("gorilla_peer"))),
            Self::Tungstenite => Ok(Command::new(installed::binary("tungstenite_peer")?)),
            Self::Websockets => {
                let mut python = Command::new(there.join("websockets/bin/python"));
                python.arg(peers.join("websockets/peer.py"));
                Ok(python)
            }
            Self::Ws => {
                let mut node = Command::new(installed::program("node")?);
                node.env("NODE_PATH", there.join("ws/node_modules")).arg(peers.join("ws/peer.cjs"));
                Ok(node)
            }
        }
    }
}
