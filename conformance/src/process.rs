//! A program that a test started: what it printed, its signals, its end.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::output::Output;
use crate::{Failure, Result, eventually};

/// A running program. It is killed, by its own id, when this is dropped.
pub struct Process {
    name: String,
    child: Child,
    output: Output,
}

impl Process {
    /// Starts a program and follows what it prints. The name is for failures.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::new(format!("{name} did not start: {error}")))?;
        let output = Output::default();
        if let Some(stdout) = child.stdout.take() {
            output.follow(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            output.follow(stderr);
        }
        Ok(Self { name: name.to_owned(), child, output })
    }

    /// Waits for a line that begins so, after any indentation, and returns the rest of it.
    pub fn wait_for_line(&self, beginning: &str, within: Duration) -> Result<String> {
        let found = self.output.wait_for(within, |line| Some(line.trim_start().strip_prefix(beginning)?.trim().to_owned()));
        found.ok_or_else(|| self.failure(format!("no line began with {beginning:?} within {within:?}")))
    }

    /// Waits for a line that has this in it, and returns the line.
    pub fn wait_for_mention(&self, part: &str, within: Duration) -> Result<String> {
        let found = self.output.wait_for(within, |line| line.contains(part).then(|| line.to_owned()));
        found.ok_or_else(|| self.failure(format!("no line had {part:?} in it within {within:?}")))
    }

    /// What follows this beginning in the last line that has it, if one has.
    pub fn last_line(&self, beginning: &str) -> Option<String> {
        self.output.last(|line| Some(line.trim_start().strip_prefix(beginning)?.trim().to_owned()))
    }

    /// How many lines it has printed.
    pub fn printed_lines(&self) -> usize {
        self.output.count()
    }

    /// The last lines that it printed.
    pub fn printed(&self) -> String {
        self.output.to_string()
    }

    /// Waits for the program to end by itself.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        eventually(within, "its end", || self.exit_status()).map_err(|failure| self.failure(failure.to_string()))
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.exit_status()?.is_some())
    }

    /// How the program ended, once it has.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, named as `kill` names it: `STOP`, `KILL`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status()?;
        if status.success() { Ok(()) } else { Err(self.failure(format!("kill -{name} ended with {status}"))) }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors the process has open.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.id()))?.count())
    }

    /// The most memory that the process has had at once, in bytes.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak.map(|kib| kib * 1024).ok_or_else(|| self.failure("no VmHWM in its status"))
    }

    /// This, with the program's name before it and what it printed last after it.
    pub fn failure(&self, text: impl Into<String>) -> Failure {
        Failure::new(format!("{}: {}; it printed:\n{}", self.name, text.into(), self.output))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
