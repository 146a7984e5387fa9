//! What a runner says about its cases.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::autobahn::Cases;
use crate::{Failure, Result};

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
    /// Of the messages: `OK`, `NON-STRICT`, `UNIMPLEMENTED`, `INFORMATIONAL`, `FAILED`, …
    pub behavior: String,
    /// Of the close: `OK`, `INFORMATIONAL`, `WRONG CODE`, `UNCLEAN`, …
    pub close: String,
}

impl Verdict {
    /// Whether both are as good as they can be. `NON-STRICT` is not, and `UNIMPLEMENTED` is not.
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
    /// An error that names the cases, unless each of them was run and is good.
    pub fn require_all_good(&self, cases: Cases) -> Result<()> {
        let bad = self.verdicts.iter().filter(|(_, verdict)| !verdict.is_good());
        let bad: Vec<String> = bad.map(|(id, verdict)| format!("{id}: {verdict}")).collect();
        if !bad.is_empty() {
            return Err(Failure::new(format!("not OK, with every frame in {}:\n  {}", self.page.display(), bad.join("\n  "))));
        }
        match self.verdicts.len() {
            ran if ran == cases.count() => Ok(()),
            ran => Err(Failure::new(format!("{ran} cases were run, not {}", cases.count()))),
        }
    }

    /// Both runners write the same `index.json`: agent, case, verdicts.
    pub(super) fn read(directory: &Path) -> Result<Self> {
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

/// The counts: `375 cases; behaviour OK 371, INFORMATIONAL 4; close OK 372, INFORMATIONAL 3`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cases", self.verdicts.len())?;
        let behavior: fn(&Verdict) -> &str = |verdict| &verdict.behavior;
        let close: fn(&Verdict) -> &str = |verdict| &verdict.close;
        for (name, part) in [("behaviour", behavior), ("close", close)] {
            let mut counts = BTreeMap::<&str, usize>::new();
            self.verdicts.values().for_each(|verdict| *counts.entry(part(verdict)).or_default() += 1);
            let counts: Vec<String> = counts.iter().rev().map(|(verdict, count)| format!("{verdict} {count}")).collect();
            write!(f, "; {name} {}", counts.join(", "))?;
        }
        Ok(())
    }
}
