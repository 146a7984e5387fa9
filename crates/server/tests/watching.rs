//! What the console reads: how much is going on, who was refused and why, and what a key may do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Directory, Frame, KEY, Request, SECRET, Server, server};
use serde_json::{Value, json};

/// The answer of the API to a request with this key.
fn ask(server: &Server, key: &str, path: &str) -> Value {
    let answer = server.ask(Request::new("GET", path).bearer(key));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// A handshake from a page and a program, with a wrong token in its query.
fn from_a_page(target: &str) -> Request {
    Request::handshake(target)
        .header("Origin", "http://silverback.test")
        .header("User-Agent", "a browser")
        .header("Accept", "application/json")
}

#[test]
fn a_refusal_is_listed_with_what_arrived_and_its_cure_and_without_the_token() {
    let server = server();
    server.ask(from_a_page("/ws?token=not-a-token-at-all&hush=hush")).problem(401, "token-malformed");
    server.ask(Request::new("GET", "/ws")).refusal(426, "upgrade-missing");
    let page = ask(&server, KEY, "/v1/handshakes");
    assert_eq!((&page["total"], &page["next"]), (&json!(2), &Value::Null), "{page}");
    let (last, first) = (&page["refused"][0], &page["refused"][1]);
    assert_eq!((&last["cause"], &last["status"], &last["user_agent"]), (&json!("upgrade-missing"), &json!(426), &Value::Null), "{page}");
    assert_eq!((&first["cause"], &first["status"], &first["left_out"]), (&json!("token-malformed"), &json!(401), &json!(0)), "{page}");
    assert_eq!((&first["origin"], &first["user_agent"]), (&json!("http://silverback.test"), &json!("a browser")));
    for part in ["at", "remote", "title", "detail", "cure"] {
        assert!(first[part].as_str().is_some_and(|text| !text.is_empty()), "{part}: {first}");
    }
    assert!(!page.to_string().contains("not-a-token") && !page.to_string().contains("hush"), "{page}");
    assert_eq!(page["causes"], json!([{ "cause": "token-malformed", "count": 1 }, { "cause": "upgrade-missing", "count": 1 }]));
}

#[test]
fn refusals_are_found_by_their_cause_and_page_by_page() {
    let server = server();
    for _ in 0..3 {
        server.ask(Request::new("GET", "/ws")).refusal(426, "upgrade-missing");
    }
    server.ask(from_a_page("/ws")).problem(401, "token-missing");
    let (mut after, mut numbers) = (String::new(), Vec::new());
    loop {
        let page = ask(&server, KEY, &format!("/v1/handshakes?cause=upgrade-missing&limit=2{after}"));
        numbers.extend(page["refused"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(numbers, [3, 2, 1]);
    server.ask(server.api("GET", "/v1/handshakes?limit=0")).problem(400, "query-not-valid");
    server.ask(server.api("GET", "/v1/handshakes?why=no")).problem(400, "query-not-valid");
    server.ask(server.api("GET", "/v1/handshakes?after=x")).problem(400, "cursor-not-valid");
}

#[test]
fn a_refusal_is_told_to_those_who_follow_the_events() {
    let server = server();
    let mut events = server.connect();
    events.send(&server.api("GET", "/v1/events").bytes());
    events.read_to(": silverback");
    server.ask(from_a_page("/ws")).problem(401, "token-missing");
    events.read_to("event: handshake.refused\n");
    let told = events.read_to("\n\n");
    assert!(told.contains("\"cause\":\"token-missing\"") && told.contains("\"cure\":") && told.contains("a browser"), "{told}");
}

#[test]
fn what_goes_which_way_is_counted_at_once() {
    let server = server();
    let mut socket = server.join("alice");
    let _second = server.join("alice");
    socket.text("hello");
    server.log_with("message");
    server.ask(server.api("POST", "/v1/users/alice/messages").body("hello, you two"));
    assert_eq!(socket.recv(), Frame::Text("hello, you two".to_owned()));
    let stats = ask(&server, KEY, "/v1/stats");
    let now = &stats["now"];
    for (name, value) in
        [("sessions", 2), ("users", 1), ("messages_in", 1), ("bytes_in", 5), ("messages_out", 2), ("bytes_out", 28), ("dropped", 0)]
    {
        assert_eq!(now[name], value, "{name}: {stats}");
    }
    assert!(now["memory"].as_u64().is_some_and(|bytes| bytes > 1_000_000), "{stats}");
    let history = ask(&server, KEY, "/v1/stats/history");
    assert!(history["samples"][0]["messages_in"].as_u64().is_some_and(|count| count <= 1), "from the beginning: {history}");
}

#[test]
fn a_key_is_told_what_it_may_do() {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "[[api.keys]]\nkey = \"a-key-that-only-reads\"\nrights = [\"read\"]\nname = \"desk\"\n");
    let server = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &["--config", &file]);
    assert_eq!(ask(&server, "a-key-that-only-reads", "/v1/key"), json!({ "name": "desk", "rights": ["read"] }));
    assert_eq!(ask(&server, KEY, "/v1/key"), json!({ "name": "api.key", "rights": ["send", "read", "close", "drain"] }));
    server.ask(Request::new("GET", "/v1/key").bearer("another")).problem(401, "api-key-wrong");
    let nothing_configured = Server::start(&[], &[]);
    let printed = nothing_configured.stdout_with("#key=");
    let key = printed.lines().find_map(|line| line.split_once("#key=")).unwrap().1.trim().to_owned();
    assert_eq!(ask(&nothing_configured, &key, "/v1/key")["rights"], json!(["send", "read", "close", "drain", "mint"]));
}
