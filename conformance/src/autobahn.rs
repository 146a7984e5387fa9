//! The Autobahn test suite's fuzzing client, by whichever of its two runners this machine has.
//!
//! `wstest` is the original. `kosoku` runs the same case files without Python 2.7; it gives the same verdicts, but for what
//! [`Runner::overlooks`] tells. `cargo xtask setup` installs the one that fits; `SILVERBACK_AUTOBAHN=wstest` or `=kosoku`
//! forces one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Failure, Process, Result, installed};

/// Sections 1 to 7, 9 and 10: everything but compression.
pub const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
/// How many cases these are.
pub const CASE_COUNT: usize = 301;

/// The run takes 15 to 25 s; a case that hangs ends it.
const LIMIT: Duration = Duration::from_secs(240);

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

    /// What this runner does not look at, for the summary of a run.
    pub fn overlooks(self) -> Option<&'static str> {
        match self {
            Self::Wstest => None,
            // With a server that leaves TCP open, wstest says FAILED BY CLIENT for 3.2, 7.3.6, 7.9.1 and others, kosoku OK.
            Self::Kosoku => Some("whether the server ends TCP after a protocol error: a Close frame is enough for it"),
        }
    }

    /// Runs the cases against the server at this address. The report with every frame stays in `target/conformance/`.
    pub fn run(self, server: SocketAddr, cases: &[&str]) -> Result<Report> {
        let directory = installed::directory()?.join(format!("autobahn-{self}"));
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let mut command = match self {
            Self::Wstest => self.wstest(server, cases, &directory)?,
            Self::Kosoku => self.kosoku(server, cases, &directory)?,
        };
        let mut process = Process::start(&self.to_string(), &mut command)?;
        process.wait(LIMIT)?; // its status tells less than its report
        Report::read(&directory).map_err(|failure| process.failure(failure.to_string()))
    }

    fn wstest(self, server: SocketAddr, cases: &[&str], directory: &Path) -> Result<Command> {
        // wstest leaves a glob open at its end: 12.*.1 would take in 12.1.10. A `$` closes it.
        let cases: Vec<String> =
            cases.iter().map(|case| if case.contains('*') { format!("{case}$") } else { (*case).to_owned() }).collect();
        let spec = json!({
            "servers": [{ "agent": "silverback", "url": format!("ws://{server}") }],
            "outdir": directory, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {},
        });
        let file = directory.join("spec.json");
        std::fs::write(&file, spec.to_string())?;
        let mut command = Command::new(self.program()?);
        command.args(["-m", "fuzzingclient", "-s"]).arg(file).current_dir(directory);
        Ok(command)
    }

    fn kosoku(self, server: SocketAddr, cases: &[&str], directory: &Path) -> Result<Command> {
        let mut command = Command::new(self.program()?);
        command.arg("--outdir").arg(directory);
        for case in cases {
            command.args(["--include", case]);
        }
        command.arg(server.to_string());
        Ok(command)
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

/// What came of a run: a verdict for each case.
#[derive(Debug)]
pub struct Report {
    /// By the id of the case, such as `6.4.1`.
    pub verdicts: BTreeMap<String, Verdict>,
    /// The page that shows every case.
    pub page: PathBuf,
}

/// What a runner says about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Of the messages: `OK`, `NON-STRICT`, `INFORMATIONAL`, `FAILED`, …
    pub behavior: String,
    /// Of the close: `OK`, `INFORMATIONAL`, `WRONG CODE`, `UNCLEAN`, …
    pub close: String,
}

impl Verdict {
    /// Whether both are as good as they can be. `NON-STRICT` is not.
    pub fn is_good(&self) -> bool {
        [&self.behavior, &self.close].into_iter().all(|verdict| verdict == "OK" || verdict == "INFORMATIONAL")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "behaviour {}, close {}", self.behavior, self.close)
    }
}

impl Report {
    /// Both runners write the same `index.json`: agent, case, verdicts.
    fn read(directory: &Path) -> Result<Self> {
        let file = directory.join("index.json");
        let index = std::fs::read_to_string(&file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let index: Value = serde_json::from_str(&index)?;
        let Some(cases) = index.as_object().and_then(|agents| agents.values().next()).and_then(Value::as_object) else {
            return Err(Failure::new(format!("no agent in {}", file.display())));
        };
        let text = |case: &Value, key: &str| case.get(key).and_then(Value::as_str).unwrap_or("no verdict").to_owned();
        let verdict = |case: &Value| Verdict { behavior: text(case, "behavior"), close: text(case, "behaviorClose") };
        let verdicts = cases.iter().map(|(id, case)| (id.clone(), verdict(case))).collect();
        Ok(Self { verdicts, page: directory.join("index.html") })
    }
}
