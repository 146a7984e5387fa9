//! The Debian packages that the tests need, installed where that is allowed.
//!
//! What is asked for is the program, not the package: a machine that got its Python from elsewhere is fine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::GORILLA;
use crate::run::{find, run, succeeds};

/// The programs that the tests start, each with the package that brings it.
const PROGRAMS: [(&str, &str); 18] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("caddy", "caddy"),
    ("apache2", "apache2-bin"), // the program alone: the tests bring their own configuration
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

/// The packages of those that would run as services, on ports that the tests do not ask for.
const SERVICES: [&str; 3] = ["nginx", "haproxy", "caddy"];

/// What decides whether a package may start its service (`invoke-rc.d` and `deb-systemd-invoke` ask it).
const POLICY: &str = "/usr/sbin/policy-rc.d";

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
    let Some(root) = root() else {
        return Err(format!(
            "this needs root: run `sudo apt-get update && sudo apt-get install --no-install-recommends {}`, then this again",
            wanted.join(" ")
        ));
    };
    run(root("apt-get").arg("update").arg("-qq"))?;
    without_services(&root, || run(root("apt-get").args(["install", "-qq", "--yes", "--no-install-recommends"]).args(&wanted)))?;
    let services: Vec<&str> = SERVICES.into_iter().filter(|service| wanted.contains(service)).collect();
    if !services.is_empty() && find("systemctl").is_some() {
        run(root("systemctl").arg("disable").args(services))?;
    }
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

/// Runs this while no package may start its service.
fn without_services(root: impl Fn(&str) -> Command, install: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    if Path::new(POLICY).exists() {
        return install(); // this machine has a policy of its own, as containers do
    }
    let forbid = format!("printf '#!/bin/sh\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}");
    run(root("sh").args(["-c", &forbid]))?;
    let installed = install();
    run(root("rm").arg(POLICY))?;
    installed
}

/// How to run a program as root here: as we are, or through a sudo that asks for no password.
fn root() -> Option<impl Fn(&str) -> Command> {
    find("apt-get")?;
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !is_root && !succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        return None;
    }
    Some(move |program: &str| {
        let mut command = if is_root { Command::new("env") } else { Command::new("sudo") };
        command.arg("DEBIAN_FRONTEND=noninteractive").arg(program);
        command
    })
}
