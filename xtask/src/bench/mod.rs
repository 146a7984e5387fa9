//! `cargo xtask bench`: measures the library and the server beside others, and writes `bench/RESULTS.md` with its charts.
//!
//! Every table is measured interleaved in one run: rounds over cases over contenders, a new server for each, pinned to core 0, with
//! `bench/load` on core 1. What was measured is kept as `bench/records/TABLE.json`, from which the results are put together: a table
//! can be measured again without the others. `tables.rs` says what is measured, `rounds.rs` how.

mod build;
mod chart;
mod contender;
mod machine;
mod record;
mod report;
mod rounds;
mod server;
mod smoke;
mod table;
mod tables;
mod tokens;

use std::path::PathBuf;

use crate::run::{root, target_directory};
use crate::stages::Stages;
use table::Table;

/// `[--quick] [--report] [TABLE…]`: measures these tables, or all but `million`, and writes the results anew.
///
/// `--quick` measures the closest contenders, once and shortly, for a look; `--report` measures nothing; `--smoke`, which stands alone, only
/// sees whether anything could be measured.
pub(crate) fn bench(stages: &mut Stages, arguments: &[&str]) -> Result<(), String> {
    if arguments == ["--smoke"] {
        return smoke(stages);
    }
    let pace = if arguments.contains(&"--quick") { Pace::Quick } else { Pace::Full };
    let names: Vec<&str> = arguments.iter().copied().filter(|argument| !argument.starts_with("--")).collect();
    if let Some(unknown) = arguments.iter().find(|argument| argument.starts_with("--") && !["--quick", "--report"].contains(argument)) {
        return Err(format!("{unknown} is not known: there are --quick, --report and, alone, --smoke"));
    }
    let tables = chosen(&names)?;
    let mut failures = Vec::new();
    if !arguments.contains(&"--report") {
        stages.run("programs", || build::all(&tables))?;
        for table in &tables {
            if let Err(failure) = stages.run(&format!("bench {}", table.name), || measure(table, pace)) {
                println!("{failure}"); // the other tables are measured all the same
                failures.push((table.name, failure));
            }
        }
    }
    stages.run("results", || report::write(pace))?;
    if failures.is_empty() { Ok(()) } else { Err(go_on(&failures, pace)) }
}

/// A second of echo, every byte compared, so that what measures works when it is needed.
pub(crate) fn smoke(stages: &mut Stages) -> Result<(), String> {
    stages.run("bench smoke", smoke::smoke)
}

/// How thoroughly to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// For the record, in `bench/`.
    Full,
    /// For a look, below `target/`.
    Quick,
}

impl Pace {
    /// Where records and results go.
    fn place(self) -> Result<PathBuf, String> {
        match self {
            Self::Full => Ok(root().join("bench")),
            Self::Quick => Ok(target_directory()?.join("bench/quick")),
        }
    }
}

fn measure(table: &Table, pace: Pace) -> Result<(), String> {
    let record = rounds::measure(table, pace)?;
    println!("{}", report::matrices(table, &record));
    record.save(pace)
}

fn chosen(names: &[&str]) -> Result<Vec<Table>, String> {
    let all = tables::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|table| table.name != **name)) {
        let known: Vec<&str> = all.iter().map(|table| table.name).collect();
        return Err(format!("there is no table {unknown}; there are {}", known.join(", ")));
    }
    let is_chosen = |name| if names.is_empty() { name != tables::MILLION } else { names.contains(&name) };
    Ok(all.into_iter().filter(|table| is_chosen(table.name)).collect())
}

/// What is measured is kept: the rest is one command away.
fn go_on(failures: &[(&str, String)], pace: Pace) -> String {
    let (names, reasons): (Vec<&str>, Vec<&str>) = failures.iter().map(|(name, failure)| (*name, failure.as_str())).unzip();
    let quick = if pace == Pace::Quick { "--quick " } else { "" };
    format!("{}\nGo on with `cargo xtask bench {quick}{}`", reasons.join("\n"), names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_can_be_measured_again_with_the_command_that_is_named() {
        let failures = [("tail", "bench tail: no server".to_owned()), ("idle", "bench idle: no memory".to_owned())];
        let said = go_on(&failures, Pace::Quick);
        assert_eq!(said, "bench tail: no server\nbench idle: no memory\nGo on with `cargo xtask bench --quick tail idle`");
    }

    #[test]
    fn a_table_that_is_not_there_is_named_with_those_that_are() {
        let failure = bench(&mut Stages::default(), &["ecco"]).unwrap_err();
        assert!(failure.starts_with("there is no table ecco; there are echo, "), "{failure}");
        let failure = bench(&mut Stages::default(), &["--fast"]).unwrap_err();
        assert!(failure.starts_with("--fast is not known"), "{failure}");
    }
}
