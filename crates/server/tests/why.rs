//! `silverback why`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{KEY, Run, SECRET, Server, run, server};

fn why(server: &Server, arguments: &[&str]) -> Run {
    let url = format!("http://{}", server.address);
    run(&[("SILVERBACK_API_KEY", KEY)], &[&["why", "--url", &url], arguments].concat())
}

/// As one line.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn why_tells_of_those_who_are_there_and_of_those_who_left() {
    let server = server();
    let name = "Jürgen / 100%";
    let told = why(&server, &["--user", name]);
    assert!(told.is_good && told.stdout.starts_with("Jürgen / 100% is not connected, and this server remembers"), "{told:?}");

    let socket = server.join(name);
    server.ask(server.api("DELETE", "/v1/users/J%C3%BCrgen%20%2F%20100%25?code=4000&reason=moved+away"));
    socket.closed_and_answered();
    server.wait_for_ends(0);
    let told = why(&server, &["--user", name]).stdout;
    for part in [
        "is not connected. The last to end",
        "it has ended",
        "the application asked to close it: 4000 \"moved away\"",
        "with a token from the header",
    ] {
        assert!(joined(&told).contains(part), "{part}: {told}");
    }
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");

    let _socket = server.join(name);
    let told = why(&server, &["--user", name]).stdout;
    assert!(told.contains("is connected, with 1 session.") && told.contains("it has ended"), "{told}");
    let id = told.lines().find_map(|line| line.strip_prefix("Session ")?.split(' ').next()).unwrap();
    let one = why(&server, &["--session", id]).stdout;
    assert!(one.starts_with(&format!("Session {id} of {name}: it is connected.")), "{one}");
}

#[test]
fn why_says_what_to_do_where_it_cannot_tell() {
    let server = server();
    for (session, part) in [("alice", "session-id-not-valid"), ("01890a5d-ac96-774b-bcce-b302099a8057", "session-not-found")] {
        let failed = why(&server, &["--session", session]);
        assert!(!failed.is_good && failed.stderr.contains(part), "{failed:?}");
    }
    let url = format!("http://{}", server.address);
    for (key, url, part) in [
        ("wrong-key-hush-hush", &*url, "(api-key-wrong)"),
        (KEY, "localhost", "is not the address of a server"),
        (KEY, "ftp://localhost", "is not the address of a server"),
        (KEY, "http://127.0.0.1:1", "cannot be reached"),
        (KEY, &format!("{url}/console#"), "not an answer of the API"),
    ] {
        let failed = run(&[("SILVERBACK_API_KEY", key)], &["why", "--user", "alice", "--url", url]);
        assert!(!failed.is_good && failed.stderr.contains(part), "{part}: {failed:?}");
        assert!(!failed.stderr.contains("hush") && !failed.stderr.contains(KEY), "{failed:?}");
    }
    let failed = run(&[], &["why", "--user", "alice", "--url", &url]);
    assert!(failed.stderr.contains("set SILVERBACK_API_KEY"), "{failed:?}");
    assert!(!run(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["why"]).is_good, "about whom?");
}
