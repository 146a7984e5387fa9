//! `cargo xtask fuzz`: the targets in `fuzz/`, each with its seeds and for a while.
//!
//! cargo-fuzz asks for flags of a nightly compiler, which `RUSTC_BOOTSTRAP` gives to the stable one. Targets are built with
//! AddressSanitizer, debug assertions and overflow checks.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::run::{cargo, root, run, rust_files, target_directory};
use crate::stages::Stages;

const VERSION: &str = "0.13.2";
const SECONDS: u32 = 60;
const SMOKE_SECONDS: u32 = 8;

/// An input may take this long, and a target may hold and allocate at once this much.
const LIMITS: [&str; 3] = ["-timeout=20", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];

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
    let directory = tool_directory()?;
    if directory.join("bin/cargo-fuzz").is_file() {
        println!("cargo-fuzz {VERSION} is in {}", directory.display());
        return Ok(());
    }
    run(cargo().args(["install", "--quiet", "--locked", "cargo-fuzz", "--version", VERSION, "--root"]).arg(directory))
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
    run(&mut command).map_err(|failure| match newest_artifact(target) {
        Some(input) => format!("{failure}\n{}", how_to_go_on(target, &input)),
        None => failure,
    })
}

fn how_to_go_on(target: &str, input: &str) -> String {
    let again = |verb: &str| match cargo_fuzz(verb) {
        Ok(command) => {
            let variables = command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.display(), value?.display())));
            let words = command.get_args().map(|word| word.display().to_string());
            format!("{} cargo {} {target} {input}", variables.collect::<Vec<_>>().join(" "), words.collect::<Vec<_>>().join(" "))
        }
        Err(error) => error,
    };
    format!("See it again:   {}\nMake it small:  {}", again("run"), again("tmin"))
}

/// What the run has just written, or an older finding that is still there.
fn newest_artifact(target: &str) -> Option<String> {
    let directory = format!("fuzz/artifacts/{target}");
    let entries = fs::read_dir(root().join(&directory)).ok()?;
    let newest = entries.flatten().max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok())?;
    Some(format!("{directory}/{}", newest.file_name().display()))
}

fn cargo_fuzz(verb: &str) -> Result<Command, String> {
    let tools = tool_directory()?.join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let path: OsString = env::join_paths([tools].into_iter().chain(env::split_paths(&path))).map_err(|error| error.to_string())?;
    let mut command = cargo();
    command.env("RUSTC_BOOTSTRAP", "1").env("PATH", path).args(["fuzz", verb, "--target-dir"]).arg(target_directory()?.join("fuzz"));
    Ok(command)
}

fn tool_directory() -> Result<PathBuf, String> {
    Ok(target_directory()?.join(format!("cargo-fuzz-{VERSION}")))
}
