//! What clients may cost, and what is said to whom a bound keeps out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Client, File, KEY, Request, SECRET, Server, token};

const SECRETS: [(&str, &str); 2] = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

fn server(settings: &[(&str, &str)]) -> Server {
    Server::start(&[&SECRETS[..], settings].concat(), &[])
}

fn alice() -> Request {
    Request::handshake("/ws").bearer(&token("alice"))
}

/// Where the server says that alice's only session is from.
fn remote(server: &Server) -> String {
    let sessions = server.ask(server.api("GET", "/v1/users/alice")).json();
    sessions["sessions"][0]["remote"].as_str().unwrap().to_owned()
}

#[test]
fn there_is_a_place_for_so_many_clients_and_the_next_is_told_to_come_later() {
    let server = server(&[("SILVERBACK_LIMITS_CONNECTIONS", "2")]);
    let mut first = server.join("alice");
    let _second = server.join("bob");
    let refused = server.ask(alice());
    assert!(refused.refusal(503, "too-many-connections").contains("raise limits.connections"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "10");
    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live")); // by a connection that has served another request before
    client.ask(alice()).refusal(503, "too-many-connections");
    assert_eq!(server.ask(server.api("GET", "/v1/users/alice")).status, 200, "the API is served on");
    first.close(1000, "");
    assert_eq!(first.closed_and_answered().0, 1000);
    server.wait_for_ends(1);
    let third = server.join("carol");
    drop(third);
    let metrics = server.ask(server.api("GET", "/metrics")).body;
    assert!(metrics.contains("silverback_handshakes_refused_total{cause=\"too-many-connections\"} 2"), "{metrics}");
}

#[test]
fn there_is_a_place_for_so_many_clients_of_one_address_as_a_trusted_proxy_tells_it() {
    let server = server(&[("SILVERBACK_LIMITS_CONNECTIONS_PER_ADDRESS", "2"), ("SILVERBACK_PROXIES_TRUSTED", "127.0.0.0/8")]);
    let from = |address: &str| alice().header("X-Forwarded-For", address);
    let _first = server.upgrade(from("2001:db8::1"));
    let _second = server.upgrade(from("2001:db8::2"));
    let refused = server.ask(from("2001:db8::3"));
    assert!(refused.refusal(429, "too-many-connections-from-address").contains("proxies.trusted"), "{refused:?}");
    let _other = server.upgrade(from("2001:db8:0:1::1"));
    let _another = server.upgrade(from("192.0.2.1"));
}

#[test]
fn the_address_is_the_one_that_a_trusted_proxy_tells_and_no_other() {
    let server = server(&[("SILVERBACK_PROXIES_TRUSTED", "127.0.0.1")]);
    let socket = server.upgrade(alice().header("X-Forwarded-For", "198.51.100.1, 203.0.113.7"));
    assert_eq!(remote(&server), "203.0.113.7:0");
    drop(socket);
    server.wait_for_ends(0);
    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live"));
    let (_, _socket) = client.upgrade(alice().header("X-Forwarded-For", "203.0.113.8"));
    server.log_with("connected session=");
    server.ask(Request::new("GET", "/v1/sessions").header("X-Forwarded-For", "203.0.113.9")).problem(401, "api-key-missing");
    server.log_with("a request to the API was refused remote=203.0.113.9:0");
}

#[test]
fn a_forged_address_is_ignored_and_that_is_said_once() {
    let server = server(&[]);
    let _socket = server.upgrade(alice().header("X-Forwarded-For", "203.0.113.7"));
    assert!(remote(&server).starts_with("127.0.0.1:"));
    for _ in 0..20 {
        server.ask(Request::handshake("/ws").header("X-Forwarded-For", "203.0.113.7").header("Forwarded", "for=203.0.113.7"));
    }
    server.serves_on();
    let log = server.log_so_far();
    let said = log.matches("is not believed").count();
    assert!(said == 1 && log.contains("add its address to proxies.trusted") && !log.contains("203.0.113.7"), "{log}");
}

#[test]
fn the_proxy_protocol_tells_the_address_where_it_is_switched_on() {
    let settings = [("SILVERBACK_PROXIES_TRUSTED", "127.0.0.1"), ("SILVERBACK_PROXIES_PROTOCOL", "true")];
    let server = Server::start(&[&SECRETS[..], &settings].concat(), &[]);
    let api = |header: &[u8]| {
        let mut client = server.connect();
        client.send(header);
        client.ask(server.api("GET", "/v1/users/alice")).json()
    };
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\x0a\x00\x00\x01\x12\x67\x00\x50";
    for (header, remote) in [(&b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n"[..], "203.0.113.7:4711"), (v2, "203.0.113.9:4711")] {
        let mut client = server.connect();
        client.send(header);
        let (_, mut socket) = client.upgrade(alice());
        server.log_with("connected session=");
        let answer = api(b"PROXY UNKNOWN\r\n");
        let remotes: Vec<_> = answer["sessions"].as_array().unwrap().iter().map(|session| session["remote"].clone()).collect();
        assert_eq!(remotes, [remote]);
        socket.close(1000, "");
        socket.closed_and_answered();
        while !api(b"PROXY UNKNOWN\r\n")["sessions"].as_array().unwrap().is_empty() {}
    }
    let mut without = server.connect();
    without.send(&alice().bytes());
    without.wait_for_end();
    server.log_with("does not begin with the PROXY protocol");
}

#[test]
fn handshakes_have_a_rate() {
    for (key, status, cause) in [
        ("SILVERBACK_LIMITS_HANDSHAKES_PER_SECOND", 503, "too-many-handshakes"),
        ("SILVERBACK_LIMITS_HANDSHAKES_PER_SECOND_PER_ADDRESS", 429, "too-many-handshakes-from-address"),
    ] {
        let server = server(&[(key, "1")]);
        let mut clients: Vec<_> = (0..30).map(|_| server.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(&Request::handshake("/ws").bytes()));
        let answers: Vec<_> = clients.iter_mut().map(Client::answer).collect();
        let (judged, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 401);
        assert!(!judged.is_empty() && !refused.is_empty(), "{} were judged", judged.len());
        for answer in refused {
            answer.refusal(status, cause);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
}

#[test]
fn the_oldest_of_too_many_unfinished_requests_gives_its_place_to_whoever_asks_at_once() {
    let server = server(&[("SILVERBACK_LIMITS_UNFINISHED", "3")]);
    let mut half: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut half {
        client.send(b"GET /ws HTTP/1.1\r\n");
    }
    let refused = loop {
        // The others' first bytes may be on their way still; each whole request takes the place of one of them.
        server.serves_on();
        if let Some(refused) = half.first_mut().map(Client::answer) {
            break refused;
        }
    };
    assert!(refused.refusal(503, "unfinished").contains("send the whole request at once"), "{refused:?}");
}

#[test]
fn a_head_has_the_largest_size_that_is_configured() {
    let server = server(&[("SILVERBACK_LIMITS_HEAD", "9KiB")]);
    let padded = |length: usize| {
        let bare = alice().header("X-Padding", "").bytes().len();
        alice().header("X-Padding", &"x".repeat(length - bare))
    };
    for length in [9215, 9216] {
        let (_, _socket) = server.connect().upgrade(padded(length));
    }
    server.ask(padded(9217)).refusal(431, "head-too-large");
    let mut client = server.connect();
    client.ask(Request::new("GET", "/health/live"));
    assert_eq!(client.ask(padded(20_000)).status, 431);
}

#[test]
fn new_clients_are_refused_while_memory_is_full_and_those_who_are_there_are_served() {
    let directory = client::Directory::new();
    let file = directory.write("silverback.toml", "limits.memory = \"0B\"\n");
    let server = Server::start(&SECRETS, &["--config", &file]);
    let mut socket = server.join("alice");
    directory.write("silverback.toml", "limits.memory = \"1MiB\"\n");
    server.signal(rustix::process::Signal::HUP);
    server.log_with("memory is full: new clients are refused");
    let refused = server.ask(alice());
    refused.refusal(503, "memory-full");
    assert_eq!(refused.header("retry-after"), "10");
    assert_eq!(server.ask(server.api("POST", "/v1/users/alice/messages").body("hello")).json()["queued"], 1);
    socket.recv();
    directory.write("silverback.toml", "limits.memory = \"0B\"\n");
    server.signal(rustix::process::Signal::HUP);
    server.log_with("there is memory for new clients again");
    server.serves_on();
}

#[test]
fn a_queue_has_the_size_that_is_configured() {
    let file = File::new("queue", "[limits]\nqueue = \"64KiB\"\nqueue_messages = 1000\n");
    let server = Server::start(&SECRETS, &["--config", file.path()]);
    let _deaf = server.join("alice");
    let message = || server.api("POST", "/v1/users/alice/messages").body(vec![b'x'; 60 * 1024]);
    // What the kernel takes, and then one in the queue: the next does not fit.
    let dropped = (0..2000).find(|_| server.ask(message()).json()["dropped"] == 1);
    assert!(dropped.is_some(), "nothing was ever dropped");
    assert_eq!(server.ask(server.api("POST", "/v1/users/alice/messages").body("tiny")).json()["queued"], 1, "4 KiB are left");
}

#[test]
fn a_session_that_sends_too_much_is_closed_where_that_is_configured() {
    let settings = [("SILVERBACK_LIMITS_BYTES_PER_SECOND", "1KiB"), ("SILVERBACK_LIMITS_WHEN_TOO_FAST", "close")];
    let server = server(&settings);
    let mut socket = server.join("alice");
    socket.text(&"x".repeat(1024));
    socket.text(&"x".repeat(60_000));
    assert_eq!(socket.closed(), (1008, "you may send 1024 bytes in a second: send less".to_owned()));
    server.wait_for_ends(0);
    let id = server.ask(server.api("GET", "/v1/sessions?state=ended")).json()["sessions"][0]["id"].as_str().unwrap().to_owned();
    let life = server.ask(server.api("GET", &format!("/v1/sessions/{id}"))).body;
    assert!(life.contains("sent more than 1024 bytes in a second"), "{life}");
}

#[test]
fn the_log_of_refusals_is_bounded_and_counts_the_others() {
    let server = server(&[]);
    for _ in 0..300 {
        server.ask(Request::handshake("/ws"));
    }
    server.log_with("left_out=");
    let lines = server.log_so_far().matches("a handshake was refused").count();
    assert!(lines < 300, "{lines}");
}
