//! How many sessions a user may have, and what is said to who gives way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{File, KEY, Request, SECRET, Server, run, token};

fn server(file: &File) -> Server {
    Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &["--config", file.path()])
}

#[test]
fn the_oldest_session_is_closed_and_its_page_can_say_why() {
    let file = File::new("oldest", "[sessions]\nmax_per_user = 2\n");
    let server = server(&file);
    let mut first = server.join("alice");
    let (_second, _third) = (server.join("alice"), server.join("alice"));
    assert_eq!(first.closed(), (4409, "opened elsewhere".to_owned()));
    let sessions = server.ask(server.api("GET", "/v1/users/alice")).json();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_handshake_is_refused_where_the_new_one_gives_way() {
    let file = File::new("new", "[sessions]\nmax_per_user = 1\nwhen_full = \"refuse-new\"\n");
    let server = server(&file);
    let _first = server.join("alice");
    let refused = server.ask(Request::handshake("/ws").bearer(&token("alice")));
    assert!(refused.refusal(429, "too-many-sessions").contains("raise the bound"), "{refused:?}");
    let _other = server.join("bob");
}

#[test]
fn a_policy_that_cannot_be_is_refused_with_its_cure() {
    for (text, cure) in
        [("max_per_user = 0", "write a number above 0"), ("when_full = \"guess\"", "write \"close-oldest\" or \"refuse-new\"")]
    {
        let file = File::new("bad", &format!("[sessions]\n{text}\n"));
        let failed = run(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["serve", "--config", file.path()]);
        assert!(!failed.is_good && failed.stderr.contains(cure), "{}", failed.stderr);
    }
}
