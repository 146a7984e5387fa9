//! How a server stops, and what must not stop it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::{Frame, KEY, Request, SECRET, Server, command, server, token};
use rustix::process::Signal;
use serde_json::Value;

/// How long the server gives its connections, and as much again for a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// A server whose clients are closed over this time.
fn draining_over(time: &str) -> Server {
    Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY), ("SILVERBACK_DRAIN_OVER", time)], &[])
}

/// The server is restarted, and this client comes back after a time of its own.
#[track_caller]
fn assert_restart((code, reason): (u16, String)) {
    let reason: Value = serde_json::from_str(&reason).unwrap();
    assert_eq!((code, &reason["reason"]), (1012, &"restarting".into()));
    assert!(reason["retry_ms"].as_u64().is_some_and(|time| time <= 10_000), "{reason}");
}

fn stops(signal: Signal, name: &str) {
    let mut server = server();
    let sockets = [server.join("alice"), server.join("alice"), server.join("bob")];
    let _idle = server.connect();
    let began = Instant::now();
    server.signal(signal);
    for socket in sockets {
        assert_restart(socket.closed_and_answered());
    }
    let (status, _, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{status} {log}");
    assert!(began.elapsed() < Duration::from_secs(7), "nobody was waited for: {:?}", began.elapsed());
    assert!(log.contains(&format!("stopping signal=\"{name}\" sessions=3")), "{log}");
    assert_eq!(log.matches(" ended session=").count(), 3, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn sigterm_closes_every_client_with_1012_and_a_hint_when_to_come_back() {
    stops(Signal::TERM, "SIGTERM");
}

#[test]
fn sigint_does_as_sigterm() {
    stops(Signal::INT, "SIGINT");
}

#[test]
fn a_signal_is_heard_as_soon_as_the_server_says_that_it_listens() {
    for _ in 0..50 {
        let mut server = server();
        server.signal(Signal::TERM);
        let (status, _, log) = server.ended();
        assert_eq!(status.code(), Some(0), "{status}: {log}");
    }
}

#[test]
fn a_client_that_does_not_answer_the_close_does_not_hold_the_server_up() {
    let mut server = server();
    let mut deaf = server.join("deaf");
    let polite = server.join("polite");
    let began = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(polite.closed_and_answered().0, 1012);
    assert_eq!(deaf.closed().0, 1012);
    let (status, _, _) = server.ended();
    assert!(status.success() && began.elapsed() < BOUND, "{status} after {:?}", began.elapsed());
}

#[test]
fn the_end_of_a_session_is_logged_even_if_its_client_does_not_answer_the_close() {
    let mut server = server();
    let _deaf = server.join("deaf");
    server.signal(Signal::TERM);
    let (_, _, log) = server.ended();
    assert_eq!(log.matches(" ended session=").count(), 1, "{log}");
}

#[test]
fn a_client_that_reads_nothing_does_not_hold_the_server_up() {
    let mut server = server();
    let _full = server.join("full");
    let message = server.api("POST", "/v1/users/full/messages").body(vec![b'x'; 1 << 20]);
    let is_full = |_| server.ask(message.clone()).json()["dropped"] == 1;
    assert!((0..100).any(is_full));
    let began = Instant::now();
    server.signal(Signal::TERM);
    let (status, _, _) = server.ended();
    assert!(status.success() && began.elapsed() < BOUND, "{status} after {:?}", began.elapsed());
}

#[test]
fn requests_that_are_not_complete_and_streams_without_an_end_do_not_hold_the_server_up() {
    let mut server = server();
    let mut half = server.connect();
    half.send(b"GET /ws HTTP/1.1\r\nHost: a\r\n");
    let mut body = server.connect();
    body.send(&server.api("POST", "/v1/users/a/messages").header("Content-Length", "10").bytes());
    let mut events = server.connect();
    events.send(&server.api("GET", "/v1/events").bytes());
    events.read_to(": silverback\n");
    let began = Instant::now();
    server.signal(Signal::TERM);
    assert!(server.ended().0.success() && began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
}

#[test]
fn a_client_that_came_by_a_connection_with_other_requests_is_closed_like_the_others() {
    let mut server = server();
    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live"));
    let (_, mut socket) = client.upgrade(Request::handshake("/ws").bearer(&token("alice")));
    server.log_with("connected session=");
    server.signal(Signal::TERM);
    assert_restart(socket.closed());
    socket.close(1012, "");
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains(" ended session="), "{log}");
}

#[test]
fn closes_are_spread_over_the_time_that_is_configured() {
    let mut server = draining_over("1s");
    let sockets: Vec<_> = (0..4).map(|number| server.join(&format!("user-{number}"))).collect();
    server.signal(Signal::TERM);
    let mut times = Vec::new();
    for socket in sockets {
        assert_restart(socket.closed_and_answered());
        times.push(Instant::now());
    }
    // The oldest comes first. A busy machine may be late with any of them, but never early.
    assert!(times[3] - times[0] > Duration::from_millis(250), "{times:?}");
    assert_eq!(server.ended().0.code(), Some(0));
}

#[test]
fn a_server_that_leaves_is_not_ready_and_lets_nobody_in_and_its_api_answers() {
    let mut server = draining_over("1h");
    let mut kept_alive = server.connect();
    assert_eq!(kept_alive.ask(Request::new("GET", "/health/ready")).status, 200);
    let (first, mut second) = (server.join("alice"), server.join("bob"));
    server.signal(Signal::TERM);
    assert_restart(first.closed_and_answered()); // the other's turn comes in half an hour
    server.ask(Request::new("GET", "/health/ready")).problem(503, "stopping");
    let late = server.ask(Request::handshake("/ws").bearer(&token("carol")));
    late.refusal(503, "stopping");
    assert_eq!(late.header("retry-after"), "5");
    let sent = kept_alive.ask(server.api("POST", "/v1/users/bob/messages").body("you are still here"));
    assert_eq!((sent.status, sent.header("connection")), (200, "close"), "it is told to connect anew: {sent:?}");
    kept_alive.wait_for_end();
    assert_eq!(second.recv(), Frame::Text("you are still here".to_owned()));
    server.signal(Signal::TERM);
    server.ended();
}

#[test]
fn a_connection_that_is_kept_alive_has_its_request_answered_when_the_server_stops() {
    let mut server = server();
    let mut kept_alive = server.connect();
    kept_alive.ask(Request::new("GET", "/health/live"));
    let deaf = server.join("deaf");
    server.signal(Signal::TERM);
    drop(deaf);
    server.log_with("stopping signal=");
    let answer = kept_alive.ask(Request::new("GET", "/health/live"));
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    assert!(server.ended().0.success());
}

#[test]
fn a_drain_by_the_api_ends_the_process_if_it_is_asked_to() {
    let mut server = server();
    let socket = server.join("alice");
    assert_eq!(server.ask(server.api("POST", "/v1/drain?exit=true&over=0s")).status, 202);
    assert_restart(socket.closed_and_answered());
    let (status, _, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{status} {log}");
    assert!(log.contains("stopping signal=\"POST /v1/drain\" sessions=0"), "{log}");
}

#[test]
fn a_signal_makes_a_drain_that_the_api_has_begun_no_longer() {
    let mut server = draining_over("1h");
    let sockets = [server.join("alice"), server.join("bob")];
    assert_eq!(server.ask(server.api("POST", "/v1/drain?over=1s")).status, 202);
    server.signal(Signal::TERM);
    for socket in sockets {
        assert_restart(socket.closed_and_answered());
    }
    assert_eq!(server.ended().0.code(), Some(0));
}

#[test]
fn a_client_whose_handshake_ends_while_the_server_stops_is_told_like_the_others() {
    let mut server = server();
    let mut deaf = server.join("deaf");
    let mut late = server.connect();
    let handshake = Request::handshake("/ws").bearer(&token("late")).bytes();
    late.send(&handshake[..10]);
    server.serves_on(); // by now the half of the other handshake is with the server
    server.signal(Signal::TERM);
    assert_eq!(deaf.closed().0, 1012);
    late.send(&handshake[10..]);
    late.answer().refusal(503, "stopping");
    server.ended();
}

#[test]
fn the_stream_of_events_tells_of_the_ends_that_a_stop_makes() {
    let mut server = server();
    let mut events = server.connect();
    events.send(&server.api("GET", "/v1/events").bytes());
    events.read_to(": silverback\n");
    let alice = server.join("alice");
    server.signal(Signal::TERM);
    assert_eq!(alice.closed_and_answered().0, 1012);
    events.read_to("event: session.ended");
    assert!(server.ended().0.success());
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = server();
    let mut deaf = server.join("deaf");
    server.signal(Signal::TERM);
    assert_eq!(deaf.closed().0, 1012);
    let began = Instant::now();
    server.signal(Signal::TERM);
    let (status, _, log) = server.ended();
    assert_eq!(status.code(), Some(1), "{status} {log}");
    assert!(log.contains("stopped at once by a second SIGTERM: 1 sessions were dropped"), "{log}");
    assert!(began.elapsed() < Duration::from_secs(4), "the client, which never answers, has 5 s: {:?}", began.elapsed());
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_stop_the_server() {
    let mut child = command(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_LOG", "trace")])
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    drop(child.stderr.take());
    let answers: Vec<_> = (0..5).map(|_| first_line(address)).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answers, ["HTTP/1.1 401 Unauthorized"; 5]);
}

/// The first line of the answer to a handshake without a token; nothing if there is none.
fn first_line(address: SocketAddr) -> String {
    let mut answer = String::new();
    let _ = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(&Request::handshake("/ws").bytes())?;
        stream.read_to_string(&mut answer)
    });
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn standard_output_that_is_closed_is_no_panic() {
    let secret = [("SILVERBACK_AUTH_SECRET", SECRET)];
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&secret).args(["token", "--user", "alice"]).stdout(writer).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
}
