//! How a server stops, and what must not stop it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use client::{Frame, Request, SECRET, WebSocket, command, server, token};
use rustix::process::Signal;

/// How long the server gives its connections, and as much again for a busy machine.
const BOUND: Duration = Duration::from_secs(20);

const GOING_AWAY: (u16, &str) = (1001, "the server is stopping");

fn stops(signal: Signal, name: &str) {
    let mut server = server();
    let sockets = [server.join("alice"), server.join("alice"), server.join("bob")];
    let _idle = server.connect();
    let began = Instant::now();
    server.signal(signal);
    for socket in sockets {
        let (code, reason) = socket.closed_and_answered();
        assert_eq!((code, reason.as_str()), GOING_AWAY);
    }
    let (status, _, log) = server.ended();
    assert_eq!(status.code(), Some(0), "{status} {log}");
    assert!(began.elapsed() < Duration::from_secs(7), "nobody was waited for: {:?}", began.elapsed());
    assert!(log.contains(&format!("stopping signal=\"{name}\" sessions=3")), "{log}");
    assert_eq!(log.matches(" ended session=").count(), 3, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn sigterm_closes_every_client_with_1001_and_a_reason() {
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
    assert_eq!(polite.closed_and_answered().0, 1001);
    assert_eq!(deaf.closed().0, 1001);
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
    let (code, reason) = socket.closed();
    assert_eq!((code, reason.as_str()), GOING_AWAY);
    socket.close(1001, "");
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains(" ended session="), "{log}");
}

#[test]
fn nobody_gets_in_once_the_server_stops() {
    let mut server = server();
    let mut deaf = server.join("deaf");
    server.signal(Signal::TERM);
    assert_eq!(deaf.closed().0, 1001);
    assert!(TcpStream::connect(server.address).is_err(), "a balancer sees at once that nobody listens any more");
    server.ended();
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
    assert_eq!(deaf.closed().0, 1001);
    late.send(&handshake[10..]);
    // A refusal with 503 would be as good.
    if late.answer().status == 101 {
        let mut socket = WebSocket::new(late);
        assert_eq!(socket.recv(), Frame::Close(GOING_AWAY.0, GOING_AWAY.1.to_owned()));
    }
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
    assert_eq!(alice.closed_and_answered().0, 1001);
    events.read_to("event: session.ended");
    assert!(server.ended().0.success());
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = server();
    let mut deaf = server.join("deaf");
    server.signal(Signal::TERM);
    assert_eq!(deaf.closed().0, 1001);
    let began = Instant::now();
    server.signal(Signal::TERM);
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains("stopped at once"), "{status} {log}");
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
