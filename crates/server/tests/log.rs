//! The log, for people and for machines, whatever clients do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{KEY, Request, SECRET, Server, run, server, token};
use rustix::process::Signal;
use serde_json::Value;

const CONFIGURED: &[(&str, &str)] = &[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

#[test]
fn a_machine_reads_json_line_by_line_with_the_report_of_each_end() {
    let mut server = Server::start(&[CONFIGURED, &[("SILVERBACK_LOG_FORMAT", "json")]].concat(), &[]);
    let (_, mut socket) = server.connect().upgrade(Request::handshake("/ws").bearer(&token("al\"ice")));
    socket.text("hello");
    socket.close(4000, "done");
    assert_eq!(socket.closed().0, 4000);
    server.ask(Request::handshake("/ws")).refusal(401, "token-missing");
    server.signal(Signal::TERM);
    let (_, _, log) = server.ended();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| unreachable!("{error}: {line}"))).collect();
    let of = |message: &str| lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| unreachable!("{message}: {log}"));
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    let (connected, ended) = (of("connected"), of("ended"));
    assert_eq!((&connected["user"], &ended["user"]), (&"al\"ice".into(), &"al\"ice".into()));
    assert_eq!((&connected["session"], &ended["messages_in"]), (&ended["session"], &1.into()));
    let report = ended["report"].as_str().unwrap();
    assert!(report.contains("received 4000 \"done\""), "{report}");
    assert!(of("a handshake was refused")["refusal"].as_str().unwrap().contains("token-missing"));
}

#[test]
fn a_format_that_does_not_exist_is_named_with_the_cure() {
    let refused = run(&[("SILVERBACK_LOG_FORMAT", "xml")], &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!refused.is_good && refused.stderr.contains("SILVERBACK_LOG_FORMAT") && refused.stderr.contains("\"json\""), "{refused:?}");
}

#[test]
fn a_flood_of_refusals_is_a_few_lines_and_a_count() {
    const FLOOD: usize = 500;
    let mut server = Server::start(&[CONFIGURED, &[("SILVERBACK_LOG", "info")]].concat(), &[]);
    let handshake = Request::handshake("/ws").bytes();
    let (last, first) = handshake.split_last().unwrap();
    let mut clients: Vec<_> = (0..FLOOD).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(first);
    }
    for client in &mut clients {
        client.send(&[*last]);
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 401);
    }
    server.signal(Signal::TERM);
    let (_, _, log) = server.ended();
    let lines = log.lines().filter(|line| line.contains("a handshake was refused") && line.contains("remote=")).count();
    let counts = log.lines().filter_map(|line| line.split_once("left_out=")?.1.split_whitespace().next()?.parse::<usize>().ok());
    let left_out: usize = counts.sum();
    assert_eq!(lines + left_out, FLOOD, "{log}");
    assert!(left_out > 0, "{lines} lines were not too many");
}

#[test]
fn the_end_of_each_session_is_told_however_many_end_at_once() {
    const MANY: usize = 60;
    let mut server = server();
    let sockets: Vec<_> = (0..MANY).map(|number| server.join(&format!("user-{number}"))).collect();
    server.signal(Signal::TERM);
    for socket in sockets {
        socket.closed_and_answered();
    }
    let (_, _, log) = server.ended();
    assert_eq!(log.matches(" ended session=").count(), MANY, "{log}");
}
