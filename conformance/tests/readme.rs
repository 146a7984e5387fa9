//! The commands that the guides show, as a reader would run them.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use silverback_conformance::{Failure, Result, installed};

/// What is around the README's block: everything it started ends with it.
const FRAME: (&str, &str) = ("set -eu; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n", "\nsleep 0.3 # for what alice still hears\n");

#[test]
fn the_readmes_server_block_does_what_it_says() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let block = block_after("README.md", "## The server", "sh")?.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let output = bash(&format!("{}{block}{}", FRAME.0, FRAME.1))?;
    let said = |part: &str| match output.contains(part) {
        true => Ok(()),
        false => Err(Failure::new(format!("no {part:?} in what the README's block printed:\n{output}"))),
    };
    said(&format!("listening on http://127.0.0.1:{port}"))?;
    said("\"user\":\"alice\"")?;
    said("{\"sessions\":1,\"queued\":1,\"dropped\":0}")?;
    said("hello, alice")?;
    said("{\"closed\":1}")?;
    said("see you")?;
    said("(upgrade-missing)")
}

#[test]
fn the_token_command_of_the_servers_guide_makes_a_token() -> Result<()> {
    let output = bash("set -eu; export SILVERBACK_AUTH_SECRET=$(openssl rand -base64 32); silverback token --user alice --ttl 15m")?;
    let guide = std::fs::read_to_string(installed::source("docs/server.md"))?;
    assert!(guide.contains("`silverback token --user alice --ttl 15m`"), "the guide shows another command");
    assert_eq!(output.trim().split('.').count(), 3, "{output}");
    Ok(())
}

#[test]
fn the_commands_of_the_guide_to_the_api_answer_what_it_says() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let guide = std::fs::read_to_string(installed::source("docs/api.md"))?;
    let commands: String = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let commands = commands.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    let output = bash(&format!("{}cd \"$(mktemp -d)\"\n{commands}{}", FRAME.0, FRAME.1))?;
    for part in [
        "your invoice is ready",
        "does not have the right `read`",
        "{\"sessions\":1,\"queued\":1,\"dropped\":0}",
        "hello, alice",
        "hello, you two",
        "{\"sessions\":0,\"queued\":0,\"dropped\":0}", // nobody has a plan
        "\"id\":\"call-1\",\"acknowledged\":false,\"why\":\"timed-out\"",
        "\"state\":\"live\",\"total\":1",
        "{\"closed\":1}",
        "alice is not connected. The last to end comes first.",
        "4000 \"moved to",
        "silverback_joins_total{outcome=\"joined\"} 1",
        "{\"sessions\":0,\"over_ms\":1000}",
        "\"cause\":\"draining\"",
    ] {
        assert!(output.contains(part), "no {part:?} in what the guide's commands printed:\n{output}");
    }
    Ok(())
}

#[test]
fn the_commands_of_the_guide_to_connect_do_what_they_say() -> Result<()> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let block = block_after("docs/connect.md", "## In a pipe", "sh")?.replace("127.0.0.1:9001", &format!("127.0.0.1:{port}"));
    let output = bash(&format!("{}cd \"$(mktemp -d)\"\n{block}", FRAME.0))?;
    for part in [
        "{\"hello\":\"world\"}\n",
        "one\ntwo\n",
        "the WebSocket handshake",
        "→ GET / HTTP/1.1",
        "← HTTP/1.1 101",
        "text fin masked 2 B",
        "\nhi\n",
    ] {
        assert!(output.contains(part), "no {part:?} in what the guide's commands printed:\n{output}");
    }
    Ok(())
}

/// The first fenced block of this language behind a heading.
fn block_after(file: &str, heading: &str, language: &str) -> Result<String> {
    let text = std::fs::read_to_string(installed::source(file))?;
    let found = || {
        let (_, section) = text.split_once(heading)?;
        let (_, block) = section.split_once(&format!("```{language}\n"))?;
        block.split_once("```").map(|(block, _)| block.to_owned())
    };
    found().ok_or_else(|| Failure::new(format!("{file} has no ```{language} block behind {heading:?}")))
}

/// Runs a script with the binary on the path, and nothing of ours in the environment; returns all that it printed.
fn bash(script: &str) -> Result<String> {
    let binary = installed::binary("silverback")?;
    let directory = binary.parent().unwrap_or(Path::new("."));
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", &format!("exec 2>&1\n{script}")]).env("PATH", path).stdout(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SILVERBACK_")) {
        command.env_remove(name);
    }
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    child.stdout.take().ok_or_else(|| Failure::new("no output"))?.read_to_end(&mut output)?;
    let output = String::from_utf8_lossy(&output).into_owned();
    match child.wait()? {
        status if status.success() => Ok(output),
        status => Err(Failure::new(format!("{status}:\n{output}"))),
    }
}
