//! `cargo xtask instructions`: how many instructions the echo path takes for a message, against the record in `bench/instructions.toml`.
//!
//! Instructions, unlike times, are the same on a busy machine. Valgrind counts them, and shows every processor with AVX2 as the same one, so
//! what chooses its code by the processor (simdutf8, memcpy) chooses the same everywhere. A case is run twice, with different numbers of
//! rounds, and the difference is what the rounds cost: the start of the program, the runtime and the handshake do not count.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::run::{cargo, find, output, root, run, target_directory};
use crate::stages::Stages;

const RECORD: &str = "bench/instructions.toml";

/// Multiples of 61: the runtime looks at its timers and sockets after so many polls, which so falls into each run equally often.
const ROUNDS: [u32; 2] = [61, 3 * 61];

/// By so many percent may a count differ from its record.
const TOLERANCE: f64 = 5.0;

/// What must not depend on the machine or on chance. memcpy goes in wide steps, never by `rep movsb`, of which valgrind counts each byte. malloc keeps
/// what is freed at hand for the next of its size, instead of joining it with whatever happens to be beside it.
const TUNABLES: &str = "glibc.cpu.x86_rep_movsb_threshold=4294967296:glibc.cpu.x86_rep_stosb_threshold=4294967296:\
    glibc.cpu.x86_non_temporal_threshold=4294967296:glibc.malloc.tcache_count=1000";

const HEAD: &str = "# Instructions for each message of the echo path, and for each delivery of a fan-out, as valgrind counts them.
# `cargo xtask test` fails when one has grown by more than 5 %. If that is meant: `cargo xtask instructions --write`, and say why in the commit.
# What the cases are: bench/micro/src. Of a system call only what the program does for it counts, and nothing of the kernel.
";

/// `[--write]`: compares with the record, or makes it anew.
pub(crate) fn instructions(stages: &mut Stages, is_write: bool) -> Result<(), String> {
    stages.run("build of what is counted", build)?;
    stages.run("instructions", || if is_write { write() } else { check() })
}

/// Builds `silverback-micro` as a release, with names and lines for profiles.
pub(crate) fn build() -> Result<(), String> {
    run(cargo().args(["build", "--quiet", "--profile", "bench", "--package", "silverback-micro"]))
}

/// Where `build` puts it.
pub(crate) fn program() -> Result<PathBuf, String> {
    Ok(target_directory()?.join("release/silverback-micro")) // which is where the profile `bench` has its place
}

/// Counts and compares.
pub(crate) fn check() -> Result<(), String> {
    if !is_countable() {
        println!("not counted: the record is of x86-64 with AVX2, which this processor does not have");
        return Ok(());
    }
    let text = fs::read_to_string(root().join(RECORD)).map_err(|error| format!("{RECORD}: {error}"))?;
    let recorded = Record::parse(&text)?;
    let counted = count()?;
    let comparison = Comparison::new(&recorded, &counted);
    println!("{comparison}");
    match comparison.failure() {
        Some(failure) if recorded.tools != counted.tools => {
            Err(format!("{failure}\nrecorded with {}\ncounted with  {}", recorded.tools, counted.tools))
        }
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn write() -> Result<(), String> {
    if !is_countable() {
        return Err("the record is of x86-64 with AVX2: make it on such a machine".to_owned());
    }
    let counted = count()?;
    println!("{counted}");
    fs::write(root().join(RECORD), counted.to_string()).map_err(|error| format!("{RECORD}: {error}"))
}

fn is_countable() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

fn count() -> Result<Record, String> {
    let program = program()?;
    let mut counts = BTreeMap::new();
    for line in output(Command::new(&program).arg("cases"))?.lines() {
        let (case, messages) = line.split_once('\t').ok_or_else(|| format!("a case without its messages: {line}"))?;
        let messages: u32 = messages.parse().map_err(|_| format!("{line}: how many messages?"))?;
        let [few, many] = [count_rounds(&program, case, ROUNDS[0])?, count_rounds(&program, case, ROUNDS[1])?];
        let each = many.saturating_sub(few) as f64 / f64::from((ROUNDS[1] - ROUNDS[0]) * messages);
        counts.insert(case.to_owned(), each);
    }
    let tools = [output(Command::new("rustc").arg("--version"))?, output(Command::new("valgrind").arg("--version"))?];
    Ok(Record { tools: tools.map(|tool| tool.trim().to_owned()).join(", "), counts })
}

/// All instructions of one run.
fn count_rounds(program: &Path, case: &str, rounds: u32) -> Result<u64, String> {
    let mut valgrind = Command::new(find("valgrind").ok_or("there is no valgrind: `cargo xtask setup` installs it")?);
    valgrind.env_clear().env("GLIBC_TUNABLES", TUNABLES); // nothing of this machine
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(["rounds", case, &rounds.to_string()]);
    let ran = valgrind.stdin(Stdio::null()).output().map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    let collected = said.split_once("Collected :").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    collected.filter(|_| ran.status.success()).ok_or_else(|| format!("{case}: {}\n{said}", ran.status))
}

/// What was counted, and with what.
#[derive(Debug)]
struct Record {
    tools: String,
    counts: BTreeMap<String, f64>,
}

impl Record {
    fn parse(text: &str) -> Result<Self, String> {
        let mut record = Self { tools: String::new(), counts: BTreeMap::new() };
        let lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with(['#', '[']));
        for (line, number) in lines {
            let entry = line.split_once(" = ").map(|(key, value)| (key.trim_matches('"'), value));
            match entry.map(|(key, value)| (key, value, value.parse())) {
                Some(("counted-with", value, _)) => record.tools = value.trim_matches('"').to_owned(),
                Some((case, _, Ok(count))) => drop(record.counts.insert(case.to_owned(), count)),
                _ => return Err(format!("{RECORD}, line {number}: `\"case\" = count` is wanted, not {line}")),
            }
        }
        Ok(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEAD}counted-with = \"{}\"\n\n[instructions]\n", self.tools)?;
        self.counts.iter().try_for_each(|(case, count)| writeln!(f, "\"{case}\" = {count:.1}"))
    }
}

/// Each case with its two counts; `None` where it is on one side only.
struct Comparison(BTreeMap<String, [Option<f64>; 2]>);

impl Comparison {
    fn new(recorded: &Record, counted: &Record) -> Self {
        let mut both = BTreeMap::<String, [Option<f64>; 2]>::new();
        for (side, record) in [recorded, counted].into_iter().enumerate() {
            record.counts.iter().for_each(|(case, count)| both.entry(case.clone()).or_default()[side] = Some(*count));
        }
        Self(both)
    }

    /// What has grown, and what is on one side only.
    fn failure(&self) -> Option<String> {
        let mut failure = String::new();
        for (case, counts) in &self.0 {
            let _ = match *counts {
                [Some(was), Some(is)] if grown(was, is) > TOLERANCE => {
                    write!(failure, "\n{case}: {is:.1} instructions, and {was:.1} are recorded ({:+.1} %)", grown(was, is))
                }
                [None, _] => write!(failure, "\n{case}: not recorded"),
                [_, None] => write!(failure, "\n{case}: recorded, and there is no such case"),
                _ => Ok(()),
            };
        }
        let is_failed = !failure.is_empty();
        is_failed.then(|| format!("{RECORD} does not hold:{failure}\nIf it is meant, `cargo xtask instructions --write` records it anew."))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, counts) in &self.0 {
            let [Some(was), Some(is)] = *counts else { continue };
            let note = if grown(was, is) < -TOLERANCE { "  less: `cargo xtask instructions --write` keeps it so" } else { "" };
            writeln!(f, "{case:34} {is:9.1} {:+6.1} %{note}", grown(was, is))?;
        }
        Ok(())
    }
}

/// In percent.
fn grown(was: f64, is: f64) -> f64 {
    (is - was) * 100.0 / was
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(counts: &[(&str, f64)]) -> Record {
        let counts = counts.iter().map(|(case, count)| ((*case).to_owned(), *count)).collect();
        Record { tools: "rustc 1, valgrind-3".to_owned(), counts }
    }

    fn failure(was: f64, is: f64) -> Option<String> {
        Comparison::new(&record(&[("run", was)]), &record(&[("run", is)])).failure()
    }

    #[test]
    fn a_count_may_grow_by_five_percent_and_no_more() {
        assert_eq!(failure(1000.0, 1000.0), None);
        assert_eq!(failure(1000.0, 1050.0), None);
        let failure = failure(1000.0, 1051.0).unwrap();
        assert!(failure.contains("run: 1051.0 instructions, and 1000.0 are recorded (+5.1 %)"), "{failure}");
        assert!(failure.contains("--write"), "{failure}");
    }

    #[test]
    fn a_count_that_has_shrunk_is_no_failure_and_is_told() {
        let told = |is| Comparison::new(&record(&[("run", 1000.0)]), &record(&[("run", is)])).to_string();
        assert!(!told(950.0).contains("--write"));
        assert!(told(949.0).contains("-5.1 %  less: `cargo xtask instructions --write`"), "{}", told(949.0));
        assert_eq!(failure(1000.0, 500.0), None);
    }

    #[test]
    fn a_case_on_one_side_only_is_a_failure() {
        let failure = Comparison::new(&record(&[("run", 1.0)]), &record(&[("bare", 1.0)])).failure().unwrap();
        assert!(failure.contains("bare: not recorded") && failure.contains("run: recorded, and there is no such case"), "{failure}");
    }

    #[test]
    fn the_record_of_the_repository_can_be_read() {
        let record = Record::parse(&fs::read_to_string(root().join(RECORD)).unwrap()).unwrap();
        assert!(record.tools.starts_with("rustc "), "{}", record.tools);
        assert!(record.counts.contains_key("run, 125 B binary x 16"));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let written = record(&[("run, 16 B x 1", 7649.3), ("wire", 0.5)]);
        let read = Record::parse(&written.to_string()).unwrap();
        assert_eq!((read.tools, read.counts), (written.tools, written.counts));
        let failure = Record::parse("# a comment\n\n\"run\" = many\n").unwrap_err();
        assert!(failure.contains("instructions.toml, line 3"), "{failure}");
    }
}
