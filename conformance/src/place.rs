//! Where a program runs: here, or in a network namespace of its own whose traffic can be cut.
//!
//! The namespace has nothing but a loopback interface, so server, client and curl all run in it and meet at 127.0.0.1. A
//! client that is to lose its network comes from another address of that interface, and the cut is an nftables rule that
//! drops what comes from there and goes there: no socket is told, as when a cable is pulled. This needs root, or a kernel that
//! lets users make namespaces (Debian's does), and nothing is left behind: the namespace goes with its last process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;

use crate::{Failure, Result, installed};

/// Where a program runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// Where the test runs.
    Here,
    /// In this network.
    In(Arc<Network>),
}

impl Place {
    /// A new network to run programs in.
    pub fn new_network() -> Result<(Self, Arc<Network>)> {
        let network = Arc::new(Network::new()?);
        Ok((Self::In(Arc::clone(&network)), network))
    }

    /// The command that runs this program there. The process it starts is the program itself.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        match self {
            Self::Here => Ok(Command::new(program)),
            Self::In(network) => network.command(program.as_ref()),
        }
    }
}

/// A network namespace, kept by a process that waits in it.
#[derive(Debug)]
pub struct Network {
    keeper: Child,
    /// The keeper lives until this is closed, also when the test itself is killed.
    _lifeline: ChildStdin,
    of_a_user: bool,
}

impl Network {
    fn new() -> Result<Self> {
        let unshare = installed::program("unshare")?;
        let of_a_user = !Command::new(&unshare).args(["--net", "true"]).stderr(Stdio::null()).status()?.success();
        let mut command = Command::new(&unshare);
        command.arg("--net");
        if of_a_user {
            command.args(["--user", "--map-root-user"]);
        }
        let ip = installed::program("ip")?;
        let script = format!("{} link set lo up && echo ready && exec cat", ip.display());
        let mut keeper = command.args(["sh", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(lifeline), Some(stdout)) = (keeper.stdin.take(), keeper.stdout.take()) else {
            return Err(Failure::new("the keeper of a namespace has no pipes"));
        };
        let network = Self { keeper, _lifeline: lifeline, of_a_user };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() == "ready" {
            Ok(network)
        } else {
            Err(Failure::new("no network namespace could be made: this needs root, or `sysctl kernel.unprivileged_userns_clone=1`"))
        }
    }

    fn command(&self, program: &OsStr) -> Result<Command> {
        let mut command = Command::new(installed::program("nsenter")?);
        command.arg(format!("--target={}", self.keeper.id())).arg("--net");
        if self.of_a_user {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        Ok(command)
    }

    /// Drops every packet from and to this address, from now on.
    pub fn cut(&self, address: IpAddr) -> Result<()> {
        let rules = format!(
            "table inet cut {{ chain arriving {{ type filter hook input priority 0; \
             ip saddr {address} drop; ip daddr {address} drop; }}; }}"
        );
        let nft = installed::program("nft")?;
        let mut nft = self.command(nft.as_ref())?.args(["--file", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = nft.stdin.take() {
            stdin.write_all(rules.as_bytes())?;
        }
        let output = nft.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("nft: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.keeper.kill(); // it may have ended by itself
        let _ = self.keeper.wait();
    }
}
