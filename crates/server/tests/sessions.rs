//! Who is connected, who was, and why not any more.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Request, Server, server};
use rustix::process::Signal;
use serde_json::{Value, json};

fn get(server: &Server, target: &str) -> Value {
    let answer = server.ask(server.api("GET", target));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn users(page: &Value) -> Vec<&str> {
    page["sessions"].as_array().unwrap().iter().map(|session| session["user"].as_str().unwrap()).collect()
}

#[test]
fn the_live_are_listed_page_by_page_and_each_once() {
    let server = server();
    let names = ["anna", "bert", "anton", "carl", "anna"];
    let mut sockets: Vec<_> = names.iter().map(|name| server.join(name)).collect();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = get(&server, &format!("/v1/sessions?state=live&limit=2{after}"));
        seen.extend(users(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
        if seen.len() == 2 {
            sockets.remove(0).close(1000, ""); // who leaves between two pages changes nothing about the others
            server.wait_for_ends(4);
        }
    }
    assert_eq!(seen, names);
    assert_eq!(users(&get(&server, "/v1/sessions?prefix=an")), ["anton", "anna"]);
    assert_eq!(users(&get(&server, "/v1/sessions?user=bert")), ["bert"]);
    assert_eq!(users(&get(&server, "/v1/sessions?user=bert&prefix=an")), [""; 0]);
    assert_eq!(users(&get(&server, "/v1/sessions?device=phone")), [""; 0]);
    assert_eq!(get(&server, "/v1/sessions?prefix=an")["total"], 4);
}

#[test]
fn those_that_ended_are_listed_with_their_lives_the_last_first() {
    let server = server();
    for name in ["anna", "bert", "anna"] {
        let mut socket = server.join(name);
        socket.text("hello");
        socket.close(4000, "enough");
        socket.closed();
        drop(socket);
        server.wait_for_ends(0); // one after the other
    }
    let first = get(&server, "/v1/sessions?state=ended&limit=2");
    assert_eq!(users(&first), ["anna", "bert"]);
    let rest = get(&server, &format!("/v1/sessions?state=ended&limit=2&after={}", first["next"].as_str().unwrap()));
    assert_eq!((users(&rest), &rest["next"]), (vec!["anna"], &Value::Null));
    assert_eq!(users(&get(&server, "/v1/sessions?state=ended&user=bert")), ["bert"]);

    let life = &first["sessions"][1];
    assert_eq!(life["report"]["received"], json!({ "code": 4000, "reason": "enough" }));
    assert_eq!((&life["state"], &life["report"]["messages_in"], &life["asked"]), (&json!("ended"), &json!(1), &Value::Null));
    assert_eq!(get(&server, &format!("/v1/sessions/{}", life["id"].as_str().unwrap())), *life);
}

#[test]
fn a_life_tells_who_asked_for_its_end() {
    let server = server();
    let socket = server.join("alice");
    let id = get(&server, "/v1/users/alice")["sessions"][0]["id"].as_str().unwrap().to_owned();
    let live = get(&server, &format!("/v1/sessions/{id}"));
    assert_eq!((&live["state"], &live["moments"], &live["report"]), (&json!("live"), &json!([]), &Value::Null));
    server.ask(server.api("DELETE", "/v1/users/alice?code=4000&reason=bye"));
    socket.closed_and_answered();
    server.wait_for_ends(0);
    let ended = get(&server, &format!("/v1/sessions/{id}"));
    assert_eq!(ended["asked"], "application");
    assert_eq!(ended["moments"][0]["what"], "asked-to-close");
    assert_eq!(ended["moments"][0]["close"], json!({ "code": 4000, "reason": "bye" }));
    assert!(ended["ended_at"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_listing_that_cannot_be_meant_is_refused() {
    let server = server();
    for query in ["state=dead", "limit=0", "limit=1001", "limit=x", "limit=-1", "users=a", "state=live&state=ended"] {
        server.ask(server.api("GET", &format!("/v1/sessions?{query}"))).problem(400, "query-not-valid");
    }
    for query in ["after=x", "after=12", "state=ended&after=x", "state=ended&after=01890a5d-ac96-774b-bcce-b302099a8057"] {
        server.ask(server.api("GET", &format!("/v1/sessions?{query}"))).problem(400, "cursor-not-valid");
    }
}

#[test]
fn a_drain_closes_everybody_with_a_hint_and_the_server_is_not_ready_any_more() {
    let server = server();
    let sockets = [server.join("alice"), server.join("bob")];
    let ready = || server.ask(Request::new("GET", "/health/ready"));
    assert_eq!((ready().status, ready().body), (200, "ready\n".to_owned()));
    for query in ["over=soon", "over=61m", "code=999999", "exit=1", "window=1s"] {
        server.ask(server.api("POST", &format!("/v1/drain?{query}"))).problem(400, "query-not-valid");
    }
    server.ask(server.api("POST", "/v1/drain?code=1005")).problem(400, "close-code-not-valid");
    assert_eq!(ready().status, 200, "what was refused has begun nothing");

    let begun = server.ask(server.api("POST", "/v1/drain?over=100ms&reason=new+version"));
    assert_eq!((begun.status, begun.json()), (202, json!({ "sessions": 2, "over_ms": 100 })));
    ready().problem(503, "draining");
    server.ask(server.api("POST", "/v1/drain")).problem(409, "draining");
    for socket in sockets {
        let (code, reason) = socket.closed_and_answered();
        let reason: Value = serde_json::from_str(&reason).unwrap();
        assert_eq!((code, &reason["reason"]), (1012, &json!("new version")));
        assert!(reason["retry_ms"].as_u64().unwrap() <= 10_000);
    }
    server.log_with("drained");
    let refused = server.ask(Request::handshake("/ws").bearer(&client::token("carol")));
    assert_eq!(refused.status, 503);
    assert_eq!(server.ask(Request::new("GET", "/health/live")).status, 200);
    assert_eq!(get(&server, "/v1/sessions?state=ended&user=alice")["sessions"][0]["asked"], "drain");
}

#[test]
fn a_server_that_drains_slowly_still_stops_when_it_is_told_to() {
    let mut server = server();
    let _sockets = [server.join("alice"), server.join("bob")];
    assert_eq!(server.ask(server.api("POST", "/v1/drain?over=1h")).status, 202);
    server.signal(Signal::TERM);
    let (status, _, log) = server.ended();
    assert!(status.success() && log.contains("stopped"), "{log}");
}
