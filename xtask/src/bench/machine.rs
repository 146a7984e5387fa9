//! Where it was measured, and with what.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::run::{find, root};

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
}

impl Machine {
    pub(crate) fn here() -> Result<Self, String> {
        let read = |path: &str| fs::read_to_string(path).map_err(|error| format!("{path}: {error}"));
        let cpu = read("/proc/cpuinfo")?;
        let field =
            |text: &str, name: &str| text.lines().find(|line| line.starts_with(name))?.split(':').nth(1).map(|v| v.trim().to_owned());
        let memory = field(&read("/proc/meminfo")?, "MemTotal").and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            processor: field(&cpu, "model name").unwrap_or_else(|| "an unnamed processor".into()),
            cores: cpu.lines().filter(|line| line.starts_with("processor")).count(),
            memory_gib: memory.unwrap_or(0).div_ceil(1 << 20),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim()),
            rustc: said(Command::new("rustc").arg("--version"))?,
        })
    }
}

/// Today, by UTC.
pub(crate) fn today() -> Result<String, String> {
    said(Command::new("date").args(["--utc", "+%F"]))
}

/// The commit that is measured; with a `+` if files were changed since.
pub(crate) fn commit() -> Result<String, String> {
    let git = |arguments: &[&str]| said(Command::new("git").current_dir(root()).args(arguments));
    let changed = !git(&["status", "--porcelain", "--untracked-files=no", "--", "crates", "Cargo.lock"])?.is_empty();
    Ok(git(&["rev-parse", "--short=9", "HEAD"])? + if changed { "+" } else { "" })
}

/// The versions of the peers, from the files that pin them.
pub(crate) fn peers() -> Result<Vec<String>, String> {
    let mut versions = Vec::new();
    for (lock, names) in [
        ("bench/peers/uws/Cargo.lock", &["libuwebsockets-sys"][..]),
        ("bench/peers/rust/Cargo.lock", &["tokio", "fastwebsockets", "tokio-websockets", "tokio-tungstenite", "yawc"][..]),
    ] {
        let text = fs::read_to_string(root().join(lock)).map_err(|error| format!("{lock}: {error}"))?;
        for name in names {
            let version = text.split_once(&format!("name = \"{name}\"\nversion = \"")).and_then(|(_, rest)| rest.split('"').next());
            versions.push(format!("{name} {}", version.unwrap_or("?")));
        }
    }
    let package = fs::read_to_string(root().join("bench/peers/js/package.json")).map_err(|error| format!("package.json: {error}"))?;
    let package: serde_json::Value = serde_json::from_str(&package).map_err(|error| format!("package.json: {error}"))?;
    for (name, version) in package["dependencies"].as_object().into_iter().flatten() {
        versions.push(format!("{name} {}", version.as_str().unwrap_or("?")));
    }
    if let Some(node) = find("node") {
        versions.push(format!("node {}", said(Command::new(node).arg("--version"))?));
    }
    versions.push(crate::peers::GO.replace("==", " "));
    let gorilla = said(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "golang-github-gorilla-websocket-dev"]));
    versions.push(format!("gorilla/websocket {} (Debian's)", gorilla.unwrap_or_else(|_| "?".into())));
    Ok(versions)
}

fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("`{}`: {error}", crate::run::typed(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("`{}`: {}", crate::run::typed(command), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
