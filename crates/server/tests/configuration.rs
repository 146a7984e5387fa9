//! The configuration as an operator meets it: `silverback config …`, and a hang-up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Directory, File, Frame, KEY, Request, Run, SECRET, Server, run, token};
use rustix::process::Signal;

fn check(name: &str, text: &str) -> Run {
    let file = File::new(name, text);
    let Run { is_good, stdout, stderr } = run(&[], &["config", "check", "--config", file.path()]);
    Run { is_good, stdout, stderr: stderr.replace(file.path(), "F") }
}

#[test]
fn what_is_wrong_with_a_file_is_named_by_line_key_and_cure() {
    let long = "x".repeat(40);
    for (number, (text, place, key, cure)) in [
        ("listen = \"localhost\"", "F:1", "listen", "write an IP address and a port"),
        ("listen = 8080", "F:1", "listen", "as in 127.0.0.1:8080"),
        ("lisen = \"127.0.0.1:1\"", "F:1", "`lisen`", "did you mean `listen`?"),
        ("log = \"verbose\"", "F:1", "log", "write error, warn, info"),
        ("allow_anonymous = \"yes\"", "F:1", "allow_anonymous", "write true or false"),
        ("\norigins = \"https://a.example\"", "F:2", "origins", "write a list of texts"),
        ("origins = [\"a.example/path\"]", "F:1", "origins", "wrong entry"),
        ("[limits]\nmessage = \"big\"", "F:2", "limits.message", "write a size, as in 1MiB"),
        ("[limits]\nmessage = 0", "F:2", "limits.message", "above 0"),
        ("[limits]\nmesage = \"1MiB\"", "F:2", "`mesage` in [limits]", "did you mean `message`?"),
        ("[limit]\nmessage = \"1MiB\"", "F:1", "`limit`", "did you mean `limits`?"),
        ("limits = 3", "F:1", "limits", "write a section [limits]"),
        ("[heartbeat]\nping_after = 20", "F:2", "heartbeat.ping_after", "write a time, as in 20s"),
        ("[heartbeat]\n\nping_after = \"40s\"", "F:3", "heartbeat.dead_after", "longer than heartbeat.ping_after"),
        ("[sessions]\nmax_per_user = 0", "F:2", "sessions.max_per_user", "write a number above 0"),
        ("[sessions]\nwhen_full = \"guess\"", "F:2", "sessions.when_full", "write \"close-oldest\" or \"refuse-new\""),
        ("[compression]\nlevel = 10", "F:2", "compression.level", "1 (fast) to 9 (small)"),
        ("[auth]\nsecret = \"\"", "F:2", "auth.secret", "set it, or take it out"),
        ("[auth]\njwks_url = \"ftp://a\"", "F:2", "auth.jwks_url", "write an address with http:// or https://"),
        ("[auth]\naudience = 7", "F:2", "auth.audience", "write a text, or a list of texts"),
        ("[auth]\n[[auth.keys]]\nkid = \"a\"", "F:2", "auth.keys number 1", "exactly one of `secret`"),
        ("[auth.claims]\nusr = \"uid\"", "F:2", "`usr` in [auth.claims]", "did you mean `user`?"),
        ("[api]\nkeys = 1", "F:2", "api.keys", "write [[api.keys]] and its keys"),
        (
            "[[api.keys]]\nkey = \"0123456789abcdef\"\nrights = [\"fly\"]\nname = \"a\"",
            "F:3",
            "api.keys.rights",
            "a list with some of send, read",
        ),
        (
            "[[api.keys]]\nkey = \"0123456789abcdef\"\nrights = [\"send\"]\nnam = \"a\"",
            "F:4",
            "`nam` in [api.keys]",
            "did you mean `name`?",
        ),
        ("listen = \"0.0.0.0:80\"\n[auth]\nsecret = \"short\"", "F:3", "auth.secret", "make one with `openssl rand"),
        ("listen = \"0.0.0.0:80\"", "", "0.0.0.0:80", "set SILVERBACK_AUTH_SECRET"),
        ("[limits\nmessage = 1", "F:1", "not TOML", "]"),
        ("log = \"info\"\nlog = \"warn\"", "F:2", "not TOML", "duplicate key"),
        (&format!("[auth]\nsecret = {long}"), "F:2", "not TOML", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let checked = check(&format!("broken-{number}"), text);
        assert!(!checked.is_good && checked.stdout.is_empty(), "{text}: {checked:?}");
        let line = checked.stderr.lines().find(|line| line.contains(key) && line.contains(cure));
        assert!(line.is_some_and(|line| line.contains(place)), "{place} {key} {cure} is not in {}", checked.stderr);
        assert!(!checked.stderr.contains(&long), "{}", checked.stderr);
    }
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let checked = check("all", "[limits]\nmessage = \"big\"\n[api]\nkye = \"a\"\n[compression]\nlevel = 0\n");
    assert_eq!(checked.stderr.matches("F:").count(), 3, "{}", checked.stderr);
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    assert!(run(&[], &["config", "check"]).stdout.contains("good"));
    let checked = check("good", &format!("listen = \"0.0.0.0:80\"\n[auth]\nsecret = \"{SECRET}\"\n"));
    assert!(checked.is_good, "{checked:?}");
}

#[test]
fn what_is_in_effect_is_printed_with_where_it_is_from_and_without_secrets() {
    let file = File::new("print", "[limits]\nmessage = \"2MiB\"\n");
    let environment = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1m")];
    let printed = run(&environment, &["config", "print", "--config", file.path(), "--listen", "127.0.0.1:7"]);
    assert!(printed.is_good, "{printed:?}");
    for line in [
        "listen = \"127.0.0.1:7\" # --listen",
        "secret = \"(secret)\" # SILVERBACK_AUTH_SECRET",
        "dead_after = \"1m\" # SILVERBACK_HEARTBEAT_DEAD_AFTER",
        &format!("message = \"2MiB\" # {}:2", file.path()),
        "ping_after = \"20s\" # default",
    ] {
        assert!(printed.stdout.lines().any(|printed| printed == line), "{line} is not in {}", printed.stdout);
    }
    assert!(!printed.stdout.contains(SECRET));
}

#[test]
fn the_example_is_a_good_configuration() {
    let example = run(&[], &["config", "example"]);
    assert!(check("example", &example.stdout).is_good, "{example:?}");
}

#[test]
fn a_hang_up_applies_what_has_changed_and_names_what_needs_a_restart() {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "[limits]\nmessage = \"1KiB\"\n");
    let environment = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];
    let server = Server::start(&environment, &["--config", &file]);
    let mut socket = server.join("alice");
    let large = || server.api("POST", "/v1/users/alice/messages").body(vec![b'x'; 2000]);
    assert_eq!(server.ask(large()).status, 413);
    let page = || Request::handshake("/ws").bearer(&token("bob")).header("Origin", "https://app.example");
    server.ask(page()).refusal(403, "origin-not-allowed");

    let changed = "origins = [\"https://app.example\"]\n[limits]\nmessage = \"4KiB\"\n\
                   [sessions]\nmax_per_user = 1\nwhen_full = \"refuse-new\"\n[metrics]\npublic = true\n[compression]\ncontext_memory = \"1MiB\"\n\
                   [[api.keys]]\nkey = \"0123456789abcdef\"\nrights = [\"read\"]\nname = \"desk\"\n";
    directory.write("silverback.toml", changed);
    server.signal(Signal::HUP);
    let log = server.log_with("key=\"compression.context_memory\"");
    for line in [
        "SIGHUP: the keys were read again",
        "SIGHUP: applied key=\"api.keys\"",
        "SIGHUP: applied key=\"limits.message\"",
        "SIGHUP: applied key=\"metrics.public\"",
        "SIGHUP: applied key=\"origins\"",
        "SIGHUP: needs a restart, and stays as it was until then key=\"compression.context_memory\"",
    ] {
        assert!(log.contains(line), "{line} is not in {log}");
    }
    assert!(!log.contains("0123456789abcdef"), "{log}");
    assert_eq!(server.ask(large()).status, 200);
    let (_, _bob) = server.connect().upgrade(page());
    server.ask(Request::handshake("/ws").bearer(&token("alice"))).refusal(429, "too-many-sessions");
    assert_eq!(server.ask(Request::new("GET", "/v1/sessions").bearer("0123456789abcdef")).status, 200);
    assert_eq!(server.ask(Request::new("GET", "/metrics")).status, 200);
    for frame in [socket.recv(), {
        socket.close(1000, "");
        socket.recv()
    }] {
        assert!(!matches!(frame, Frame::Close(code, _) if code != 1000), "the session lives on: {frame:?}");
    }
}

#[test]
fn a_hang_up_with_a_configuration_that_is_not_good_changes_nothing() {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "metrics.public = true\n");
    let environment = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];
    let server = Server::start(&environment, &["--config", &file]);
    for (bad, says) in [
        ("metrics.public = false\n[limits]\nmessage = \"big\"\n", ":3: limits.message is not good"),
        ("metrics.public = false\ncompression.level = 0\n", "1 (fast) to 9 (small)"),
        ("metrics.public = false\n[auth]\nkeys = [{ jwk = \"/nowhere/at-all\" }]\n", "/nowhere/at-all"),
        ("metrics.public = false\n[", "not TOML"),
    ] {
        directory.write("silverback.toml", bad);
        server.signal(Signal::HUP);
        server.log_with(says);
        assert_eq!(server.ask(Request::new("GET", "/metrics")).status, 200, "{bad}");
    }
    server.serves_on();
}

#[test]
fn the_log_becomes_louder_and_quieter_without_a_restart() {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "log = \"info\"\n");
    let environment = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];
    let server = Server::start_as_configured(&environment, &["--config", &file]);
    let mut socket = server.join("alice");
    socket.text("quiet-please");
    directory.write("silverback.toml", "log = \"debug\"\n");
    server.signal(Signal::HUP);
    server.log_with("SIGHUP: applied key=\"log\"");
    socket.text("aloud-please");
    assert!(!server.log_with("aloud-please").contains("quiet-please"));
}
