//! Keys of the API, and what each may do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Answer, File, KEY, Request, SECRET, Server, run};

const OF_EACH: [(&str, &str); 4] =
    [("send", "k-send-0123456789"), ("read", "k-read-0123456789"), ("close", "k-close-0123456789"), ("drain", "k-drain-0123456789")];

/// A key for each right.
fn keys() -> String {
    let entry = |(right, key)| format!("[[api.keys]]\nkey = \"{key}\"\nrights = [\"{right}\"]\nname = \"the {right} desk\"\n");
    OF_EACH.map(entry).concat()
}

/// Every request of the API, with the right that it needs. The drain comes last.
fn requests() -> Vec<(&'static str, Request)> {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let request = |right, method, target: &str| (right, Request::new(method, target));
    vec![
        request("send", "POST", "/v1/users/alice/messages"),
        request("send", "POST", &format!("/v1/sessions/{id}/messages")),
        request("send", "POST", "/v1/messages"),
        request("read", "GET", "/v1/users/alice"),
        request("read", "GET", "/v1/sessions"),
        request("read", "GET", &format!("/v1/sessions/{id}")),
        request("read", "GET", "/v1/events"),
        request("read", "GET", "/metrics"),
        request("close", "DELETE", "/v1/users/alice"),
        request("close", "DELETE", &format!("/v1/sessions/{id}")),
        request("mint", "POST", "/v1/tokens"),
        request("drain", "POST", "/v1/drain"),
    ]
}

fn status(server: &Server, request: &Request, key: &str) -> Answer {
    let mut client = server.connect();
    client.send(&request.clone().bearer(key).bytes());
    client.answer()
}

#[test]
fn a_key_does_what_it_has_the_right_for_and_is_told_which_right_is_missing() {
    let file = File::new("each", &keys());
    let server = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &["--config", file.path()]);
    for (needed, request) in requests() {
        for (right, key) in OF_EACH {
            let answer = status(&server, &request, key);
            if right == needed {
                assert!(![401, 403].contains(&answer.status), "{answer:?}");
            } else {
                let problem = answer.problem(403, "right-missing");
                assert!(problem["title"].as_str().unwrap().contains(&format!("`{needed}`")), "{problem}");
                assert!(problem["detail"].as_str().unwrap().contains(&format!("the {right} desk")), "{problem}");
            }
        }
        assert!(![401, 403].contains(&status(&server, &request, KEY).status), "api.key has every right");
        status(&server, &request, "k-send").problem(401, "api-key-wrong");
    }
    let (stdout, log) = server.stopped();
    assert!(log.contains("the send desk"), "what is refused is logged with the name of the key");
    for (_, key) in OF_EACH {
        assert!(!stdout.contains(key) && !log.contains(key));
    }
}

#[test]
fn where_keys_are_configured_none_is_made_up() {
    let file = File::new("none-made-up", &keys());
    let server = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["--config", file.path()]);
    assert_eq!(status(&server, &Request::new("GET", "/v1/sessions"), OF_EACH[1].1).status, 200);
    let (stdout, _) = server.stopped();
    assert!(stdout.contains("/console\n") && !stdout.contains("API key:"), "{stdout}");
}

#[test]
fn keys_that_cannot_be_meant_are_refused_without_being_shown() {
    let entry = |rest: &str| format!("[[api.keys]]\n{rest}\n");
    let good = "key = \"hush-hush-0123456789\"\nrights = [\"send\"]\nname = \"desk\"";
    for (number, (text, part)) in [
        (entry(&good.replace("\"send\"", "\"sent\"")), "some of send, read, close, drain"),
        (entry(&good.replace("\"send\"", "\"mint\"")), "some of send, read, close, drain"),
        (entry(&good.replace("\"send\"", "")), "no `rights`"),
        (entry(&good.replace("desk", "")), "empty `name`"),
        (entry(&good.replace("-0123", " 0123")), "no `Authorization` header"),
        (entry("key = \"\"\nrights = [\"send\"]\nname = \"desk\""), "empty `key`"),
        (entry(good).repeat(2), "the same `key`"),
        (format!("[api]\nkey = \"hush-hush-0123456789\"\n{}", entry(good)), "the same `key`"),
        (entry(&format!("{good}\nright = 1")), "no key `right`"),
    ]
    .iter()
    .enumerate()
    {
        let file = File::new(&number.to_string(), text);
        let failed = run(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["serve", "--config", file.path()]);
        assert!(!failed.is_good && failed.stderr.contains(part), "{part}: {}", failed.stderr);
        assert!(!failed.stderr.contains("hush"), "{}", failed.stderr);
    }
    let file = File::new("short", &entry(&good.replace("-0123456789", "")));
    let failed = run(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["serve", "--listen", "0.0.0.0:0", "--config", file.path()]);
    assert!(!failed.is_good && failed.stderr.contains("at least 16") && !failed.stderr.contains("hush"), "{}", failed.stderr);
}
