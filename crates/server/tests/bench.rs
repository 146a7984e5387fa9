//! `silverback bench`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::thread;

use client::{Directory, KEY, Run, SECRET, Server, command, run, server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const ENVIRONMENT: [(&str, &str); 2] = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

fn echo() -> Server {
    Server::spawn(command(&[]).args(["echo", "--listen", "127.0.0.1:0"]))
}

fn bench(url: &str, arguments: &[&str]) -> Run {
    run(&ENVIRONMENT, &[&["bench", url, "--threads", "2", "--ramp", "100ms"], arguments].concat())
}

/// The report of a run, as JSON.
#[track_caller]
fn report(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| unreachable!("{error}: {run:?}"))
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| unreachable!("{value} is no count"))
}

/// What was sent was received or lost, and the picture shows all that was received.
#[track_caller]
fn adds_up(report: &Value) {
    let (messages, connects) = (&report["messages"], &report["connects"]);
    assert_eq!(count(&messages["sent"]), count(&messages["received"]) + count(&messages["lost"]), "{messages}");
    assert_eq!(count(&connects["attempted"]), count(&connects["ok"]) + count(&connects["failed"]), "{connects}");
    let sum = |list: &Value| list.as_array().unwrap().iter().map(|entry| count(&entry["count"])).sum::<u64>();
    assert_eq!(sum(&connects["failures"]), count(&connects["failed"]), "{connects}");
    assert_eq!(sum(&report["latency_histogram"]), count(&messages["received"]), "{report}");
    assert_eq!(report["problems"].as_array().unwrap().is_empty(), report["ok"].as_bool().unwrap());
}

#[test]
fn every_message_of_a_closed_loop_comes_back_and_is_told_of() {
    let server = echo();
    let told = bench(&format!("ws://{}", server.address), &["-c", "7", "-d", "300ms", "--in-flight", "3", "--text", "--json"]);
    let report = report(&told);
    adds_up(&report);
    assert!(told.is_good && report["ok"] == true, "{told:?}");
    assert_eq!((&report["connects"]["ok"], &report["messages"]["lost"]), (&7.into(), &0.into()));
    assert!(count(&report["messages"]["sent"]) >= 21 && report["parameters"]["loop"] == "closed", "{report}");
    assert!(report["latency_us"]["p50"].as_u64() <= report["latency_us"]["max"].as_u64());
    assert!(!report["timeline"].as_array().unwrap().is_empty());
}

#[test]
fn an_open_loop_sends_what_is_due_and_no_more() {
    let server = echo();
    let url = format!("ws://{}", server.address);
    for (rate, due) in [(["--rate", "20"], 40), (["--total-rate", "100"], 50)] {
        let told = bench(&url, &[&["-c", "4", "-d", "500ms", "--json"], &rate[..]].concat());
        let report = report(&told);
        adds_up(&report);
        assert!(told.is_good, "{told:?}");
        assert_eq!((&report["messages"]["sent"], &report["parameters"]["loop"]), (&due.into(), &"open".into()), "{report}");
    }
}

#[test]
fn the_table_fits_a_terminal_and_says_that_all_was_well() {
    let server = echo();
    let told = bench(&format!("ws://{}", server.address), &["-c", "2", "-d", "200ms"]);
    assert!(told.is_good && told.stdout.ends_with("All connections and messages were fine.\n"), "{told:?}");
    for part in ["connected", "messages", "throughput", "latency", "p99.9", "█"] {
        assert!(told.stdout.contains(part), "{part}: {}", told.stdout);
    }
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 80) && !told.stdout.contains('\u{1b}'), "{}", told.stdout);
}

#[test]
fn what_is_posted_to_the_users_of_a_server_is_measured_until_it_arrives() {
    let server = server();
    let (url, api) = (format!("ws://{}/ws", server.address), format!("http://{}", server.address));
    let push = ["--mode", "push", "--api", &api, "--users", "5", "-c", "5", "-d", "400ms", "--json"];
    for pace in [["--total-rate", "50"], ["--in-flight", "2"]] {
        let told = bench(&url, &[&push[..], &pace].concat());
        let report = report(&told);
        adds_up(&report);
        assert!(told.is_good, "{told:?}");
        assert_eq!((&report["messages"]["sent"], &report["messages"]["lost"]), (&report["posts"]["ok"], &0.into()), "{report}");
        if pace[0] == "--total-rate" {
            assert_eq!(report["posts"]["ok"], 20, "{report}");
        }
    }
    let wrong = run(&[ENVIRONMENT[0], ("SILVERBACK_API_KEY", "another-key-hush-hush")], &[&["bench", &url], &push[..]].concat());
    let report = report(&wrong);
    assert!(!wrong.is_good && report["posts"]["failures"][0]["cause"] == "the API answered with 401: api-key-wrong", "{wrong:?}");
    assert!(!format!("{wrong:?}").contains("hush"));
}

#[test]
fn what_a_server_pushes_by_itself_is_counted_and_its_latency_too_where_it_has_a_stamp() {
    let server = server();
    let arguments = ["-c", "1", "-d", "60s", "--mode", "push", "--users", "1", "--json"];
    let (bench, mut log) = started(&format!("ws://{}/ws", server.address), &arguments);
    log.wait_for(|line| line.contains("sending"));
    let user = format!("/v1/users/bench-{}-0/messages", bench.id());
    for text in ["hello".to_owned(), format!("silverback-bench:{:020}", u128::from(client::now()) * 1_000_000_000)] {
        assert_eq!(server.ask(server.api("POST", &user).body(text)).json()["queued"], 1);
    }
    log.wait_for_messages();
    kill_process(Pid::from_child(&bench), Signal::INT).unwrap();
    let (is_good, report) = ended(bench);
    assert!(is_good, "{report}");
    assert_eq!((&report["messages"]["received"], &report["latency_us"]["count"]), (&2.into(), &1.into()), "{report}");
}

#[test]
fn a_refusal_is_counted_by_its_cause() {
    let server = server();
    let told = bench(&format!("ws://{}/ws", server.address), &["-c", "4", "-d", "200ms", "--json"]);
    let report = report(&told);
    adds_up(&report);
    assert!(!told.is_good && told.stderr.contains("not all was well: 4 of 4 connections failed"), "{told:?}");
    let failure = &report["connects"]["failures"][0];
    assert_eq!((&failure["cause"], &failure["count"]), (&"refused with 401: token-missing".into(), &4.into()), "{report}");
}

#[test]
fn a_closed_port_is_told_in_words() {
    let told = bench("ws://127.0.0.1:1", &["-c", "3", "-d", "1s"]);
    assert!(!told.is_good && told.stdout.contains("3 × connect  connection refused: nothing listens there"), "{told:?}");
}

#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let told = bench(&url, &["-c", "2", "-d", "1s", "--timeout", "300ms", "--json"]);
    let report = report(&told);
    adds_up(&report);
    assert_eq!(report["connects"]["failures"][0]["cause"], "no answer to the handshake within 300ms", "{report}");
}

#[test]
fn messages_without_an_answer_are_lost_and_counted() {
    let address = silent();
    let told = bench(&format!("ws://{address}"), &["-c", "1", "-d", "300ms", "--timeout", "1s", "--rate", "10", "--json"]);
    let report = report(&told);
    adds_up(&report);
    assert!(!told.is_good, "{told:?}");
    assert_eq!((&report["messages"]["sent"], &report["messages"]["lost"]), (&3.into(), &3.into()), "{report}");
}

#[test]
fn a_server_that_dies_in_the_middle_is_told_of() {
    let server = echo();
    let (bench, mut log) = started(&format!("ws://{}", server.address), &["-c", "3", "-d", "60s", "--in-flight", "2", "--json"]);
    log.wait_for_messages();
    server.signal(Signal::KILL);
    let (is_good, report) = ended(bench);
    adds_up(&report);
    let ends = report["disconnects"].as_array().unwrap();
    assert!(!is_good && ends.iter().map(|end| count(&end["count"])).sum::<u64>() == 3, "{report}");
    assert!(ends.iter().all(|end| end["code"] == 1006 && end["cause"].as_str().unwrap().starts_with("lost without a Close")), "{report}");
}

#[test]
fn an_interrupted_run_still_reports() {
    let server = echo();
    let (bench, mut log) = started(&format!("ws://{}", server.address), &["-c", "3", "-d", "60s", "--json"]);
    log.wait_for_messages();
    kill_process(Pid::from_child(&bench), Signal::INT).unwrap();
    let (is_good, report) = ended(bench);
    adds_up(&report);
    assert!(is_good && report["interrupted"] == true && count(&report["messages"]["received"]) > 0, "{report}");
}

#[test]
fn the_page_is_well_formed_and_has_no_scripts_and_no_secrets() {
    let (server, directory) = (server(), Directory::new());
    let file = format!("{}/report.html", directory.path());
    let url = format!("ws://{}/ws?token=hush-hush-in-the-query", server.address);
    let arguments = ["-c", "3", "-d", "300ms", "-H", "X-Key: hush-hush-in-a-header", "--token", "hush-hush-token", "--html", &file];
    let told = bench(&url, &arguments);
    let page = std::fs::read_to_string(&file).unwrap();
    well_formed(&page);
    for text in [&page, &told.stdout, &told.stderr] {
        assert!(!text.contains("hush") && !text.contains(SECRET), "{text}");
    }
    for part in ["<script", "javascript:", "http://", "https://", "url(", "@import", "src="] {
        assert!(!page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(page.contains("refused with 401"), "{page}");
}

#[test]
fn what_cannot_be_done_is_said_before_it_is_tried() {
    for (arguments, part) in [
        (&["bench", "ws://127.0.0.1:1", "--rate", "1", "--total-rate", "1"][..], "cannot be used with"),
        (&["bench", "ws://127.0.0.1:1", "--api", "http://127.0.0.1:1", "--users", "1"], "add --mode push"),
        (&["bench", "127.0.0.1:1"], "this is no address"),
        (&["bench", "ws://127.0.0.1:1", "--payload", "much"], "write a size"),
        (&["bench", "ws://127.0.0.1:1", "--users", "2"], "set SILVERBACK_AUTH_SECRET"),
        (&["bench", "ws://127.0.0.1:1", "--html", "/nowhere/report.html"], "cannot be written to /nowhere/report.html"),
    ] {
        let failed = run(&[], arguments);
        assert!(!failed.is_good && failed.stderr.contains(part), "{part}: {failed:?}");
    }
}

/// Each tag that is opened is closed, in order.
fn well_formed(page: &str) {
    let (mut open, mut rest) = (Vec::new(), page);
    while let Some((_, behind)) = rest.split_once('<') {
        let (tag, behind) = behind.split_once('>').unwrap();
        rest = behind;
        let name = tag.split([' ', '\n']).next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if tag.starts_with('!') || tag.ends_with('/') || name == "meta" => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// A WebSocket server that takes one client and says nothing.
fn silent() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut socket = silverback::Upgrader::default().accept(stream).await.unwrap();
            while socket.recv().await.is_some() {}
        });
    });
    address
}

/// What a process says on standard error, while it runs.
struct Log(BufReader<std::process::ChildStderr>);

impl Log {
    fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) {
        let mut line = String::new();
        while !is_it(&line) {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "it ended before the line came");
        }
    }

    /// Waits until messages come.
    fn wait_for_messages(&mut self) {
        self.wait_for(|line| line.contains("sending") && !line.contains(" 0.0 msg/s"));
    }
}

/// A bench that runs on.
fn started(url: &str, arguments: &[&str]) -> (Child, Log) {
    let mut command = command(&ENVIRONMENT);
    command.args(["bench", url, "--ramp", "0s"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let log = Log(BufReader::new(child.stderr.take().unwrap()));
    (child, log)
}

fn ended(bench: Child) -> (bool, Value) {
    let output = bench.wait_with_output().unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}
