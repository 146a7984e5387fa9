//! What the back end is told by the real binary, and what it says to that.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{BackEnd, Directory, Frame, HOOK_SECRET, Request, hooked, taken, token};
use rustix::process::Signal;
use serde_json::{Value, json};

fn handshake(user: &str) -> Request {
    Request::handshake("/ws").bearer(&token(user))
}

#[test]
fn a_life_is_told_in_order_and_signed() {
    let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
    let server = hooked(&back_end.configuration(""), &spool);
    let mut socket = server.join("alice");
    for text in ["one", "two", "three"] {
        socket.text(text);
    }
    back_end.wait_for("message", 3);
    socket.close(4000, "bye");
    socket.closed_and_answered();
    back_end.wait_for("ended", 1);

    let told = back_end.received();
    let kinds: Vec<&str> = told.iter().map(|hook| hook.kind()).collect();
    assert_eq!(kinds, ["connect", "connected", "message", "message", "message", "ended"]);
    let texts: Vec<&str> = told[2..5].iter().map(|hook| hook.text()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(told[2].header("content-type"), "text/plain; charset=utf-8");
    let session = told[1].header("ce-session");
    for (number, hook) in (1..).zip(&told[2..5]) {
        assert_eq!(hook.header("ce-number"), number.to_string());
        assert_eq!(hook.header("ce-id"), format!("{session}_{number}"));
    }
    for hook in &told {
        assert_eq!((hook.header("ce-specversion"), hook.header("ce-source")), ("1.0", "silverback"));
        assert_eq!(hook.header("webhook-id"), hook.header("ce-id"));
        assert!(hook.header("webhook-signature").starts_with("v1,"), "{hook:?}");
        assert!(hook.header("webhook-timestamp").parse::<u64>().unwrap().abs_diff(client::now()) < 60);
    }
    for hook in &told[1..] {
        assert_eq!((hook.header("ce-session"), hook.header("ce-user")), (session, "alice"));
    }
    assert_eq!(told[1].json()["session"]["user"], "alice");
    let end = told[5].json();
    assert_eq!((&end["report"]["received"]["code"], &end["report"]["received"]["reason"]), (&json!(4000), &json!("bye")));
    assert_eq!(end["messages"], json!({ "taken": 3, "refused": 0, "given_up": 0 }));

    let (stdout, log) = server.stopped();
    for hidden in [HOOK_SECRET, "hush-hush-query", &token("alice")] {
        assert!(!log.contains(hidden) && !stdout.contains(hidden), "{hidden} was seen in {log}");
    }
}

#[test]
fn what_the_back_end_answers_goes_back_to_the_session_as_its_content_type_says() {
    let back_end = BackEnd::start(|hook| match hook.text() {
        "text" => Some((200, "application/json", b"{\"a\":1}".to_vec())),
        "bytes" => Some((200, "application/octet-stream", vec![0, 255])),
        "too large" => Some((200, "text/plain", vec![b'x'; (1 << 20) + 1])),
        "largest" => Some((200, "text/plain", vec![b'x'; 1 << 20])),
        "no text" => Some((200, "text/plain", vec![255])),
        _ => Some((200, "text/plain", Vec::new())),
    });
    let spool = Directory::new();
    let server = hooked(&back_end.configuration("events = [\"message\"]"), &spool);
    let mut socket = server.join("alice");
    for text in ["nothing", "text", "too large", "no text", "bytes", "largest"] {
        socket.text(text);
    }
    assert_eq!(socket.recv(), Frame::Text("{\"a\":1}".to_owned()));
    assert_eq!(socket.recv(), Frame::Binary(vec![0, 255]));
    assert_eq!(socket.recv(), Frame::Text("x".repeat(1 << 20)));
    let metrics = server.ask(server.api("GET", "/metrics")).body;
    for line in ["answers_lost_total{why=\"too_large\"} 1\n", "answers_lost_total{why=\"not_utf8\"} 1\n"] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn a_message_that_the_back_end_will_not_have_is_not_sent_again_and_the_client_is_told() {
    let back_end = BackEnd::start(|hook| match hook.text() {
        "bad" => Some((422, "application/json", b"{\"reason\":\"no such room\"}".to_vec())),
        _ => Some((200, "text/plain", b"good".to_vec())),
    });
    let spool = Directory::new();
    let server = hooked(&back_end.configuration("events = [\"message\"]"), &spool);
    let mut socket = server.join("alice");
    socket.text("bad");
    socket.text("next");
    let Frame::Text(told) = socket.recv() else { unreachable!("a text") };
    let expected = json!({ "type": "silverback.message.refused", "number": 1, "status": 422, "reason": "no such room" });
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), expected);
    assert_eq!(socket.recv(), Frame::Text("good".to_owned()));
    assert_eq!(back_end.received().len(), 2);
}

#[test]
fn a_message_is_sent_again_with_the_same_id_until_the_back_end_has_it_and_later_ones_wait() {
    let mut failures = 3;
    let back_end = BackEnd::start(move |hook| match hook.text() {
        "first" if failures > 0 => {
            failures -= 1;
            [Some((500, "", Vec::new())), Some((429, "", Vec::new())), None][failures].clone()
        }
        _ => Some(taken()),
    });
    let spool = Directory::new();
    let server = hooked(&back_end.configuration("events = [\"message\"]"), &spool);
    let mut socket = server.join("alice");
    socket.text("first");
    socket.text("second");
    let told = back_end.wait_for("message", 5);
    let texts: Vec<&str> = told.iter().map(|hook| hook.text()).collect();
    assert_eq!(texts, ["first", "first", "first", "first", "second"]);
    assert!(told[..4].iter().all(|hook| hook.header("webhook-id") == told[0].header("webhook-id")));
    assert_ne!(told[4].header("webhook-id"), told[0].header("webhook-id"));
}

#[test]
fn a_session_whose_message_is_given_up_is_closed_and_later_messages_are_not_sent() {
    let (back_end, spool) =
        (BackEnd::start(|hook| if hook.kind() == "message" { Some((500, "", Vec::new())) } else { Some(taken()) }), Directory::new());
    let server = hooked(&back_end.configuration("give_up_after = \"300ms\""), &spool);
    let mut socket = server.join("alice");
    socket.text("first");
    socket.text("second");
    assert_eq!(socket.closed_and_answered(), (1013, "the back end did not take message 1: send it again later".to_owned()));
    let end = back_end.wait_for("ended", 1)[0].json();
    assert_eq!(end["messages"], json!({ "taken": 0, "refused": 0, "given_up": 2 }));
    assert!(back_end.wait_for("message", 1).iter().all(|hook| hook.text() == "first"));
}

#[test]
fn messages_and_the_end_wait_until_the_back_end_knows_of_the_session() {
    let mut failures = 3;
    let back_end = BackEnd::start(move |hook| {
        let is_failure = hook.kind() == "connected" && failures > 0;
        failures -= u32::from(is_failure);
        Some(if is_failure { (500, "", Vec::new()) } else { taken() })
    });
    let spool = Directory::new();
    let server = hooked(&back_end.configuration("events = [\"connected\", \"message\", \"ended\"]"), &spool);
    let mut socket = server.join("alice");
    socket.text("hello");
    socket.close(1000, "");
    socket.closed_and_answered();
    back_end.wait_for("ended", 1);
    let told = back_end.received();
    let kinds: Vec<&str> = told.iter().map(|hook| hook.kind()).collect();
    assert_eq!(kinds, ["connected", "connected", "connected", "connected", "message", "ended"]);
}

#[test]
fn what_a_client_said_before_it_left_is_delivered_before_its_end_is_told() {
    for says_close in [true, false] {
        let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
        let (go_on, may_go_on) = std::sync::mpsc::sync_channel::<()>(1);
        back_end.answers(move |hook| {
            if hook.text() == "one" {
                may_go_on.recv_timeout(client::DEADLINE).unwrap();
            }
            Some(taken())
        });
        let server = hooked(&back_end.configuration(""), &spool);
        let mut socket = server.join("alice");
        for text in ["one", "two", "three"] {
            socket.text(text);
        }
        if says_close {
            socket.close(1000, "");
            assert_eq!(socket.closed_and_answered().0, 1000);
        } else {
            socket.client.finish();
            socket.client.wait_for_end();
        }
        go_on.send(()).unwrap();
        let end = back_end.wait_for("ended", 1)[0].json();
        assert_eq!(end["messages"], json!({ "taken": 3, "refused": 0, "given_up": 0 }));
        let told = back_end.received();
        let texts: Vec<&str> = told[2..5].iter().map(|hook| hook.text()).collect();
        assert_eq!(texts, ["one", "two", "three"]);
        assert_eq!(told[5].kind(), "ended");
    }
}

#[test]
fn the_back_end_says_who_comes_and_who_does_not() {
    let back_end = BackEnd::start(|hook| {
        let asked = hook.json();
        Some(match (asked["user"].as_str(), asked["request"]["query"].as_str().unwrap_or_default()) {
            (Some("mallory"), _) => (403, "application/json", b"{\"reason\":\"mallory is banned\"}".to_vec()),
            (Some(_), _) => (200, "application/json", b"{\"attributes\":{\"plan\":\"paid\"}}".to_vec()),
            (None, "key=good") => (200, "application/json", b"{\"user\":\"bob\",\"device\":\"tablet\"}".to_vec()),
            (None, "key=odd") => (200, "application/json", b"{\"user\":\"\"}".to_vec()),
            (None, _) => taken(),
        })
    });
    let spool = Directory::new();
    let server = hooked(&back_end.configuration("events = [\"connect\"]"), &spool);
    let json = |request: Request| request.header("Accept", "application/json");
    let problem = server.ask(json(handshake("mallory"))).problem(403, "refused-by-back-end");
    assert_eq!(problem["title"], "mallory is banned");
    server.ask(json(Request::handshake("/ws"))).problem(401, "token-missing");
    server.ask(json(Request::handshake("/ws?key=odd"))).problem(503, "back-end-nonsense");

    let _alice = server.upgrade(handshake("alice"));
    let _bob = server.upgrade(Request::handshake("/ws?key=good"));
    let alice = server.ask(server.api("GET", "/v1/users/alice")).json();
    assert_eq!(alice["sessions"][0]["attributes"], json!({ "plan": "paid" }));
    let bob = server.ask(server.api("GET", "/v1/users/bob")).json();
    assert_eq!((&bob["sessions"][0]["device"], &bob["sessions"][0]["token_from"]), (&json!("tablet"), &json!("hook")));
    // A token that is not good is refused before anybody is asked.
    let asked = back_end.received().len();
    server.ask(json(Request::handshake("/ws").bearer("a.b.c"))).problem(401, "token-malformed");
    assert_eq!(back_end.received().len(), asked);
}

#[test]
fn while_the_back_end_is_down_handshakes_are_refused_or_allowed_by_their_token() {
    let (back_end, spool) = (BackEnd::start(|_| None), Directory::new());
    for (when_down, allows) in [("refuse", false), ("allow", true)] {
        let more = format!("events = [\"connect\"]\nconnect_timeout = \"300ms\"\nwhen_down = \"{when_down}\"");
        let server = hooked(&back_end.configuration(&more), &spool);
        // More than enough for the breaker: then nobody waits any more.
        for _ in 0..8 {
            let answer = server.ask(handshake("alice").header("Accept", "application/json"));
            if allows {
                assert_eq!(answer.status, 101);
            } else {
                answer.problem(503, "back-end-down");
                assert!(answer.header("retry-after").parse::<u64>().unwrap() > 0);
            }
            server.ask(Request::handshake("/ws").header("Accept", "application/json")).problem(503, "back-end-down");
        }
        let metrics = server.ask(server.api("GET", "/metrics")).body;
        let outcome = if allows { "down_allowed" } else { "down_refused" };
        assert!(metrics.contains(&format!("silverback_hooks_handshakes_total{{outcome=\"{outcome}\"}}")), "{metrics}");
        back_end.answers(|_| Some(taken()));
        let log = server.log_with("left alone");
        assert!(!log.contains("hush-hush-query") && !log.contains(HOOK_SECRET), "{log}");
        drop(server);
        back_end.answers(|_| None);
    }
}

#[test]
fn what_the_back_end_did_not_take_is_told_by_the_next_process_also_when_this_one_is_killed() {
    let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
    let configuration = back_end.configuration("");
    let mut server = hooked(&configuration, &spool);
    let mut alice = server.join("alice");
    let _bob = server.join("bob");
    back_end.wait_for("connected", 2);
    back_end.answers(|hook| if hook.kind() == "connect" { Some(taken()) } else { None });
    let _carol = server.join("carol");
    alice.close(1000, "");
    server.wait_for_ends(2);
    back_end.wait_for("ended", 1);
    back_end.wait_for("connected", 3);
    server.signal(Signal::KILL);
    server.ended();
    let before = back_end.received().len();

    back_end.answers(|_| Some(taken()));
    let server = hooked(&configuration, &spool);
    let ends = |hooks: &[client::Hook]| hooks.iter().filter(|hook| hook.kind() == "ended").count();
    let has_ended = |told: &[client::Hook], user: &str| told.iter().any(|hook| hook.kind() == "ended" && hook.header("ce-user") == user);
    let told = loop {
        let all = back_end.received();
        let told = all[before..].to_vec();
        if ["alice", "bob", "carol"].into_iter().all(|user| has_ended(&told, user)) {
            break told;
        }
        back_end.wait_for("ended", ends(&all) + 1);
    };
    // What was under way when the first was killed may be noted late, and comes again.
    let of = |user: &str| {
        let mut kinds: Vec<_> = told.iter().filter(|hook| hook.header("ce-user") == user).map(|hook| hook.kind()).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!((of("alice"), of("bob"), of("carol")), (vec!["ended"], vec!["ended"], vec!["connected", "ended"]));
    let end = |user: &str| told.iter().rfind(|hook| hook.header("ce-user") == user).unwrap().json();
    assert_eq!(end("alice")["report"]["sent"]["code"], 1000);
    assert_eq!((&end("bob")["report"], &end("bob")["session"]["user"]), (&Value::Null, &json!("bob")));
    assert!(end("carol")["why"].as_str().unwrap().contains("before it could tell"));
    // And then nothing is kept any more.
    server.stopped();
    let before = back_end.received();
    let server = hooked(&configuration, &spool);
    server.serves_on();
    back_end.wait_for("ended", ends(&before) + 1);
    assert!(back_end.received()[before.len()..].iter().all(|hook| hook.header("ce-user") == "the-next-one" || hook.kind() == "connect"));
}

#[test]
fn a_server_that_stops_while_the_back_end_is_down_leaves_its_ends_to_the_next() {
    let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
    let mut server = hooked(&back_end.configuration(""), &spool);
    let socket = server.join("alice");
    back_end.wait_for("connected", 1);
    back_end.answers(|_| Some((503, "", Vec::new())));
    server.signal(Signal::TERM);
    socket.closed_and_answered();
    let (_, _, log) = server.ended();
    assert!(log.contains("stopped"), "{log}");
    back_end.answers(|_| Some(taken()));
    let before = back_end.wait_for("ended", 1).len();
    let _server = hooked(&back_end.configuration(""), &spool);
    let end = back_end.wait_for("ended", before + 1).pop().unwrap().json();
    assert_eq!(end["report"]["sent"]["code"], 1012);
}

#[test]
fn where_the_spool_is_full_no_more_sessions_are_taken() {
    let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
    let server = hooked(&back_end.configuration("events = [\"ended\"]\nspool.limit = \"64KiB\""), &spool);
    let mut sockets = Vec::new();
    let refused = loop {
        assert!(sockets.len() < 32, "a session takes at least 2 KiB");
        let mut client = server.connect();
        let answer = client.ask(handshake("alice").header("Accept", "application/json"));
        if answer.status != 101 {
            break answer;
        }
        sockets.push(client::WebSocket::new(client));
    };
    refused.problem(503, "spool-full");
    assert!(sockets.len() > 8, "{}", sockets.len());
    sockets.pop().unwrap().close(1000, "");
    back_end.wait_for("ended", 1);
    // What was told needs no room any more.
    let deadline = std::time::Instant::now() + client::DEADLINE;
    while server.ask(handshake("alice")).status != 101 {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[test]
fn what_is_configured_wrongly_is_named_with_its_cure_and_without_the_secret() {
    let directory = Directory::new();
    for (text, part) in [
        ("hooks.url = \"http://127.0.0.1:1/\"", "hooks.secret is missing: make one with"),
        ("hooks.url = \"127.0.0.1:1\"", "hooks.url is not good: write an address with http://"),
        ("hooks = { url = \"http://127.0.0.1:1/\", secret = \"hush-hush\" }", "hooks.secret (number 1) does not begin with `whsec_`"),
        ("hooks.secrt = \"x\"", "there is no key `secrt` in [hooks]: did you mean `secret`?"),
        ("hooks.when_down = \"panic\"", "write \"refuse\" or \"allow\""),
        ("hooks.events = [\"everything\"]", "write a list of some of"),
    ] {
        let file = directory.write("silverback.toml", text);
        let run = client::run(&[], &["serve", "--listen", "127.0.0.1:0", "--config", &file]);
        assert!(!run.is_good && run.stderr.contains(part), "{text}: {}", run.stderr);
        assert!(!run.stderr.contains("hush-hush"), "{}", run.stderr);
    }
}

#[test]
fn every_metric_of_hooks_is_in_the_guide_and_no_other() {
    let names = |file: &str| {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        words.filter(|word| word.starts_with("silverback_hooks_")).map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let (counted, documented) = (names("src/hooks/meter.rs"), names("../../docs/hooks.md"));
    assert!(counted.len() > 10, "{counted:?}");
    assert_eq!(counted, documented);
}

#[test]
fn what_hooks_count_is_shown_and_names_nobody() {
    let (back_end, spool) = (BackEnd::agreeable(), Directory::new());
    let server = hooked(&back_end.configuration(""), &spool);
    let mut socket = server.join("alice");
    socket.text("hello");
    back_end.wait_for("message", 1);
    let deadline = std::time::Instant::now() + client::DEADLINE;
    let metrics = loop {
        let metrics = server.ask(server.api("GET", "/metrics")).body;
        if metrics.contains("silverback_hooks_events_total{event=\"message\",outcome=\"taken\"} 1\n") {
            break metrics;
        }
        assert!(std::time::Instant::now() < deadline, "{metrics}");
    };
    for line in [
        "silverback_hooks_breaker 0\n",
        "silverback_hooks_handshakes_total{outcome=\"allowed\"} 1\n",
        "silverback_hooks_events_total{event=\"connected\",outcome=\"taken\"} 1\n",
        "silverback_hooks_requests_total{event=\"connect\",outcome=\"2xx\"} 1\n",
        "silverback_hooks_request_seconds_count{event=\"message\"} 1\n",
        "silverback_hooks_waiting{event=\"message\"} 0\n",
        "silverback_hooks_requests_under_way 0\n",
        "silverback_hooks_spool_events 1\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
    assert!(!metrics.contains("alice"), "no user is a label");
}
