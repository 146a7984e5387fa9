//! The commands that the guides show, as a reader would run them: every ```sh block of every page is run, or it stands in [`NOT_RUN`] with the
//! reason. What has to come out of a page is in [`SAYS`]. A page that is in neither starts what it needs, and ends well.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use silverback_conformance::{Failure, Result, Scratch, installed};

/// A page, how its blocks begin (an empty text is all of them), and why they are not run here.
const NOT_RUN: [(&str, &str, &str); 9] = [
    ("README.md", "cargo run", "builds a release, and runs the tests that this is one of"),
    ("bench/NOTES.md", "cargo xtask bench", "takes 22 minutes of a machine that does nothing else"),
    ("docs/getting-started.md", "cargo install", "builds a release, which is the binary that the rest is run with"),
    ("docs/getting-started.md", "", "tests/getting_started.rs runs them, with a browser"),
    ("docs/operations.md", "cargo build", "installs a service, for which it needs root and systemd"),
    ("docs/operations.md", "docker build", "needs Docker"),
    ("docs/operations.md", "kubectl create", "needs a cluster"),
    ("docs/proxies/nginx.md", "curl --include", "asks a host of yours; tests/nginx.rs asks a real nginx with the same file"),
    ("examples/README.md", "export SILVERBACK_AUTH_SECRET", "tests/examples.rs starts each of the three back ends, and has a conversation"),
];

/// What is around a page's commands: everything they started ends with them.
const FRAME: (&str, &str) = ("set -eu; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n", "\nsleep 0.3 # for what alice still hears\n");

/// A server that has let alice go, for pages that begin where something has happened.
const ALICE_WAS_HERE: &str = r#"
export SILVERBACK_AUTH_SECRET=$(openssl rand -base64 32) SILVERBACK_API_KEY=$(openssl rand -base64 32)
silverback serve --listen 127.0.0.1:8080 &
curl --silent --no-buffer --retry 5 --retry-connrefused "http://127.0.0.1:8080/ws?token=$(silverback token --user alice)" \
  -H "Connection: Upgrade" -H "Upgrade: websocket" -H "Sec-WebSocket-Version: 13" -H "Sec-WebSocket-Key: $(openssl rand -base64 16)" &
asked() { curl --silent -H "Authorization: Bearer $SILVERBACK_API_KEY" "http://127.0.0.1:8080$1" "${@:2}"; }
until asked /v1/users/alice | grep -q '"id"'; do sleep 0.1; done
asked "/v1/users/alice?code=4000&reason=moved" -X DELETE
until asked "/v1/sessions?state=ended&user=alice" | grep -q '"id"'; do sleep 0.1; done
"#;

/// A page, what is there before its commands, and what has to be in their output.
const SAYS: [(&str, &str, &[&str]); 7] = [
    (
        "README.md",
        "",
        &[
            "listening on http://127.0.0.1:",
            "\"user\":\"alice\"",
            "{\"sessions\":1,\"queued\":1,\"dropped\":0}",
            "hello, alice",
            "{\"closed\":1}",
            "see you",
            "(upgrade-missing)",
        ],
    ),
    (
        "docs/api.md",
        "",
        &[
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
        ],
    ),
    ("docs/authentication.md", "", &["eyJ"]),
    (
        "docs/connect.md",
        "",
        &[
            "{\"hello\":\"world\"}\n",
            "one\ntwo\n",
            "* the WebSocket handshake",
            "→ GET / HTTP/1.1",
            "← HTTP/1.1 101",
            "frame text fin masked 2 B",
            "\nhi\n",
        ],
    ),
    (
        "docs/bench.md",
        "",
        &["1 in flight (closed loop)", "1000/s in all (open loop)", "pushed through the API", "All connections and messages were fine."],
    ),
    ("docs/faq.md", ALICE_WAS_HERE, &["HTTP/1.1 401 Unauthorized", "(token-missing)"]),
    (
        "docs/why-disconnected.md",
        ALICE_WAS_HERE,
        &[
            "the application asked to close it: 4000 \"moved\"",
            "\"began\":\"local\"",
            "silverback_session_ends_total{cause=\"closed_by_application\"} 1",
        ],
    ),
];

#[test]
fn the_commands_of_every_page_do_what_it_says() -> Result<()> {
    let pages = pages()?;
    let blocks: usize = pages.values().map(Vec::len).sum();
    assert!(blocks > 10, "only {blocks} blocks of commands were found");
    let run = |(page, blocks): (&PathBuf, &Vec<String>)| {
        let page = page.to_string_lossy();
        let commands: Vec<_> = blocks.iter().filter(|block| reason_not_to_run(&page, block).is_none()).map(String::as_str).collect();
        if commands.is_empty() { Ok(()) } else { try_out(&page, &commands.concat()) }
    };
    let failed: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = pages.iter().map(|page| scope.spawn(move || run(page).err())).collect();
        runs.into_iter().filter_map(|run| run.join().unwrap_or_else(|_| Some(Failure::new("a thread panicked")))).collect()
    });
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))),
    }
}

#[test]
fn what_is_not_run_and_what_is_expected_is_about_blocks_that_exist() -> Result<()> {
    let pages = pages()?;
    let of = |page: &str| pages.get(Path::new(page)).into_iter().flatten();
    for (page, beginning, reason) in NOT_RUN {
        assert!(of(page).any(|block| block.starts_with(beginning)), "{page} has no block that begins with {beginning:?} ({reason})");
    }
    for (page, ..) in SAYS {
        assert!(of(page).any(|block| reason_not_to_run(page, block).is_none()), "no command of {page} is run");
    }
    Ok(())
}

#[test]
fn the_configurations_that_pages_show_are_good() -> Result<()> {
    let here = Scratch::new()?;
    let mut checked = 0;
    for (page, text) in texts()? {
        for (number, block) in fenced(&text, &["toml"]).into_iter().enumerate() {
            if block.contains("silverback = {") {
                continue; // a Cargo.toml
            }
            let file = here.path().join("silverback.toml");
            std::fs::write(&file, block.replace("whsec_…", "whsec_c2l4dGVlbiBieXRlcyBvciBtb3JlLCBhcyBpdCBpcyBzYWlk"))?;
            let said = bash(&format!("silverback config check --config '{}'", file.display()));
            said.map_err(|failure| Failure::new(format!("the configuration number {} of {}: {failure}", number + 1, page.display())))?;
            checked += 1;
        }
    }
    assert!(checked > 5, "only {checked} configurations were found");
    Ok(())
}

#[test]
fn the_token_command_of_the_servers_guide_makes_a_token() -> Result<()> {
    let output = bash("set -eu; export SILVERBACK_AUTH_SECRET=$(openssl rand -base64 32); silverback token --user alice --ttl 15m")?;
    let guide = std::fs::read_to_string(installed::source("docs/server.md"))?;
    assert!(guide.contains("`silverback token --user alice --ttl 15m`"), "the guide shows another command");
    assert_eq!(output.trim().split('.').count(), 3, "{output}");
    Ok(())
}

fn reason_not_to_run(page: &str, block: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(of, beginning, _)| *of == page && block.starts_with(beginning)).map(|(_, _, reason)| *reason)
}

/// Runs a page's commands in one shell, in an empty directory, on ports that are free.
fn try_out(page: &str, commands: &str) -> Result<()> {
    let (before, says) = SAYS.iter().find(|(of, ..)| *of == page).map_or(("", &[][..]), |(_, before, says)| (*before, *says));
    let here = Scratch::new()?;
    let script = on_free_ports(&format!("{}cd '{}'\n{before}{commands}{}", FRAME.0, here.path().display(), FRAME.1))?;
    let cure = "mend them, or say in conformance/tests/readme.rs what has to be there before (SAYS) or why they cannot be run (NOT_RUN)";
    let output = bash(&script).map_err(|failure| Failure::new(format!("the commands of {page}: {failure}\n({cure})")))?;
    match says.iter().find(|part| !output.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(Failure::new(format!("no {part:?} in what the commands of {page} printed:\n{output}"))),
    }
}

/// Each `127.0.0.1:PORT`, with a port that is free in its place, the same for the same.
fn on_free_ports(script: &str) -> Result<String> {
    let (mut listeners, mut moved) = (BTreeMap::new(), String::new());
    let mut parts = script.split("127.0.0.1:");
    moved.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (port, rest) = part.split_at(part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len()));
        if !listeners.contains_key(port) {
            listeners.insert(port.to_owned(), TcpListener::bind("127.0.0.1:0")?); // held until all are chosen, so that no two are the same
        }
        let free = listeners.get(port).and_then(|listener| listener.local_addr().ok()).map_or(0, |address| address.port());
        moved.push_str(&format!("127.0.0.1:{free}{rest}"));
    }
    Ok(moved)
}

/// The commands of every page, by its path from the root of the repository.
fn pages() -> Result<BTreeMap<PathBuf, Vec<String>>> {
    Ok(texts()?.into_iter().map(|(page, text)| (page, fenced(&text, &["sh", "bash", "shell", "console"]))).collect())
}

/// Every page that people read.
fn texts() -> Result<BTreeMap<PathBuf, String>> {
    let (mut ahead, mut texts) = (vec![PathBuf::new()], BTreeMap::new());
    while let Some(directory) = ahead.pop() {
        for entry in std::fs::read_dir(installed::source("").join(&directory))? {
            let entry = entry?;
            let (path, name) = (directory.join(entry.file_name()), entry.file_name());
            let is_ours = !name.to_string_lossy().starts_with('.') && !["target", "node_modules"].iter().any(|other| name == *other);
            if entry.file_type()?.is_dir() && is_ours {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                texts.insert(path, std::fs::read_to_string(entry.path())?);
            }
        }
    }
    Ok(texts)
}

/// The blocks in one of these languages.
fn fenced(text: &str, languages: &[&str]) -> Vec<String> {
    let (mut blocks, mut is_inside) = (Vec::new(), false);
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if languages.contains(&&*language) => {
                blocks.push(String::new());
                is_inside = true;
            }
            Event::End(TagEnd::CodeBlock) => is_inside = false,
            Event::Text(text) if is_inside => blocks.last_mut().into_iter().for_each(|block| block.push_str(&text)),
            _ => {}
        }
    }
    blocks
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
