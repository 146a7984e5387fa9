//! Every handshake that is not good ends in an answer that says why, and the server serves on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Answer, Request, SECRET, Server, now, server, signed, token};
use serde_json::json;

const NGINX: [&str; 3] = ["proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection \"upgrade\";"];

/// The largest head that is taken, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

fn good() -> Request {
    Request::handshake("/ws").bearer(&token("alice"))
}

#[track_caller]
fn refused(server: &Server, request: Request, status: u16, cause: &str) -> Answer {
    let answer = server.ask(request.clone());
    answer.refusal(status, cause);
    let problem = server.ask(request.header("Accept", "text/plain;q=0.1, application/json")).problem(status, cause);
    for part in ["title", "detail", "cure"] {
        assert!(answer.body.contains(problem[part].as_str().unwrap()), "{part} of {problem} is not in {}", answer.body);
    }
    answer
}

#[test]
fn a_request_that_asks_for_no_websocket_gets_426_and_the_cure_that_fits_it() {
    let server = server();
    let plain = || Request::new("GET", "/ws").bearer(&token("alice"));
    for (request, cause, cure) in [
        (plain(), "upgrade-missing", "Sec-WebSocket-Key"),
        (plain().header("Accept", "text/html"), "address-bar", "new WebSocket"),
        (plain().header("Sec-Fetch-Mode", "navigate"), "address-bar", "new WebSocket"),
        (plain().header("Sec-Fetch-Mode", "cors"), "fetch", "instead of `fetch`"),
        (plain().header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), "upgrade-stripped", NGINX[1]),
    ] {
        let answer = refused(&server, request, 426, cause);
        assert!(answer.body.contains(cure), "{}", answer.body);
        assert_eq!((answer.header("upgrade"), answer.header("connection")), ("websocket", "Upgrade, close"));
    }
    server.serves_on();
}

#[test]
fn upgrade_and_connection_are_lists_of_whole_tokens_in_any_case() {
    let server = server();
    for lines in [&["UPGRADE"][..], &["keep-alive, Upgrade"], &["keep-alive", "upgrade"], &[" ,upgrade, "]] {
        server.upgrade(good().with("Connection", lines));
    }
    server.upgrade(good().with("Upgrade", &["h2c, WebSocket"]));
    for lines in [&[][..], &["close"], &["notupgrade"], &["upgrade-insecure"], &["up", "grade"], &["upgrade;q=1"]] {
        refused(&server, good().with("Connection", lines), 426, "upgrade-stripped");
    }
    for lines in [&[][..], &["h2c"], &["websockets"], &["web", "socket"]] {
        refused(&server, good().with("Upgrade", lines), 426, "upgrade-stripped");
    }
    server.serves_on();
}

#[test]
fn a_proxy_that_is_deaf_is_told_the_three_lines_for_nginx() {
    let server = server();
    let behind = |name: &str, value: &str| good().with("Upgrade", &[]).with("Connection", &["close"]).header(name, value);
    for request in [
        good().line("GET /ws HTTP/1.0"),
        good().line("GET /ws HTTP/1.0").with("Upgrade", &[]).with("Connection", &["close"]),
        behind("X-Forwarded-For", "10.0.0.1"),
        behind("Via", "1.1 squid"),
        behind("X-Real-IP", "10.0.0.1"),
    ] {
        let answer = refused(&server, request, 426, "proxy-dropped-upgrade");
        assert!(NGINX.iter().all(|line| answer.body.contains(line)), "{}", answer.body);
    }
    let answer = server.ask(behind("Via", "1.1 squid"));
    assert!(answer.body.contains("`1.1 squid`"), "the proxy is called by its name: {}", answer.body);
    server.serves_on();
}

#[test]
fn another_version_is_told_which_one_is_spoken_here() {
    let server = server();
    for lines in [&[][..], &["8"], &["12"], &["14"], &["013"], &["13, 8"], &["13", "13"], &[""]] {
        let answer = refused(&server, good().with("Sec-WebSocket-Version", lines), 426, "version-not-13");
        assert_eq!(answer.header("sec-websocket-version"), "13");
    }
    server.serves_on();
}

#[test]
fn a_key_that_is_not_sixteen_bytes_is_refused() {
    let server = server();
    let good_key = "dGhlIHNhbXBsZSBub25jZQ==";
    for lines in [&[][..], &[""], &["abc"], &["dGhlIHNhbXBsZSBub25jZQ"], &["dGhlIHNhbXBsZSBub25jZ!=="], &[good_key, good_key]] {
        refused(&server, good().with("Sec-WebSocket-Key", lines), 400, "key-not-valid");
    }
    server.serves_on();
}

#[test]
fn another_method_is_told_which_one_is_allowed() {
    let server = server();
    for method in ["POST", "PUT", "OPTIONS", "TRACE", "get", "X"] {
        let answer = refused(&server, good().line(&format!("{method} /ws HTTP/1.1")), 405, "method-not-get");
        assert_eq!(answer.header("allow"), "GET");
    }
    refused(&server, Request::new("POST", "/ws").body("x".repeat(100_000)), 405, "method-not-get");
    let mut client = server.connect();
    client.send(&good().line("HEAD /ws HTTP/1.1").bytes());
    let head = client.rest();
    assert!(head.starts_with("HTTP/1.1 405 ") && head.ends_with("\r\n\r\n"), "an answer to HEAD has no body: {head}");
    server.serves_on();
}

#[test]
fn a_host_that_is_not_there_once_is_refused() {
    let server = server();
    for lines in [&[][..], &[""], &["a.test", "a.test"], &["a.test", "b.test"]] {
        refused(&server, good().with("Host", lines), 400, "host-missing");
    }
    server.serves_on();
}

#[test]
fn a_handshake_with_a_body_is_refused_whatever_announces_it() {
    let server = server();
    for (name, value) in [("Content-Length", "5"), ("Content-Length", "+0"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "x")] {
        refused(&server, good().header(name, value), 400, "request-body");
    }
    server.upgrade(good().header("Content-Length", "0"));
    server.serves_on();
}

#[test]
fn tricks_with_line_ends_and_bytes_are_malformed() {
    let server = server();
    for head in [
        "GET /ws HTTP/1.1\nHost: a\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\n\n",
        "GET /ws HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET /ws HTTP/1.1\r\nX: \0\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /ws HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET /ws HTTP/1.1\r\n: nameless\r\n\r\n",
        "GET  /ws HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /ws HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /w\x7fs HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET /ws HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00",
    ] {
        let mut client = server.connect();
        client.send(head.as_bytes());
        assert_eq!(client.answer().status, 400, "by the HTTP server, which explains less: docs/decisions/0004");
        client.wait_for_end();
    }
    server.serves_on();
}

#[test]
fn pages_of_other_origins_are_refused_and_those_of_this_one_are_not() {
    let server = server();
    server.upgrade(good());
    server.upgrade(good().header("Origin", "http://silverback.test"));
    server.upgrade(good().header("Origin", "HTTP://Silverback.test:80"));
    server.upgrade(good().header("Origin", "https://silverback.test").header("X-Forwarded-Proto", "https"));
    for origin in [
        "null",
        "",
        "http://evil.test",
        "https://silverback.test",
        "http://silverback.test:81",
        "http://silverback.test.evil.test",
        "http://evil.test@silverback.test",
        "http://silverback.test/",
        "http://silverback.test, http://evil.test",
    ] {
        refused(&server, good().header("Origin", origin), 403, "origin-not-allowed");
    }
    let twice = good().header("Origin", "http://silverback.test").header("Origin", "http://silverback.test");
    refused(&server, twice, 403, "origin-not-allowed");
    let proxied = server.ask(good().header("Origin", "https://silverback.test"));
    assert!(proxied.body.contains("proxy_set_header X-Forwarded-Proto $scheme;"), "{}", proxied.body);
    server.serves_on();
}

#[test]
fn a_missing_a_bad_and_an_expired_token_are_told_apart() {
    let server = server();
    let claims = |exp: u64| json!({ "sub": "alice", "exp": exp });
    for (request, cause, says, challenge) in [
        (Request::handshake("/ws"), "token-missing", "no token came", "Bearer realm=\"silverback\""),
        (Request::handshake("/ws").bearer("nonsense"), "token-malformed", "the three parts of a signed JWT", "error=\"invalid_token\""),
        (
            Request::handshake("/ws").bearer(&signed(&SECRET.to_uppercase(), &claims(now() + 60))),
            "token-signature",
            "signature does not match",
            "error=\"invalid_token\"",
        ),
        (
            Request::handshake("/ws").bearer(&signed(SECRET, &claims(1_000_000_000))),
            "token-expired",
            "expired at 2001-09-09T01:46:40Z, ",
            "the token expired",
        ),
    ] {
        let answer = refused(&server, request, 401, cause);
        assert!(answer.body.contains(says), "{}", answer.body);
        assert!(answer.header("www-authenticate").contains(challenge), "{answer:?}");
    }
    server.serves_on();
}

#[test]
fn a_head_of_sixteen_kib_is_taken_and_one_byte_more_is_not() {
    let server = server();
    let empty = good().header("X-Padding", "").bytes().len();
    let padded = |size: usize| good().header("X-Padding", &"x".repeat(size - empty));
    for size in [HEAD_LIMIT - 1, HEAD_LIMIT] {
        assert_eq!(padded(size).bytes().len(), size);
        server.upgrade(padded(size));
    }
    for size in [HEAD_LIMIT + 1, HEAD_LIMIT * 2, 1 << 20] {
        server.ask(padded(size)).refusal(431, "head-too-large");
    }
    let many = (0..200).fold(good(), |request, number| request.header(&format!("X-{number}"), ""));
    server.ask(many).refusal(431, "head-too-large");
    server.serves_on();
}

#[test]
fn a_head_that_is_not_complete_within_ten_seconds_gets_408() {
    let server = server();
    let mut slow = server.connect();
    slow.send(b"GET /ws HTTP/1.1\r\nHost: silverback.test\r\n");
    let mut silent = server.connect();
    server.serves_on();
    let answer = slow.answer();
    assert!(answer.refusal(408, "head-too-slow").contains("within 10 s"), "{answer:?}");
    slow.wait_for_end();
    silent.wait_for_end();
    server.serves_on();
}

#[test]
fn a_handshake_behind_another_request_is_refused_in_the_same_words() {
    let server = server();
    for request in [
        Request::new("GET", "/ws"),
        good().with("Upgrade", &[]),
        good().with("Sec-WebSocket-Version", &["8"]),
        good().with("Sec-WebSocket-Key", &["abc"]),
        good().line("POST /ws HTTP/1.1"),
        good().with("Host", &[]),
        good().header("Content-Length", "5").body("12345"),
        good().header("Origin", "http://evil.test"),
        Request::handshake("/ws"),
        Request::handshake("/ws").bearer("nonsense"),
    ] {
        let first = server.ask(request.clone());
        let mut client = server.connect();
        client.ask(Request::new("GET", "/health/live"));
        let second = client.ask(request);
        assert_eq!((first.status, &first.body), (second.status, &second.body));
        assert_eq!(first.header("allow"), second.header("allow"));
        assert_eq!(first.header("www-authenticate"), second.header("www-authenticate"));
    }
    server.serves_on();
}

#[test]
fn a_head_that_is_malformed_or_too_large_is_refused_behind_another_request_too() {
    let server = server();
    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live"));
    client.send(b"GET /ws HTTP/1.1\r\nHo st: a\r\n\r\n");
    assert_eq!(client.answer().status, 400, "by the HTTP server, which explains less: docs/decisions/0004");

    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live"));
    assert_eq!(client.ask(good().header("X-Padding", &"x".repeat(2 * HEAD_LIMIT))).status, 431);
}
