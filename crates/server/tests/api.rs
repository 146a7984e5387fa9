//! The API of back ends, the console and what else is served by HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Answer, Client, Frame, KEY, Request, SECRET, Server, server, token};
use serde_json::{Value, json};

const LIMIT: usize = 1 << 20;

fn send(server: &Server, user: &str, content_type: &[&str], body: impl Into<Vec<u8>>) -> Answer {
    let request = server.api("POST", &format!("/v1/users/{user}/messages")).with("Content-Type", content_type);
    server.ask(request.body(body))
}

fn delivery(sessions: usize, queued: usize, dropped: usize) -> Value {
    json!({ "sessions": sessions, "queued": queued, "dropped": dropped })
}

#[test]
fn the_content_type_decides_between_text_and_binary() {
    let server = server();
    let mut socket = server.join("alice");
    for content_type in [&[][..], &["text/plain"], &["application/json; charset=utf-8"], &["application/x-www-form-urlencoded"]] {
        assert_eq!(send(&server, "alice", content_type, "grüß dich").json(), delivery(1, 1, 0));
        assert_eq!(socket.recv(), Frame::Text("grüß dich".to_owned()), "{content_type:?}");
    }
    for content_type in ["application/octet-stream", "image/png"] {
        assert_eq!(send(&server, "alice", &[content_type], [0xff, 0x00]).json(), delivery(1, 1, 0));
        assert_eq!(socket.recv(), Frame::Binary(vec![0xff, 0x00]), "{content_type}");
    }
    assert_eq!(send(&server, "alice", &[], "").json(), delivery(1, 1, 0));
    assert_eq!(socket.recv(), Frame::Text(String::new()));
}

#[test]
fn text_that_is_not_utf8_is_refused_and_reaches_nobody() {
    let server = server();
    let mut socket = server.join("alice");
    let problem = send(&server, "alice", &["text/plain"], [b'a', 0xff]).problem(400, "not-utf8");
    assert!(problem["cure"].as_str().unwrap().contains("application/octet-stream"));
    send(&server, "alice", &[], "next");
    assert_eq!(socket.recv(), Frame::Text("next".to_owned()));
}

#[test]
fn a_message_of_just_the_limit_is_sent_and_a_larger_one_gets_413() {
    let server = server();
    let mut socket = server.join("alice");
    for size in [LIMIT - 1, LIMIT] {
        assert_eq!(send(&server, "alice", &["application/octet-stream"], vec![7; size]).json(), delivery(1, 1, 0));
        assert_eq!(socket.recv(), Frame::Binary(vec![7; size]));
    }
    let problem = send(&server, "alice", &[], vec![b'x'; LIMIT + 1]).problem(413, "body-too-large");
    assert!(problem["cure"].as_str().unwrap().contains("limits.message"));

    let chunked = server.api("POST", "/v1/users/alice/messages").header("Transfer-Encoding", "chunked");
    let mut client = server.connect();
    client.send(&chunked.bytes());
    client.send(format!("{:x}\r\n{}\r\n0\r\n\r\n", LIMIT + 1, "x".repeat(LIMIT + 1)).as_bytes());
    client.answer().problem(413, "body-too-large");
    server.serves_on();
}

#[test]
fn a_delivery_counts_sessions_and_those_that_are_full() {
    let server = server();
    assert_eq!(send(&server, "alice", &[], "hello").json(), delivery(0, 0, 0));
    let mut sockets = [server.join("alice"), server.join("alice")];
    let _other = server.join("bob");
    assert_eq!(send(&server, "alice", &[], "hello").json(), delivery(2, 2, 0));
    for socket in &mut sockets {
        assert_eq!(socket.recv(), Frame::Text("hello".to_owned()));
    }
    // Nobody reads: the kernel's buffers fill, then the queues.
    let is_full = |_| send(&server, "bob", &[], vec![b'x'; LIMIT]).json() == delivery(1, 0, 1);
    assert!((0..100).any(is_full), "what waits for a client that does not read is bounded");
    assert_eq!(send(&server, "alice", &[], "still here").json(), delivery(2, 2, 0));
}

#[test]
fn the_clients_of_a_user_are_closed_with_the_code_and_reason_that_the_back_end_chose() {
    let server = server();
    let close = |query: &str| server.ask(server.api("DELETE", &format!("/v1/users/alice{query}")));
    let _bob = server.join("bob");
    let most = "ü".repeat(61) + "x";
    for (query, seen) in [
        ("", (1000, "")),
        ("?code=4001", (4001, "")),
        ("?code=4999&reason=no+more%20of%20this%21", (4999, "no more of this!")),
        (&format!("?reason={}x", "%C3%BC".repeat(61)), (1000, most.as_str())),
    ] {
        let sockets = [server.join("alice"), server.join("alice")];
        assert_eq!(close(query).json(), json!({ "closed": 2 }), "{query}");
        for socket in sockets {
            let (code, reason) = socket.closed_and_answered();
            assert_eq!((code, reason.as_str()), seen);
        }
        server.wait_for_ends(1);
    }
    assert_eq!(server.ask(server.api("GET", "/v1/users/bob")).json()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn a_close_that_cannot_be_sent_is_refused_and_says_why() {
    let server = server();
    let _socket = server.join("alice");
    let close = |query: &str| server.ask(server.api("DELETE", &format!("/v1/users/alice?{query}")));
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let problem = close(&format!("code={code}")).problem(400, "close-code-not-valid");
        assert!(problem["title"].as_str().unwrap().contains(&code.to_string()), "{problem}");
    }
    for query in ["code=", "code=normal", "code=-1", "code=70000", "cod=1000", "code=1000&code=1001"] {
        close(query).problem(400, "query-not-valid");
    }
    let problem = close(&format!("reason={}", "x".repeat(124))).problem(400, "close-reason-too-long");
    assert!(problem["title"].as_str().unwrap().contains("123 bytes, and this one has 124"), "{problem}");
    assert_eq!(server.ask(server.api("GET", "/v1/users/alice")).json()["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn every_problem_says_something_in_each_of_its_members() {
    let server = server();
    for request in [
        server.api("DELETE", "/v1/users/alice?code=1005"),
        server.api("DELETE", "/v1/users/alice?code=x"),
        server.api("POST", "/v1/tokens").body("{}"),
        Request::new("GET", "/v1/sessions"),
        Request::new("GET", "/v1/sessions").bearer("wrong"),
        server.api("POST", "/v1/users/alice/messages").body([0xff]),
    ] {
        let problem = server.ask(request).json();
        for member in ["title", "detail", "cure"] {
            assert_ne!(
                problem[member], "",
                "RFC 9457 has members that are absent, not empty ones, and the console shows `detail` first: {problem}"
            );
        }
    }
}

#[test]
fn nothing_of_the_api_answers_without_the_right_key() {
    let server = server();
    let open = [
        Request::new("GET", "/v1/users/alice"),
        Request::new("DELETE", "/v1/users/alice"),
        Request::new("POST", "/v1/users/alice/messages").body("hello"),
        Request::new("GET", "/v1/sessions"),
        Request::new("GET", "/v1/events"),
        Request::new("POST", "/v1/tokens").body("{\"user\":\"alice\"}"),
    ];
    for request in open {
        let missing = server.ask(request.clone());
        missing.problem(401, "api-key-missing");
        assert_eq!(missing.header("www-authenticate"), "Bearer realm=\"silverback API\"");
        server.ask(request.clone().header("Authorization", "Basic YTpi")).problem(401, "api-key-missing");
        server.ask(request.clone().header("Cookie", &format!("key={KEY}"))).problem(401, "api-key-missing");
        for wrong in ["wrong", &KEY[1..], &format!("{KEY}x"), &KEY.to_uppercase(), &token("alice")] {
            server.ask(request.clone().bearer(wrong)).problem(401, "api-key-wrong");
        }
    }
    let with_a_key_of_its_own = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET)], &[]);
    for wrong in ["", "KEY", SECRET] {
        assert_eq!(with_a_key_of_its_own.ask(Request::new("GET", "/v1/sessions").bearer(wrong)).status, 401);
    }
}

#[test]
fn an_answer_to_a_wrong_key_does_not_wait_for_the_body() {
    let server = server();
    let mut client = server.connect();
    client.send(&Request::new("POST", "/v1/users/alice/messages").header("Content-Length", "1000000").bytes());
    client.answer().problem(401, "api-key-missing");
    client.wait_for_end();
}

#[test]
fn what_is_not_there_and_methods_that_are_not_taken_are_problems_too() {
    let server = server();
    for path in ["/v1", "/v1/nothing", "/v1/users/a/b/c", "/console/", "/ws/", "/%1b[31m", "/\u{202e}x"] {
        server.ask(server.api("GET", path)).problem(404, "not-found");
    }
    for (method, path, allow) in [
        ("PUT", "/v1/users/alice", "GET,HEAD,DELETE"),
        ("GET", "/v1/users/alice/messages", "POST"),
        ("POST", "/v1/sessions", "GET,HEAD"),
        ("DELETE", "/v1/tokens", "POST"),
        ("POST", "/console", "GET,HEAD"),
        ("OPTIONS", "/health/live", "GET,HEAD"),
    ] {
        let answer = server.ask(server.api(method, path));
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow);
    }
}

#[test]
fn users_may_have_odd_names() {
    let server = server();
    for (name, path) in [
        ("Jürgen Groß", "J%C3%BCrgen%20Gro%C3%9F"),
        ("a/b", "a%2Fb"),
        ("100%", "100%25"),
        ("a+b", "a+b"),
        ("?#&", "%3F%23%26"),
        ("<script>", "%3Cscript%3E"),
        ("\u{202e}evil", "%E2%80%AEevil"),
        ("...", "..."),
        (&"x".repeat(256), &"x".repeat(256)),
    ] {
        let mut socket = server.join(name);
        assert_eq!(server.ask(server.api("GET", &format!("/v1/users/{path}"))).json()["user"], name);
        assert_eq!(send(&server, path, &[], name).json(), delivery(1, 1, 0), "{name}");
        assert_eq!(socket.recv(), Frame::Text(name.to_owned()));
    }
}

#[test]
fn a_user_whose_name_is_not_utf8_is_a_problem() {
    let server = server();
    let answer = server.ask(server.api("GET", "/v1/users/%FF"));
    assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{answer:?}");
}

#[test]
fn the_stream_of_events_shows_a_session_from_its_beginning_to_its_end() {
    let server = server();
    let mut events = server.connect();
    events.send(&server.api("GET", "/v1/events").bytes());
    let head = events.read_to("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: text/event-stream"), "{head}");
    events.read_to(": silverback\n");

    let mut socket = server.join("alice");
    let connected = next_event(&mut events, "session.connected");
    assert_eq!((&connected["session"]["user"], &connected["session"]["token_from"]), (&json!("alice"), &json!("header")));

    socket.text("line one\r\nevent: forged\r\n\r\ndata: {}\u{2028}");
    let message = next_event(&mut events, "session.message");
    assert_eq!((&message["user"], &message["kind"], &message["cut"]), (&json!("alice"), &json!("text"), &json!(false)));
    assert_eq!(message["text"], "line one\r\nevent: forged\r\n\r\ndata: {}\u{2028}");
    assert_eq!(message["session"], connected["session"]["id"]);

    socket.text(&"ü".repeat(600));
    let long = next_event(&mut events, "session.message");
    assert_eq!((&long["size"], &long["cut"], &long["text"]), (&json!(1200), &json!(true), &json!("ü".repeat(512))));

    socket.close(4000, "event: forged\n\n");
    let ended = next_event(&mut events, "session.ended");
    assert_eq!(ended["session"], connected["session"]);
    assert_eq!((&ended["report"]["began"], &ended["report"]["messages_in"]), (&json!("peer"), &json!(2)));
    assert_eq!(ended["report"]["received"], json!({ "code": 4000, "reason": "event: forged\n\n" }));
}

/// The data of the next event, which must be of this name.
#[track_caller]
fn next_event(events: &mut Client, name: &str) -> Value {
    let before = events.read_to("event: ");
    assert!(!before.contains("data: "), "an event without a name: {before:?}");
    let event = events.read_to("\n\n");
    let (found, data) = event.split_once('\n').unwrap();
    assert_eq!(found, name, "{event}");
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap().trim_end()).unwrap();
    assert!(data["at"].as_str().unwrap().ends_with('Z'));
    data
}

#[test]
fn tokens_are_minted_only_while_the_secret_is_a_throw_away_one() {
    let body = "{\"user\":\"alice\"}";
    let configured = server();
    configured.ask(configured.api("POST", "/v1/tokens").body(body)).problem(404, "tokens-not-minted");

    let server = Server::start(&[("SILVERBACK_API_KEY", KEY)], &[]);
    let minted = server.ask(server.api("POST", "/v1/tokens").body(body)).json();
    assert_eq!(minted["user"], "alice");
    let _socket = server.upgrade(Request::handshake("/ws").bearer(minted["token"].as_str().unwrap()));
    for (body, cause) in [
        ("", "body-not-valid"),
        ("[]", "body-not-valid"),
        ("{\"user\":7}", "body-not-valid"),
        ("{\"user\":\"\"}", "user-not-valid"),
        ("{\"user\":\"a\\u0000\"}", "user-not-valid"),
        ("{\"user\":\"..\"}", "user-not-valid"),
    ] {
        let problem = server.ask(server.api("POST", "/v1/tokens").body(body)).problem(400, cause);
        assert!(!problem.to_string().contains("TokenFor"), "a name of the source tells nobody anything: {problem}");
    }
    server.ask(server.api("POST", "/v1/tokens").body(format!("{{\"user\":\"{}\"}}", "x".repeat(20_000)))).problem(413, "body-too-large");
}

#[test]
fn the_console_is_served_with_a_policy_that_lets_nothing_else_in() {
    let server = server();
    for (path, content_type) in [
        ("/console", "text/html"),
        ("/console/console.css", "text/css"),
        ("/console/console.js", "text/javascript"),
        ("/console/words.js", "text/javascript"),
    ] {
        let file = server.ask(Request::new("GET", path));
        assert_eq!(file.status, 200);
        assert_eq!(file.header("content-type"), format!("{content_type}; charset=utf-8"));
        let policy = file.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"] {
            assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
        }
        assert_eq!((file.header("x-content-type-options"), file.header("referrer-policy")), ("nosniff", "no-referrer"));
        assert!(!file.body.contains(KEY) && !file.body.contains("innerHTML"));
        let again = server.ask(Request::new("GET", path).header("If-None-Match", file.header("etag")));
        assert_eq!((again.status, &*again.body, again.header("content-security-policy")), (304, "", policy));
    }
    server.ask(Request::new("GET", "/console/nothing.js")).problem(404, "not-found");
    assert_eq!(server.ask(Request::new("GET", "/health/live")).body, "ok\n");
}

#[test]
fn a_connection_that_has_served_requests_can_become_a_websocket() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.ask(Request::new("GET", "/health/live")).status, 200);
    client.ask(Request::new("GET", "/ws")).refusal(426, "upgrade-missing");
    let request = Request::handshake("/ws").header("Sec-WebSocket-Protocol", &format!("silverback, silverback.bearer.{}", token("alice")));
    let (answer, mut socket) = client.upgrade(request);
    assert_eq!(answer.header("sec-websocket-protocol"), "silverback");
    server.log_with("connected");
    assert_eq!(server.ask(server.api("GET", "/v1/users/alice")).json()["sessions"][0]["token_from"], "subprotocol");
    assert_eq!(send(&server, "alice", &[], "hello").json(), delivery(1, 1, 0));
    assert_eq!(socket.recv(), Frame::Text("hello".to_owned()));
    assert_eq!(server.ask(server.api("DELETE", "/v1/users/alice?code=4000&reason=bye")).json(), json!({ "closed": 1 }));
    assert_eq!(socket.closed_and_answered(), (4000, "bye".to_owned()));
    server.log_with("ended session=");
    server.serves_on();
}
