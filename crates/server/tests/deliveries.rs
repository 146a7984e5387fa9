//! Sending to sessions, to many and to those who answer.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Answer, Frame, Server, WebSocket, server};
use serde_json::{Value, json};

fn post(server: &Server, target: &str, body: impl Into<Vec<u8>>) -> Answer {
    server.ask(server.api("POST", target).body(body))
}

fn post_json(server: &Server, target: &str, body: &Value) -> Answer {
    server.ask(server.api("POST", target).header("Content-Type", "application/json").body(body.to_string()))
}

fn delivered(sessions: usize) -> Value {
    json!({ "sessions": sessions, "queued": sessions, "dropped": 0 })
}

/// The id of a user's only session.
fn id_of(server: &Server, user: &str) -> String {
    server.ask(server.api("GET", &format!("/v1/users/{user}"))).json()["sessions"][0]["id"].as_str().unwrap().to_owned()
}

fn text(socket: &mut WebSocket) -> String {
    match socket.recv() {
        Frame::Text(text) => text,
        frame => unreachable!("{frame:?}"),
    }
}

#[test]
fn a_message_for_many_reaches_those_that_it_names() {
    let server = server();
    let (mut alice, mut bob, mut carol) = (server.join("alice"), server.join("bob"), server.join("carol"));
    let some = json!({ "to": { "users": ["alice", "bob", "alice", "nobody"] }, "message": { "text": "some" } });
    assert_eq!(post_json(&server, "/v1/messages", &some).json(), delivered(2));
    let all = json!({ "to": "everyone", "message": { "base64": "AP8=" } });
    assert_eq!(post_json(&server, "/v1/messages", &all).json(), delivered(3));
    for socket in [&mut alice, &mut bob] {
        assert_eq!(socket.recv(), Frame::Text("some".into()));
    }
    for socket in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(socket.recv(), Frame::Binary(vec![0, 0xff]));
    }
    let attribute = json!({ "to": { "attribute": { "plan": "pro" } }, "message": { "text": "pros" } });
    assert_eq!(post_json(&server, "/v1/messages", &attribute).json(), delivered(0), "tokens give no attributes yet");
}

#[test]
fn a_message_for_many_that_cannot_be_meant_is_refused_and_says_how_to_write_it() {
    let server = server();
    for body in [
        json!({}),
        json!([]),
        json!({ "to": "all", "message": { "text": "x" } }),
        json!({ "to": "everyone", "message": "x" }),
        json!({ "to": "everyone", "message": { "base64": "?" } }),
        json!({ "to": "everyone", "message": { "text": "x" }, "ttl": 1 }),
        json!({ "to": { "attribute": {} }, "message": { "text": "x" } }),
        json!({ "to": { "attribute": { "a": 1, "b": 2 } }, "message": { "text": "x" } }),
    ] {
        let problem = post_json(&server, "/v1/messages", &body).problem(400, "body-not-valid");
        assert!(problem["cure"].is_string(), "{problem}");
        assert!(!problem.to_string().contains("ToMany"), "{problem}");
    }
    let form = server.api("POST", "/v1/messages").header("Content-Type", "application/x-www-form-urlencoded");
    let problem = server.ask(form.body("{}")).problem(415, "content-type-not-json");
    assert!(problem["cure"].as_str().unwrap().contains("application/json"), "{problem}");
    let large = json!({ "to": "everyone", "message": { "text": "x".repeat((1 << 20) + 1) } });
    post_json(&server, "/v1/messages", &large).problem(413, "body-too-large");
    post_json(&server, "/v1/messages", &json!("x".repeat(4 << 20))).problem(413, "body-too-large");
}

#[test]
fn one_session_is_sent_to_and_closed_by_its_id() {
    let server = server();
    let (mut socket, mut other) = (server.join("alice"), server.join("bob"));
    let id = id_of(&server, "alice");
    assert_eq!(post(&server, &format!("/v1/sessions/{id}/messages"), "hello").json(), delivered(1));
    assert_eq!(text(&mut socket), "hello");
    let closed = server.ask(server.api("DELETE", &format!("/v1/sessions/{id}?code=4000&reason=bye")));
    assert_eq!(closed.json(), json!({ "closed": 1 }));
    assert_eq!(socket.closed_and_answered(), (4000, "bye".to_owned()));
    server.wait_for_ends(1);
    for answer in
        [post(&server, &format!("/v1/sessions/{id}/messages"), "x"), server.ask(server.api("DELETE", &format!("/v1/sessions/{id}")))]
    {
        let problem = answer.problem(404, "session-not-found");
        assert!(problem["title"].as_str().unwrap().contains("has ended"), "{problem}");
    }
    server.ask(server.api("GET", "/v1/sessions/alice")).problem(400, "session-id-not-valid");
    server.ask(server.api("GET", "/v1/sessions/01890a5d-ac96-774b-bcce-b302099a8057")).problem(404, "session-not-found");
    post(&server, "/v1/users/bob/messages", "still here");
    assert_eq!(text(&mut other), "still here");
}

#[test]
fn an_answer_of_the_client_comes_back_to_whoever_asked() {
    let server = server();
    let mut socket = server.join("alice");
    let mut asking = server.connect();
    let request = server.api("POST", "/v1/users/alice/messages?reply_within=20s&id=call-1").body("{\"from\":\"bob\"}");
    asking.send(&request.bytes());
    let asked: Value = serde_json::from_str(&text(&mut socket)).unwrap();
    assert_eq!(asked, json!({ "id": "call-1", "data": { "from": "bob" } }));
    socket.text("{\"reply_to\":\"call-1\",\"data\":{\"accepted\":true}}");
    let answer = asking.answer().json();
    let expected = json!({ "id": "call-1", "acknowledged": true, "session": id_of(&server, "alice"), "data": { "accepted": true } });
    assert_eq!(answer, expected);
}

#[test]
fn a_request_that_nobody_answers_says_why() {
    let server = server();
    let not = |why: &str, delivery: Value, answer: &Value| {
        let id = answer["id"].as_str().unwrap();
        assert_eq!(*answer, json!({ "id": id, "acknowledged": false, "why": why, "delivery": delivery }));
    };
    not("not-delivered", delivered(0), &post(&server, "/v1/users/alice/messages?reply_within=1s", "1").json());
    let mut socket = server.join("alice");
    not("timed-out", delivered(1), &post(&server, "/v1/users/alice/messages?reply_within=50ms", "1").json());
    text(&mut socket);
    let mut asking = server.connect();
    asking.send(&server.api("POST", "/v1/users/alice/messages?reply_within=20s").body("1").bytes());
    text(&mut socket);
    socket.close(1000, "");
    not("ended", delivered(1), &asking.answer().json());
}

#[test]
fn how_a_message_is_delivered_is_said_in_a_way_that_can_be_meant() {
    let server = server();
    for query in [
        "overflow=wait",
        "overflow=keep-latest",
        "overflow=keep-latest&key=",
        "key=ACME",
        "overflow=drop-oldest&key=ACME",
        "id=1",
        "reply_within=1s&overflow=close",
        "reply_within=soon",
        "reply_within=61s",
        "reply_within=1s&id=",
        "overflow=close&overflow=close",
        "unknown=1",
    ] {
        let problem = post(&server, &format!("/v1/users/alice/messages?{query}"), "1").problem(400, "query-not-valid");
        assert!(problem["cure"].as_str().unwrap().starts_with("write "), "{query}: {problem}");
    }
    post(&server, "/v1/users/alice/messages?reply_within=1s", "not JSON").problem(400, "body-not-valid");
    let mut socket = server.join("alice");
    for query in ["", "?overflow=drop-newest", "?overflow=drop-oldest", "?overflow=keep-latest&key=ACME", "?overflow=close"] {
        assert_eq!(post(&server, &format!("/v1/users/alice/messages{query}"), "1").json(), delivered(1), "{query}");
        assert_eq!(text(&mut socket), "1");
    }
}

#[test]
fn a_client_that_is_too_slow_is_closed_where_that_was_chosen() {
    let server = server();
    let _socket = server.join("alice");
    let is_over = |_| {
        let target = "/v1/users/alice/messages?overflow=close";
        post(&server, target, vec![b'x'; 1 << 20]).json()["queued"] == 0
    };
    assert!((0..100).any(is_over), "its queue is bounded");
    server.ask(server.api("GET", "/v1/users/alice"));
}
