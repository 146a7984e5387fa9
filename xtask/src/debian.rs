//! The Debian packages that the tests need, installed where that is allowed.
//!
//! What is asked for is the program, not the package: a machine that got its Python from elsewhere is fine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::GORILLA;
use crate::run::{find, run, succeeds};

/// The programs that the tests start, each with the package that brings it.
const PROGRAMS: [(&str, &str); 15] = [
    ("nginx", "nginx"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("kill", "procps"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("valgrind", "valgrind"),
    ("update-ca-certificates", "ca-certificates"),
];

/// What is no program, with its package.
const FILES: [(&str, &str); 1] = [(GORILLA, "golang-github-gorilla-websocket-dev")];

/// Installs what the tests miss, or says what to install and fails.
pub(crate) fn install_missing() -> Result<(), String> {
    install(&PROGRAMS, &FILES)
}

/// Installs these programs and files where they are missing, each from its package.
pub(crate) fn install(programs: &[(&str, &'static str)], files: &[(&str, &'static str)]) -> Result<(), String> {
    let wanted = missing(programs, files);
    if wanted.is_empty() {
        println!("every program that is needed is there");
        return Ok(());
    }
    println!("missing: {}", wanted.join(" "));
    let Some(apt_get) = apt_get() else {
        return Err(format!(
            "this needs root: run `sudo apt-get update && sudo apt-get install --no-install-recommends {}`, then this again",
            wanted.join(" ")
        ));
    };
    run(apt_get().arg("update").arg("-qq"))?;
    run(apt_get().args(["install", "-qq", "--yes", "--no-install-recommends"]).args(&wanted))?;
    match missing(programs, files) {
        still if still.is_empty() => Ok(()),
        still => Err(format!("installed, and still not found: {}", still.join(" "))),
    }
}

/// A Python 3 that can make environments, and is new enough for what goes into them.
pub(crate) fn python3() -> Option<PathBuf> {
    const ABLE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    [find("python3")?, PathBuf::from("/usr/bin/python3")].into_iter().find(|python| succeeds(Command::new(python).args(["-c", ABLE])))
}

fn missing(programs: &[(&str, &'static str)], files: &[(&str, &'static str)]) -> Vec<&'static str> {
    let programs = programs.iter().filter(|(program, _)| find(program).is_none());
    let files = files.iter().filter(|(path, _)| !Path::new(path).exists());
    let mut packages: Vec<&str> = programs.chain(files).map(|(_, package)| *package).collect();
    if python3().is_none() {
        packages.push("python3-venv");
    }
    packages.dedup();
    packages
}

/// How to call apt-get here: as root, or through a sudo that asks for no password.
fn apt_get() -> Option<impl Fn() -> Command> {
    let program = find("apt-get")?;
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !is_root && !succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        return None;
    }
    Some(move || {
        let mut command = if is_root { Command::new("env") } else { Command::new("sudo") };
        command.arg("DEBIAN_FRONTEND=noninteractive").arg(&program);
        command
    })
}
