//! `cargo xtask fuzz`: the targets in `fuzz/`, each with its seeds and for a while.
//!
//! cargo-fuzz asks for flags of a nightly compiler, which `RUSTC_BOOTSTRAP` gives to the stable one. Targets are built with
//! AddressSanitizer, debug assertions and overflow checks.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::run::{cargo, root, run, rust_files, target_directory, typed};
use crate::stages::Stages;

const VERSION: &str = "0.13.2";
const SECONDS: u32 = 60;
const SMOKE_SECONDS: u32 = 8;

/// An input may take this long, and a target may hold and allocate at once this much.
const LIMITS: [&str; 3] = ["-timeout=20", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];

/// AddressSanitizer keeps what was freed to notice its use. As much as it likes would not leave much of the limit.
const SANITIZER: &str = "quarantine_size_mb=32";

/// `[--seconds N] [TARGET…]`: these targets, or all, for so many seconds each.
pub(crate) fn fuzz(stages: &mut Stages, arguments: &[&str]) -> Result<(), String> {
    let (seconds, targets) = match arguments {
        ["--seconds", seconds, targets @ ..] => {
            (seconds.parse().map_err(|_| format!("--seconds {seconds}: a whole number is wanted"))?, targets)
        }
        targets => (SECONDS, targets),
    };
    let all = rust_files("fuzz/fuzz_targets")?;
    if let Some(unknown) = targets.iter().find(|target| !all.iter().any(|known| known == *target)) {
        return Err(format!("there is no target {unknown}; there are {}", all.join(", ")));
    }
    let wanted = if targets.is_empty() { all } else { targets.iter().map(ToString::to_string).collect() };
    stages.run("cargo-fuzz", install)?;
    run_targets(stages, &wanted, seconds)
}

/// All targets, for about a minute together.
pub(crate) fn smoke(stages: &mut Stages) -> Result<(), String> {
    run_targets(stages, &rust_files("fuzz/fuzz_targets")?, SMOKE_SECONDS)
}

/// cargo-fuzz of the version we want, unless it is there already.
pub(crate) fn install() -> Result<(), String> {
    if program()?.is_file() {
        println!("cargo-fuzz {VERSION} is in {}", directory()?.display());
        return Ok(());
    }
    run(cargo().args(["install", "--quiet", "--locked", "cargo-fuzz", "--version", VERSION, "--root"]).arg(directory()?))
}

fn run_targets(stages: &mut Stages, targets: &[String], seconds: u32) -> Result<(), String> {
    stages.run("fuzz build", || run(&mut cargo_fuzz("build")?))?;
    for target in targets {
        stages.run(&format!("fuzz {target}"), || run_target(target, seconds))?;
    }
    Ok(())
}

fn run_target(target: &str, seconds: u32) -> Result<(), String> {
    let corpus = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&corpus)).map_err(|error| format!("{corpus}: {error}"))?;
    let mut command = cargo_fuzz("run")?;
    command.args([target, &corpus, &format!("fuzz/seeds/{target}"), "--", &format!("-max_total_time={seconds}")]);
    command.args(LIMITS).args(["-verbosity=0", "-print_funcs=0", "-print_final_stats=1"]);
    run(&mut command).or_else(|failure| match newest_artifact(target) {
        Some(input) => Err(format!("{failure}\n{}", how_to_go_on(target, &input)?)),
        None => Err(failure),
    })
}

fn how_to_go_on(target: &str, input: &str) -> Result<String, String> {
    let again = |verb: &str| Ok::<_, String>(format!("RUSTC_BOOTSTRAP=1 {} {target} {input}", typed(&cargo_fuzz(verb)?)));
    Ok(format!("See it again:   {}\nMake it small:  {}", again("run")?, again("tmin")?))
}

/// What the run has just written, or an older finding that is still there.
fn newest_artifact(target: &str) -> Option<String> {
    let directory = format!("fuzz/artifacts/{target}");
    let entries = fs::read_dir(root().join(&directory)).ok()?;
    let newest = entries.flatten().max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok())?;
    Some(format!("{directory}/{}", newest.file_name().display()))
}

fn cargo_fuzz(verb: &str) -> Result<Command, String> {
    let mut command = Command::new(program()?);
    command.current_dir(root()).env("RUSTC_BOOTSTRAP", "1").env("ASAN_OPTIONS", SANITIZER);
    command.args([verb, "--target-dir"]).arg(target_directory()?.join("fuzz"));
    Ok(command)
}

fn program() -> Result<PathBuf, String> {
    Ok(directory()?.join("bin/cargo-fuzz"))
}

fn directory() -> Result<PathBuf, String> {
    Ok(target_directory()?.join(format!("cargo-fuzz-{VERSION}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_there_is_named_with_those_that_are() {
        let failure = fuzz(&mut Stages::default(), &["--seconds", "1", "inflated"]).unwrap_err();
        assert!(failure.starts_with("there is no target inflated; there are both_ends, "), "{failure}");
    }

    #[test]
    fn every_target_has_seeds() {
        for target in rust_files("fuzz/fuzz_targets").unwrap() {
            let seeds = fs::read_dir(root().join("fuzz/seeds").join(&target)).map_or(0, Iterator::count);
            assert!(seeds > 0, "{target}");
        }
    }
}
