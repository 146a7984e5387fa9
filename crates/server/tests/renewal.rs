//! A session and its token's end, with the real server and the real clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Directory, Frame, KEY, Request, SECRET, Server, WebSocket, now, server, signed};
use serde_json::{Value, json};

fn token(user: &str, seconds: u64) -> String {
    signed(SECRET, &json!({ "sub": user, "exp": now() + seconds }))
}

fn join(server: &Server, token: &str) -> WebSocket {
    server.upgrade(Request::handshake("/ws").bearer(token).header("Sec-WebSocket-Protocol", "silverback"))
}

fn told(socket: &mut WebSocket) -> Value {
    match socket.recv() {
        Frame::Text(text) => serde_json::from_str(&text).unwrap(),
        frame => unreachable!("{frame:?} is not a text"),
    }
}

#[test]
fn a_session_ends_with_4401_when_its_token_does() {
    let server = server();
    let mut socket = join(&server, &token("alice", 2));
    assert_eq!(told(&mut socket)["type"], "silverback.token.expiring");
    let (code, reason) = socket.closed_and_answered();
    assert_eq!(code, 4401);
    assert!(reason.contains("expired"), "{reason}");
    server.wait_for_ends(0);
}

#[test]
fn how_long_before_the_end_a_client_is_told_is_configured() {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "auth = { expiry_warning = \"0s\" }");
    let server = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &["--config", &file]);
    assert_eq!(join(&server, &token("alice", 2)).closed_and_answered().0, 4401);
}

#[test]
fn a_session_outlives_its_first_token_by_a_fresh_one_that_nobody_sees() {
    let server = server();
    let mut events = server.connect();
    events.send(&server.api("GET", "/v1/events").bytes());
    events.read_to(": silverback");

    let second_end = now() + 6;
    let (first, second, stolen) = (token("alice", 3), token("alice", 6), token("mallory", 3600));
    let mut socket = join(&server, &first);
    assert_eq!(told(&mut socket)["type"], "silverback.token.expiring");
    for (token, kind) in [(&stolen, "silverback.token.refused"), (&second, "silverback.token.accepted")] {
        socket.text(&json!({ "type": "silverback.token", "token": token }).to_string());
        assert_eq!(told(&mut socket)["type"], kind);
    }
    socket.text("still here");
    assert_eq!(told(&mut socket)["type"], "silverback.token.expiring");
    assert_eq!(socket.closed_and_answered().0, 4401);
    assert!(now() >= second_end, "it ended with its first token");
    let seen = events.read_to("session.ended");
    assert_eq!(seen.matches("event: session.message").count(), 1, "{seen}");
    assert!(seen.contains("still here"), "{seen}");
    server.wait_for_ends(0);
    let log = server.log_so_far();
    assert!(log.contains("the token was renewed") && log.contains("token-other-user"), "{log}");
    for token in [&first, &second, &stolen] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!seen.contains(signature) && !log.contains(signature), "a token was shown");
    }
}

#[test]
fn a_client_that_never_stops_talking_does_not_outlive_its_token() {
    let server = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY), ("SILVERBACK_LOG", "info")], &[]);
    let mut socket = server.upgrade(Request::handshake("/ws").bearer(&token("alice", 2)));
    assert_eq!(socket.closed_while_talking().0, 4401);
}
