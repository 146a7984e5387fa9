//! What is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::collections::BTreeSet;

use client::{KEY, Request, SECRET, Server, server};

/// Everything that a quiet life and a few mistakes make the server count. docs/api.md lists them.
const NAMES: [&str; 16] = [
    "silverback_bytes_total",
    "silverback_connection_seconds",
    "silverback_connections_ended_total",
    "silverback_connections_open",
    "silverback_connections_opened_total",
    "silverback_deliveries_total",
    "silverback_frames_total",
    "silverback_handshakes_refused_total",
    "silverback_joins_total",
    "silverback_messages_total",
    "silverback_queue_peak_bytes",
    "silverback_requests_total",
    "silverback_session_ends_total",
    "silverback_session_seconds",
    "silverback_sessions",
    "silverback_users",
];

#[test]
fn the_metrics_have_the_names_that_are_documented_and_count() {
    let server = server();
    let mut socket = server.join("alice");
    socket.text("hello");
    server.ask(server.api("POST", "/v1/users/alice/messages").body("hello"));
    server.ask(server.api("POST", "/v1/users/alice/messages?reply_within=1ms").body("1"));
    server.ask(Request::new("GET", "/ws"));
    let _bob = server.join("bob");
    server.ask(server.api("DELETE", "/v1/users/alice"));
    for _ in 0..2 {
        socket.recv();
    }
    socket.closed_and_answered();
    server.wait_for_ends(1);

    let answer = server.ask(server.api("GET", "/metrics"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let types = answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: BTreeSet<_> = types.collect();
    assert_eq!(names, BTreeSet::from(NAMES), "{}", answer.body);
    for line in [
        "silverback_sessions 1\n",
        "silverback_users 1\n",
        "silverback_joins_total{outcome=\"joined\"} 2\n",
        "silverback_session_ends_total{cause=\"closed_by_application\"} 1\n",
        "silverback_deliveries_total{outcome=\"queued\"} 2\n",
        "silverback_session_seconds_bucket{le=\"+Inf\"} 1\n",
    ] {
        assert!(answer.body.contains(line), "{line}{}", answer.body);
    }
    assert!(!answer.body.contains("alice"), "no user is a label");
}

#[test]
fn the_metrics_are_open_only_where_that_is_configured() {
    let file = std::env::temp_dir().join(format!("silverback-metrics-{}.toml", std::process::id()));
    std::fs::write(&file, "metrics.public = true").unwrap();
    server().ask(Request::new("GET", "/metrics")).problem(401, "api-key-missing");
    let arguments = ["--config", file.to_str().unwrap()];
    let open = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &arguments);
    assert_eq!(open.ask(Request::new("GET", "/metrics")).status, 200);
    open.ask(Request::new("GET", "/v1/sessions")).problem(401, "api-key-missing");
    std::fs::remove_file(&file).unwrap();
}
