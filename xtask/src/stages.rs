//! The stages of a run, and the table of them that it ends with.

use std::fmt;
use std::time::{Duration, Instant};

/// What ran so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    ended: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    took: Duration,
    passed: bool,
}

impl Stages {
    /// Runs a stage and records how long it took. A failure is handed on with the stage's name before it.
    pub(crate) fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = stage();
        self.ended.push(Stage { name: name.to_owned(), took: start.elapsed(), passed: outcome.is_ok() });
        outcome.map_err(|failure| format!("{name}: {failure}"))
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.ended.iter().map(|stage| stage.name.len()).max().unwrap_or(0).max("stage".len());
        writeln!(f, "{:width$}  seconds", "stage")?;
        for Stage { name, took, passed } in &self.ended {
            let note = if *passed { "" } else { "  FAILED" };
            writeln!(f, "{name:width$}  {:7.1}{note}", took.as_secs_f64())?;
        }
        let total: Duration = self.ended.iter().map(|stage| stage.took).sum();
        write!(f, "{:width$}  {:7.1}", "total", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_its_stage_and_stands_in_the_table() {
        let mut stages = Stages::default();
        stages.run("build", || Ok(())).unwrap();
        let failure = stages.run("nginx", || Err("no nginx".to_owned())).unwrap_err();
        assert_eq!(failure, "nginx: no nginx");
        let table = stages.to_string();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("build") && !lines[1].contains("FAILED"));
        assert!(lines[2].starts_with("nginx") && lines[2].ends_with("FAILED"));
        assert!(lines[3].starts_with("total"));
    }
}
