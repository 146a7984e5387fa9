//! schemathesis asks the API whatever its description allows, and more: every answer must be one that is described, and none a failure of ours.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use silverback_conformance::Sessions::Of;
use silverback_conformance::{Failure, Place, RawPeer, Result, Server, installed};

const SOON: Duration = Duration::from_secs(5);

/// In seconds, and more than a run needs.
const LIMIT: &str = "50";

/// What is asked of each answer. Not whether everything that fits the description is accepted: it does not say how long a reason is in bytes.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,unsupported_method,ignored_auth";

/// An endless answer, which no test of answers gets to the end of.
const ENDLESS: [&str; 2] = ["--exclude-path", "/v1/events"];

#[test]
fn the_api_answers_as_it_is_described_whatever_it_is_asked() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    run(&server, "anything", "", &[&ENDLESS[..], &["--exclude-path", "/v1/drain", "--max-examples", "25"]].concat())
}

#[test]
fn the_api_answers_as_it_is_described_about_somebody_who_is_there() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let target = format!("/ws?token={}", server.token("alice")?);
    let _peers = (0..2).map(|_| RawPeer::connect(server.address, &target)).collect::<Result<Vec<_>>>()?;
    server.wait_for_sessions(Of("alice"), 2, SOON)?;
    let sessions = server.api("GET", "/v1/users/alice")?.send()?.json()?;
    let id = sessions["sessions"][0]["id"].as_str().ok_or_else(|| Failure::new("alice has no session"))?;
    let known = format!("[parameters]\n\"path.user\" = \"alice\"\n\"path.id\" = \"{id}\"\n");
    let of_both = ["--include-path-regex", "^/v1/(users|sessions|messages)", "--max-examples", "15"];
    run(&server, "alice", &known, &of_both)
}

#[test]
fn a_drain_answers_as_it_is_described() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    run(&server, "drain", "", &["--include-path", "/v1/drain", "--max-examples", "20"])
}

/// Runs it once, with these settings in its file and these flags.
fn run(server: &Server, name: &str, settings: &str, flags: &[&str]) -> Result<()> {
    let file = write(name, settings)?;
    let program = installed::directory()?.join("schemathesis/bin/schemathesis");
    if !program.is_file() {
        return Err(Failure::new("schemathesis is not installed; run `cargo xtask setup`"));
    }
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(program).arg("--config-file").arg(&file).arg("run").arg(format!("http://{}/v1/openapi.json", server.address));
    command.args(["--header", &format!("Authorization: Bearer {}", server.key()), "--checks", CHECKS]);
    command.args(["--no-color", "--seed", "1", "--request-timeout", "5", "--suppress-health-check", "all", "--warnings", "off"]);
    let output = command.args(flags).current_dir(file.with_file_name("")).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{}", printed.lines().rev().take(6).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
    if output.status.success() {
        return Ok(());
    }
    Err(server.process.failure(format!("schemathesis: {}\n{printed}{}", output.status, String::from_utf8_lossy(&output.stderr))))
}

fn write(name: &str, settings: &str) -> Result<PathBuf> {
    let file = installed::directory()?.join(format!("schemathesis-{name}.toml"));
    std::fs::write(&file, settings)?;
    Ok(file)
}
