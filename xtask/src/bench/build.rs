//! Builds what is measured and what measures, below `target/bench/`. What is built already is not built again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::contender::Program;
use super::table::Table;
use super::tables;
use super::tokens;
use crate::debian;
use crate::peers::{self, GORILLA, install_locked_from_npm};
use crate::run::{cargo, root, run, target_directory, typed};

const PROGRAMS: [(&str, &str); 8] = [
    ("taskset", "util-linux"),
    ("prlimit", "util-linux"),
    ("gcc", "gcc"),
    ("g++", "g++"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("python3", "python3"),
];
const FILES: [(&str, &str); 2] = [("/usr/include/zlib.h", "zlib1g-dev"), (GORILLA, "golang-github-gorilla-websocket-dev")];

/// For the peers: they may use all that this processor can do. Ours is built as it is shipped.
const NATIVE: &str = "-C target-cpu=native";

/// Builds what these tables need.
pub(crate) fn all(tables: &[Table]) -> Result<(), String> {
    debian::install(&PROGRAMS, &FILES)?;
    let directory = directory()?;
    let conformance = target_directory()?.join("conformance"); // Go and PyJWT are there, if tests have run
    for place in [&directory, &conformance] {
        fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
    }
    let programs: BTreeSet<Program> = tables.iter().flat_map(|table| &table.contenders).map(|contender| contender.program()).collect();
    build_load()?;
    for program in programs {
        match program {
            Program::UnoptimisedSilverback => run(cargo().args(["build", "--quiet", "--locked", "--package", "silverback-server"]))?,
            Program::Silverback => run(cargo().args(["build", "--quiet", "--release", "--locked", "--package", "silverback-server"]))?,
            Program::Example(package, name) => {
                run(cargo().args(["build", "--quiet", "--release", "--locked", "--package", package, "--example", name]))?;
            }
            Program::Rust => build_peers()?,
            Program::UWebSockets => build_uwebsockets(&directory)?,
            Program::Gorilla => {
                peers::build_with_go(&conformance, "bench/peers/gorilla/echo.go", &directory.join("gorilla"))?;
            }
            Program::Ws | Program::Bun => install_locked_from_npm("bench/peers/js", &directory.join("js"))?,
        }
    }
    if tables.iter().any(|table| table.name == "handshakes") {
        tokens::make(&conformance)?;
    }
    if tables.iter().any(|table| table.name == tables::MILLION) {
        tokens::make_a_million(&conformance)?;
    }
    Ok(())
}

/// Builds the load generator as tests are built, and says where it is.
pub(crate) fn unoptimised_load() -> Result<PathBuf, String> {
    let place = directory()?.join("load");
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(root().join("bench/load/Cargo.toml"));
    run(command.arg("--target-dir").arg(&place))?;
    Ok(place.join("debug/load"))
}

/// Where all of it is.
pub(crate) fn directory() -> Result<PathBuf, String> {
    Ok(target_directory()?.join("bench"))
}

/// Where our own release builds are.
pub(crate) fn release() -> Result<PathBuf, String> {
    Ok(target_directory()?.join("release"))
}

/// Where our builds for tests are.
pub(crate) fn unoptimised() -> Result<PathBuf, String> {
    Ok(target_directory()?.join("debug"))
}

/// The load generator.
pub(crate) fn load() -> Result<PathBuf, String> {
    Ok(directory()?.join("load/release/load"))
}

fn build_load() -> Result<(), String> {
    workspace("bench/load", "load", &mut cargo())
}

fn build_peers() -> Result<(), String> {
    workspace("bench/peers/rust", "peers", cargo().env("RUSTFLAGS", NATIVE))
}

/// A workspace of its own, with a target directory of its own.
fn workspace(place: &str, target: &str, command: &mut Command) -> Result<(), String> {
    command.args(["build", "--quiet", "--release", "--locked", "--manifest-path"]).arg(root().join(place).join("Cargo.toml"));
    run(command.arg("--target-dir").arg(directory()?.join(target)))
}

/// From the sources that its crate carries, which cargo fetches and checks.
fn build_uwebsockets(directory: &Path) -> Result<(), String> {
    let program = directory.join("uws");
    let source = root().join("bench/peers/uws/echo.cpp");
    if modified(&program) > modified(&source) {
        println!("uWebSockets is in {}", program.display());
        return Ok(());
    }
    let carrier = uwebsockets_sources()?;
    let sockets = carrier.join("uSockets/src");
    let place = directory.join("uws-objects");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let fast = ["-O3", "-march=native", "-flto", "-DLIBUS_NO_SSL"];
    let c_files = ["", "eventing", "crypto"].map(|part| files(&sockets.join(part), "c")).into_iter().collect::<Result<Vec<_>, _>>()?;
    run(Command::new("gcc").current_dir(&place).args(fast).arg("-I").arg(&sockets).arg("-c").args(c_files.concat()))?;
    let mut link = Command::new("g++");
    link.args(fast).arg("-std=c++20").arg("-I").arg(carrier.join("src")).arg("-I").arg(&sockets).arg(&source);
    run(link.args(files(&place, "o")?).arg("-o").arg(&program).args(["-lz", "-lpthread"]))
}

fn uwebsockets_sources() -> Result<PathBuf, String> {
    const CRATE: &str = "libuwebsockets-sys";
    let mut metadata = cargo();
    metadata
        .args(["metadata", "--quiet", "--locked", "--format-version=1", "--manifest-path"])
        .arg(root().join("bench/peers/uws/Cargo.toml"));
    let output = metadata.output().map_err(|error| format!("`{}`: {error}", typed(&metadata)))?;
    let found: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`{}`: {error}\n{}", typed(&metadata), String::from_utf8_lossy(&output.stderr)))?;
    let package = found["packages"].as_array().into_iter().flatten().find(|package| package["name"] == CRATE);
    let manifest = package.and_then(|package| package["manifest_path"].as_str()).map(Path::new);
    manifest.and_then(Path::parent).map(|place| place.join("uWebSockets")).ok_or_else(|| format!("cargo does not say where {CRATE} is"))
}

fn files(directory: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    Ok(files)
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
