//! What runs the suite's cases: whichever of two programs this machine has.
//!
//! `wstest` is the original. `kosoku` runs the same case files without Python 2.7, and not those of compression; it gives the
//! same verdicts, but for what [`Runner::overlooks`] tells. `cargo xtask setup` installs the one that fits;
//! `SILVERBACK_AUTOBAHN=wstest` or `=kosoku` forces one.

use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::progress::Progress;
use super::{Cases, Report};
use crate::{Failure, Process, Result, eventually, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// What drives the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The original, on Python 2.7.
    Wstest,
    /// The same cases, on Python 3.
    Kosoku,
}

impl Runner {
    /// The runner that the environment names; else the better one of those installed.
    pub fn find() -> Result<Self> {
        let forced = std::env::var("SILVERBACK_AUTOBAHN").ok();
        let wanted = match forced.as_deref() {
            None => vec![Self::Wstest, Self::Kosoku],
            Some("wstest") => vec![Self::Wstest],
            Some("kosoku") => vec![Self::Kosoku],
            Some(other) => return Err(Failure::new(format!("SILVERBACK_AUTOBAHN={other} is neither wstest nor kosoku"))),
        };
        for runner in &wanted {
            if runner.home()?.join(".ready").is_file() {
                return Ok(*runner);
            }
        }
        Err(Failure::new(format!("not installed: {wanted:?}; run `cargo xtask setup`")))
    }

    /// The cases that are asked for, as far as this runner can run them.
    pub fn cases(self) -> Result<Cases> {
        match (self, Cases::chosen()?) {
            (Self::Wstest, chosen) => Ok(chosen),
            (Self::Kosoku, Cases::All) => Err(Failure::new("all cases are run only by wstest, which needs a Python 2.7")),
            // Of its cases of compression 48 end with an error of its own: "Strings must be encoded before hashing".
            (Self::Kosoku, _) => Ok(Cases::Core),
        }
    }

    /// What this runner does not look at, for the summary of a run.
    pub fn overlooks(self) -> Option<&'static str> {
        match self {
            Self::Wstest => None,
            // With a server that leaves TCP open, wstest says FAILED BY CLIENT for 3.2, 7.3.6, 7.9.1 and others, kosoku OK.
            Self::Kosoku => Some("compression, nor whether the server ends TCP after a protocol error: a Close frame is enough for it"),
        }
    }

    /// Runs the cases against the server at this address. The report with every frame stays in `target/conformance/`.
    pub fn test_server(self, server: SocketAddr, cases: Cases) -> Result<Report> {
        let directory = self.empty_directory("server")?;
        let servers = json!({ "servers": [{ "agent": "silverback", "url": format!("ws://{server}") }] });
        let mut command = match self {
            Self::Wstest => self.wstest("fuzzingclient", servers, cases, &directory)?,
            Self::Kosoku => self.kosoku("fuzzingclient", server, cases, &directory)?,
        };
        let mut process = Process::start(&self.to_string(), &mut command)?;
        let mut progress = Progress::new("server");
        let ended = eventually(cases.limit(), "the end of the run", || {
            progress.look(&process);
            Ok(process.has_ended()?.then_some(()))
        });
        ended.and_then(|()| Report::read(&directory)).map_err(|failure| process.failure(failure.to_string()))
    }

    /// Runs the cases against a client, which is told where the fuzzing server is. Its report stays beside the other.
    pub fn test_client(self, client: impl FnOnce(SocketAddr) -> Result<Command>, cases: Cases) -> Result<Report> {
        let directory = self.empty_directory("client")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?; // free, a moment ago
        let mut command = match self {
            Self::Wstest => self.wstest("fuzzingserver", json!({ "url": format!("ws://{address}") }), cases, &directory)?,
            Self::Kosoku => self.kosoku("fuzzingserver", address, cases, &directory)?,
        };
        let mut server = Process::start(&self.to_string(), &mut command)?;
        eventually(STARTS_WITHIN, "it to listen", || match server.has_ended()? {
            true => Err(server.failure("it ended at once")),
            false => Ok(TcpStream::connect(address).ok()),
        })?;

        let mut client = Process::start("the client", &mut client(address)?)?;
        let mut progress = Progress::new("client");
        let ended = eventually(cases.limit(), "the client's end", || {
            progress.look(&server);
            client.exit_status()
        });
        let status = ended.map_err(|failure| server.failure(failure.to_string()))?;
        if !status.success() {
            return Err(client.failure(format!("it ended with {status}")));
        }
        if self == Self::Kosoku {
            server.wait(ENDS_WITHIN)?; // it writes its report then, and wstest when the client asks
        }
        Report::read(&directory).map_err(|failure| server.failure(failure.to_string()))
    }

    fn wstest(self, mode: &str, mut spec: Value, cases: Cases, directory: &Path) -> Result<Command> {
        // wstest leaves a glob open at its end: 12.*.1 would take in 12.1.10. A `$` closes it.
        let cases: Vec<String> =
            cases.globs().iter().map(|case| if case.contains('*') { format!("{case}$") } else { (*case).to_owned() }).collect();
        spec["outdir"] = json!(directory);
        spec["cases"] = json!(cases);
        spec["exclude-cases"] = json!([]);
        spec["exclude-agent-cases"] = json!({});
        let file = directory.join("spec.json");
        std::fs::write(&file, spec.to_string())?;
        let mut command = Command::new(self.program()?);
        command.args(["--mode", mode, "--webport", "0", "--spec"]).arg(file).current_dir(directory).env("PYTHONUNBUFFERED", "1");
        Ok(command)
    }

    fn kosoku(self, mode: &str, server: SocketAddr, cases: Cases, directory: &Path) -> Result<Command> {
        let mut command = Command::new(self.program()?);
        command.args(["--mode", mode]).arg("--outdir").arg(directory);
        for case in cases.globs() {
            command.args(["--include", case]);
        }
        command.arg(server.to_string());
        Ok(command)
    }

    fn empty_directory(self, role: &str) -> Result<PathBuf> {
        let directory = installed::directory()?.join(format!("autobahn-{self}-{role}"));
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    fn program(self) -> Result<PathBuf> {
        Ok(self.home()?.join("bin").join(self.to_string()))
    }

    fn home(self) -> Result<PathBuf> {
        Ok(installed::directory()?.join(self.to_string()))
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wstest => "wstest",
            Self::Kosoku => "kosoku",
        })
    }
}
