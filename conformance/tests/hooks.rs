//! Hooks under load, while the back end or the server is killed; and what the guide shows for back ends.

mod crowd;

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use crowd::Crowd;
use serde_json::{Value, json};
use silverback_conformance::{BackEnd, Failure, RawPeer, Result, Scratch, Server, eventually, installed};

/// For what a busy machine takes long to do.
const IN_THE_END: Duration = Duration::from_secs(300);
const CROWD: usize = 5000;
const ROUNDS: usize = 3;
/// So many go in each round.
const LEAVING: usize = 200;

/// Starts a server whose hooks go there, with its spool in this place.
fn server(place: &Scratch, url: &str, more: &str) -> Result<Server> {
    let file = place.path().join("silverback.toml");
    let (secret, spool) = (BackEnd::SECRET, place.path().join("spool"));
    let text = format!(
        "[auth]\nsecret = \"{}\"\n[hooks]\nurl = \"{url}\"\nsecret = \"{secret}\"\nspool.directory = \"{}\"\n{more}\n",
        Server::SECRET,
        spool.display()
    );
    std::fs::write(&file, text)?;
    Server::start_configured(&file, &[("SILVERBACK_LOG", "warn")])
}

#[test]
fn five_thousand_send_through_a_back_end_that_is_killed_three_times() -> Result<()> {
    let place = Scratch::new()?;
    let mut back_end = BackEnd::start(&place)?;
    let url = format!("http://{}/hooks", back_end.address);
    let more = "events = [\"connected\", \"message\", \"ended\"]\ngive_up_after = \"200s\"\n\
                [heartbeat]\nping_after = \"200s\"\ndead_after = \"300s\""; // this process may be starved for long
    let server = server(&place, &url, more)?;
    let crowd = Crowd::connect(server.address, &server.token("everybody")?, CROWD, IN_THE_END)?;
    back_end.wait_for("connected", CROWD, IN_THE_END)?;
    for round in 1..=ROUNDS {
        crowd.say(round);
        back_end.wait_for("message", (round - 1) * (CROWD - ROUNDS * LEAVING) + 500, IN_THE_END)?;
        back_end.kill();
        crowd.leave(round * LEAVING); // while nobody can be told
        eventually(IN_THE_END, "the breaker to open", || {
            let metrics = server.api("GET", "/metrics")?.send()?.body;
            Ok((!metrics.contains("\nsilverback_hooks_breaker 0")).then_some(()))
        })?;
        back_end.restart()?;
    }
    let left = crowd.close(IN_THE_END)?;
    back_end.wait_for("ended", CROWD, IN_THE_END)?;
    let given_up = left.iter().filter(|left| left.told.is_some()).count();
    println!("{:?}, {given_up} sessions were told of a message that was given up", back_end.counts()?);
    let noted = back_end.noted()?;
    assert_eq!(noted.iter().filter(|noted| noted.kind == "ended").count(), CROWD);

    let texts: Vec<&str> = noted.iter().filter(|noted| noted.kind == "message").map(|noted| &*noted.text).collect();
    let delivered: HashSet<&str> = texts.iter().copied().collect();
    assert_eq!(delivered.len(), texts.len(), "a message has two ids");
    let mut missing = 0;
    for one in &left {
        for (number, text) in (1..).zip(&one.said).filter(|(_, text)| !delivered.contains(&***text)) {
            missing += 1;
            let is_told = one.has_left || one.told.is_some_and(|given_up| given_up <= number);
            assert!(is_told, "the client was not told of {text:?}; its end: {}; the server: {}", one.end, server.process.printed());
        }
    }
    let reported: usize = noted.iter().filter(|noted| noted.kind == "ended").filter_map(|noted| noted.text.parse::<usize>().ok()).sum();
    assert!(missing <= reported, "{missing} messages were not delivered, {reported} are reported: {}", server.process.printed());
    in_order(noted)
}

/// Each session's events: that it began, its messages from the first one on without a gap, that it ended.
fn in_order(noted: &[silverback_conformance::Noted]) -> Result<()> {
    let mut sessions: HashMap<&str, Vec<&str>> = HashMap::new();
    for noted in noted {
        let what = if noted.kind == "message" { noted.id.rsplit('_').next().unwrap_or_default() } else { &noted.kind };
        sessions.entry(&noted.session).or_default().push(what);
    }
    for (session, told) in sessions {
        let messages = (1..told.len() - 1).map(|number| number.to_string());
        let expected: Vec<String> = std::iter::once("connected".to_owned()).chain(messages).chain(["ended".to_owned()]).collect();
        if told != expected {
            return Err(Failure::new(format!("session {session} was told of as {told:?}")));
        }
    }
    Ok(())
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_delivery_loses_no_end() -> Result<()> {
    const SESSIONS: usize = 400;
    let place = Scratch::new()?;
    let mut back_end = BackEnd::start(&place)?;
    let url = format!("http://{}/hooks", back_end.address);
    let events = "events = [\"connected\", \"ended\"]\nconcurrency = 4";
    let mut first = server(&place, &url, events)?;
    let crowd = Crowd::connect(first.address, &first.token("everybody")?, SESSIONS, IN_THE_END)?;
    back_end.wait_for("connected", SESSIONS, IN_THE_END)?;
    // Some ends are told, some wait for a back end that is gone, and some have not come.
    crowd.leave(SESSIONS / 2);
    back_end.wait_for("ended", SESSIONS / 20, IN_THE_END)?;
    back_end.kill();
    first.process.signal("KILL")?;
    first.process.wait(IN_THE_END)?;
    let before = back_end.counts()?.get("ended").copied().unwrap_or(0);
    back_end.restart()?;
    let _second = server(&place, &url, events)?;
    back_end.wait_for("ended", SESSIONS, IN_THE_END)?;
    println!("{before} of {SESSIONS} ends were told before the kill");
    in_order(back_end.noted()?)
}

#[test]
fn the_checks_of_the_signature_in_the_guide_tell_good_from_forged() -> Result<()> {
    let (place, listener) = (Scratch::new()?, TcpListener::bind("127.0.0.1:0")?);
    let url = format!("http://{}/hooks", listener.local_addr()?);
    let server = server(&place, &url, "events = [\"message\"]")?;
    let mut peer = RawPeer::connect(server.address, &format!("/ws?token={}", server.token("alice")?))?;
    peer.send(silverback_conformance::Opcode::Text, "Grüße".as_bytes())?;
    let (headers, body) = request(&listener)?;
    assert_eq!(body, "Grüße");
    let forged = |name: &str, value: &str| {
        let mut headers = headers.clone();
        headers[name] = value.into();
        headers
    };
    let secret = BackEnd::SECRET;
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let both = forged("webhook-signature", &format!("v1,AAAA {}", headers["webhook-signature"].as_str().unwrap_or_default()));
    for (is_good, secret, headers, body) in [
        (true, secret, headers.clone(), "Grüße"),
        (true, secret, both, "Grüße"),
        (false, secret, headers.clone(), "Grüsse"),
        (false, other, headers.clone(), "Grüße"),
        (false, secret, forged("webhook-id", "another"), "Grüße"),
        (false, secret, forged("webhook-timestamp", "1700000000"), "Grüße"),
        (false, secret, forged("webhook-signature", "v1,AAAA"), "Grüße"),
    ] {
        let input = json!({ "secret": secret, "headers": headers, "body": body }).to_string();
        for (language, program, call) in [
            (
                "python",
                ["python3", "-c"],
                "import json, sys; i = json.load(sys.stdin); verify(i['secret'], i['headers'], i['body'].encode())",
            ),
            ("js", ["node", "-e"], "const i = JSON.parse(require('fs').readFileSync(0)); verify(i.secret, i.headers, Buffer.from(i.body))"),
        ] {
            let guide = std::fs::read_to_string(installed::source("docs/hooks.md"))?;
            let block = guide.split_once(&format!("```{language}\n")).and_then(|(_, rest)| rest.split_once("```"));
            let code = block.map(|(code, _)| code).ok_or_else(|| Failure::new(format!("no block of {language} in the guide")))?;
            let mut child = Command::new(installed::program(program[0])?)
                .args([program[1], &format!("{code}\n{call}")])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            child.stdin.take().ok_or_else(|| Failure::new("no stdin"))?.write_all(input.as_bytes())?;
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.success(), is_good, "{language}, {input}: {said}");
            assert!(is_good || said.contains("the signature is wrong") || said.contains("too old"), "{language}: {said}");
        }
    }
    Ok(())
}

/// The next request's headers and body; it is answered with 204.
fn request(listener: &TcpListener) -> Result<(Value, String)> {
    let (stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = BufReader::new(stream);
    let (mut headers, mut line) = (json!({}), String::new());
    while stream.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers[name.to_ascii_lowercase()] = value.into();
        }
        line.clear();
    }
    let length = headers["content-length"].as_str().and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    Ok((headers, String::from_utf8_lossy(&body).into_owned()))
}
