//! A contender's server: started on its own core, and gone when this is.
#![expect(clippy::disallowed_methods, reason = "nothing runs on this thread while it sleeps")]

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::build;
use super::contender::Contender;
use super::record::Figures;
use crate::run::typed;

/// The cores that a server and the load generator keep to.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server<'a> {
    contender: &'a Contender,
    child: Child,
    port: u16,
}

impl<'a> Server<'a> {
    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(contender: &'a Contender) -> Result<Self, String> {
        let port = free_port()?;
        let mut command = Command::new("prlimit");
        // As many open files as are allowed: not all of them raise their limit themselves.
        command.args([format!("--nofile={}:", hard_limit()?), "taskset".into(), "-c".into(), SERVER_CORE.into()]);
        command.args(contender.command(port)?).env("GOMAXPROCS", "1");
        command.envs(contender.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("`{}` did not start: {error}", typed(&command)))?;
        let mut server = Self { contender, child, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{}: `{}` ended with {status}", contender.name, typed(&command)));
            }
            if Instant::now() > deadline {
                return Err(format!("{}: `{}` does not listen on port {port} after {PATIENCE:?}", contender.name, typed(&command)));
            }
            sleep(Duration::from_millis(10));
        }
        sleep(Duration::from_millis(100)); // what it does at its start is not measured
        Ok(server)
    }

    /// Runs the load generator against it, and reads what that says.
    pub(crate) fn load(&self, mode: &str, options: &[String]) -> Result<Figures, String> {
        self.load_with(&build::load()?, mode, options)
    }

    /// The same with another build of the load generator.
    pub(crate) fn load_with(&self, load: &Path, mode: &str, options: &[String]) -> Result<Figures, String> {
        let mut command = Command::new(load);
        command.args([mode, "--core", LOAD_CORE, "--server-core", SERVER_CORE]);
        command.arg("--address").arg(SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port).to_string());
        command.arg("--pid").arg(self.child.id().to_string()).args(options).args(self.contender.load_options()?);
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("`{}` did not start: {error}", typed(&command)))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("{}: {}", self.contender.name, String::from_utf8_lossy(&output.stderr).trim()));
        }
        serde_json::from_str(printed.trim()).map_err(|error| format!("the load generator printed {printed:?}: {error}"))
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free a moment ago. A new one for each server: what the last one's connections leave behind does not matter.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no port is free: {error}"))
}

fn hard_limit() -> Result<u64, String> {
    let limits = std::fs::read_to_string("/proc/self/limits").map_err(|error| format!("/proc/self/limits: {error}"))?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let hard = line.and_then(|line| line.split_whitespace().nth(4)?.parse().ok());
    hard.ok_or_else(|| format!("/proc/self/limits has no hard limit of open files:\n{limits}"))
}
