//! What was measured, as it is kept.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Pace;
use super::machine::Machine;

/// What the load generator, or a program that measures itself, says of a run, by name.
pub(crate) type Figures = Map<String, Value>;

/// A table's runs, with where and when they were made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) table: String,
    pub(crate) date: String,
    pub(crate) commit: String,
    /// For a look: one short round.
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    /// Messages a second, where they come at set times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    pub(crate) runs: Vec<Run>,
}

/// One contender in one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) case: String,
    pub(crate) contender: String,
    pub(crate) round: usize,
    pub(crate) figures: Figures,
}

impl Run {
    /// A run in which others had more than this part of a core, in percent, is left out.
    pub(crate) const FOREIGN: f64 = 12.0;

    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name)?.as_f64()
    }

    /// What others used; nothing, where that is not known.
    pub(crate) fn foreign(&self) -> f64 {
        self.figure("foreign").unwrap_or(0.0)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.foreign() <= Self::FOREIGN
    }
}

/// The median of some runs, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// All of them were disturbed: the least disturbed one stands for them.
    pub(crate) disturbed: bool,
}

impl Record {
    pub(crate) fn save(&self, pace: Pace) -> Result<(), String> {
        let directory = pace.place()?.join("records");
        let file = directory.join(format!("{}.json", self.table));
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::create_dir_all(&directory).and_then(|()| fs::write(&file, text + "\n")).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// The record of this table, if there is one.
    pub(crate) fn load(table: &str, pace: Pace) -> Result<Option<Self>, String> {
        let file = pace.place()?.join("records").join(format!("{table}.json"));
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| format!("{}: {error}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }

    /// This figure in this case, by contender.
    pub(crate) fn measured(&self, case: &str, figure: &str) -> BTreeMap<&str, Measured> {
        let mut all: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        for run in self.runs.iter().filter(|run| run.case == case && run.figure(figure).is_some()) {
            all.entry(&run.contender).or_default().push(run);
        }
        all.into_iter().filter_map(|(contender, runs)| Some((contender, Measured::of(&runs, figure)?))).collect()
    }
}

impl Measured {
    fn of(runs: &[&Run], figure: &str) -> Option<Self> {
        let quiet: Vec<&Run> = runs.iter().copied().filter(|run| run.is_quiet()).collect();
        let disturbed = quiet.is_empty();
        let least_disturbed = runs.iter().copied().min_by(|a, b| a.foreign().total_cmp(&b.foreign()));
        let chosen = if disturbed { least_disturbed.into_iter().collect() } else { quiet };
        let mut values: Vec<f64> = chosen.iter().filter_map(|run| run.figure(figure)).collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, least, most, disturbed })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(cpu: f64, foreign: f64) -> Run {
        let figures = json!({"cpu_us": cpu, "foreign": foreign}).as_object().cloned().unwrap_or_default();
        Run { case: "c".into(), contender: "us".into(), round: 0, figures }
    }

    #[test]
    fn a_disturbed_run_counts_only_where_there_is_no_other() {
        let [quiet, limit, disturbed] = [run(1.0, 0.0), run(3.0, Run::FOREIGN), run(50.0, Run::FOREIGN + 0.1)];
        let of = |runs: &[&Run]| Measured::of(runs, "cpu_us").unwrap();
        let some = of(&[&quiet, &disturbed, &limit]);
        assert_eq!(some, Measured { median: 2.0, least: 1.0, most: 3.0, disturbed: false });
        let worse = run(70.0, 90.0);
        assert_eq!(of(&[&worse, &disturbed]), Measured { median: 50.0, least: 50.0, most: 50.0, disturbed: true });
        assert_eq!(Measured::of(&[&quiet], "p99_us"), None);
    }
}
