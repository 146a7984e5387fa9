//! Key sets of an address: fetched, kept, asked for again, in bounds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::time::{Duration, Instant};

use client::{DEADLINE, Directory, KEY, KeyServer, Request, Server, key, now};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustix::process::Signal;
use serde_json::{Value, json};

fn signing_key(name: &str) -> EncodingKey {
    let pem = key(&format!("{name}.pem"));
    if name.contains("rsa") { EncodingKey::from_rsa_pem(&pem).unwrap() } else { EncodingKey::from_ec_pem(&pem).unwrap() }
}

fn jwk(name: &str, algorithm: Algorithm, kid: &str) -> Value {
    let mut jwk = serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(&signing_key(name), algorithm).unwrap()).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

fn token(name: &str, algorithm: Algorithm, kid: &str) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, &json!({ "sub": "alice", "exp": now() + 600 }), &signing_key(name)).unwrap()
}

/// A server that takes its keys from there, asking once a second at most.
fn server(keys: &KeyServer) -> Server {
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "auth = { jwks_min_interval = \"1s\" }");
    Server::start(&[("SILVERBACK_API_KEY", KEY), ("SILVERBACK_AUTH_JWKS_URL", &keys.url())], &["--config", &file])
}

fn status(server: &Server, token: &str) -> u16 {
    server.ask(Request::handshake("/ws").bearer(token)).status
}

/// Asks until the answer is this one: the server asks for its keys at most once a second.
#[track_caller]
fn becomes(server: &Server, token: &str, expected: u16) {
    let start = Instant::now();
    while status(server, token) != expected {
        assert!(start.elapsed() < DEADLINE, "not {expected}: {}", server.log_so_far());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Asks with a token whose key is unknown until the log has this.
#[track_caller]
fn until_logged(server: &Server, unknown: &str, says: &str) {
    let start = Instant::now();
    while !server.log_so_far().contains(says) {
        assert_eq!(status(server, unknown), 401);
        assert!(start.elapsed() < DEADLINE, "{says}: {}", server.log_so_far());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn an_address_that_goes_away_and_comes_back_with_another_key() {
    let keys = KeyServer::start();
    keys.serves(&[jwk("rsa", Algorithm::RS256, "one")]);
    let server = server(&keys);
    let one = token("rsa", Algorithm::RS256, "one");
    let two = token("p256", Algorithm::ES256, "two");
    assert_eq!(status(&server, &one), 101, "who comes before the first answer waits for it");

    keys.is_down();
    until_logged(&server, &two, "the keys that were there are kept");
    server.ask(Request::handshake("/ws").bearer(&two)).refusal(401, "token-algorithm");
    assert_eq!(status(&server, &one), 101, "a known key is good while the address is down");

    keys.serves(&[jwk("p256", Algorithm::ES256, "two")]);
    becomes(&server, &two, 101);
    server.ask(Request::handshake("/ws").bearer(&one)).refusal(401, "token-algorithm");
    server.ask(Request::handshake("/ws").bearer(&token("p256", Algorithm::ES256, "three"))).refusal(401, "token-key-unknown");
    assert!(!server.log_so_far().contains("hush-hush"), "the query of an address may be a secret");
}

#[test]
fn a_hang_up_asks_at_once_and_keeps_what_was_known_until_there_is_an_answer() {
    let keys = KeyServer::start();
    keys.serves(&[jwk("rsa", Algorithm::RS256, "one")]);
    let directory = Directory::new();
    let file = directory.write("silverback.toml", "auth = { jwks_min_interval = \"1h\" }");
    let server = Server::start(&[("SILVERBACK_API_KEY", KEY), ("SILVERBACK_AUTH_JWKS_URL", &keys.url())], &["--config", &file]);
    let one = token("rsa", Algorithm::RS256, "one");
    let two = token("p256", Algorithm::ES256, "two");
    assert_eq!(status(&server, &one), 101);

    keys.is_down();
    server.signal(Signal::HUP);
    server.log_with("the keys that were there are kept");
    assert_eq!(status(&server, &one), 101);

    keys.serves(&[jwk("p256", Algorithm::ES256, "two")]);
    server.ask(Request::handshake("/ws").bearer(&two)).refusal(401, "token-algorithm"); // not before an hour has passed
    server.signal(Signal::HUP);
    becomes(&server, &two, 101);
    server.ask(Request::handshake("/ws").bearer(&one)).refusal(401, "token-algorithm");
}

#[test]
fn an_address_that_has_never_answered_is_the_servers_trouble_and_not_the_tokens() {
    let keys = KeyServer::start();
    let server = server(&keys);
    let one = token("rsa", Algorithm::RS256, "one");
    let answer = server.ask(Request::handshake("/ws").bearer(&one));
    answer.refusal(503, "token-keys-unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    server.ask(Request::handshake("/ws").bearer("garbage")).refusal(401, "token-malformed");
    keys.serves(&[jwk("rsa", Algorithm::RS256, "one")]);
    becomes(&server, &one, 101);
}

#[test]
fn a_flood_of_unknown_keys_does_not_become_one_of_requests() {
    let keys = KeyServer::start();
    keys.serves(&[jwk("p256", Algorithm::ES256, "one")]);
    let server = server(&keys);
    assert_eq!(status(&server, &token("p256", Algorithm::ES256, "one")), 101);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for flood in 0..4 {
            let server = server.address;
            scope.spawn(move || {
                for number in 0..100 {
                    let unknown = token("p256", Algorithm::ES256, &format!("unknown-{flood}-{number}"));
                    let answer = client::Client::connect(server).ask(Request::handshake("/ws").bearer(&unknown));
                    answer.refusal(401, "token-key-unknown");
                }
            });
        }
    });
    let most = 2 + start.elapsed().as_secs() as usize;
    assert!(keys.asked() <= most, "{} requests for 400 tokens; {most} were allowed", keys.asked());
    assert_eq!(status(&server, &token("p256", Algorithm::ES256, "one")), 101);
}

#[test]
fn what_is_no_key_set_changes_nothing() {
    let keys = KeyServer::start();
    keys.serves(&[jwk("rsa", Algorithm::RS256, "one")]);
    let server = server(&keys);
    let one = token("rsa", Algorithm::RS256, "one");
    assert_eq!(status(&server, &one), 101);
    let secret = json!({ "kty": "oct", "kid": "two", "alg": "HS256", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA" });
    let big = format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(300 * 1024));
    for (status, body, says) in [
        ("500 Oh No", "{\"keys\":[]}", "status 500"),
        ("302 Found", "", "status 302"),
        ("200 OK", "<html>", "no JSON object with a list"),
        ("200 OK", "{\"keys\":[]}", "has no keys"),
        ("200 OK", &big, "is larger than"),
        ("200 OK", &json!({ "keys": [secret] }).to_string(), "what an address serves is not secret"),
    ] {
        keys.answers(status, body);
        let unknown = token("rsa", Algorithm::RS256, "unknown");
        until_logged(&server, &unknown, says);
        assert_eq!(self::status(&server, &one), 101);
    }
    keys.says(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\"".to_vec());
    until_logged(&server, &token("rsa", Algorithm::RS256, "unknown"), "the answer broke off");
    assert_eq!(status(&server, &one), 101);
}

#[test]
fn addresses_that_cannot_be_asked_are_refused_when_the_server_starts() {
    for url in ["ftp://id.example/keys", "id.example/keys", "/keys", "http://user:hush-hush@id.example/keys", "https://", "not an address"]
    {
        let refused = client::run(&[("SILVERBACK_AUTH_JWKS_URL", url)], &["serve", "--listen", "127.0.0.1:0"]);
        assert!(!refused.is_good && refused.stderr.contains("SILVERBACK_AUTH_JWKS_URL"), "{refused:?}");
        assert!(!refused.stderr.contains("hush-hush"), "{refused:?}");
    }
}

#[test]
fn a_key_set_behind_tls_is_taken_from_whom_the_system_trusts() {
    let directory = Directory::new();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = directory.write("authority.pem", issued.cert.pem());
    let keys = KeyServer::start_with_tls(&issued);
    keys.serves(&[jwk("p256", Algorithm::ES256, "one")]);
    let one = token("p256", Algorithm::ES256, "one");
    let url = keys.url().replace("127.0.0.1", "localhost");
    let start =
        |trusted: &str| Server::start(&[("SILVERBACK_API_KEY", KEY), ("SILVERBACK_AUTH_JWKS_URL", &url), ("SSL_CERT_FILE", trusted)], &[]);
    assert_eq!(status(&start(&trusted), &one), 101);

    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let careful = start(&directory.write("other.pem", other.cert.pem()));
    careful.ask(Request::handshake("/ws").bearer(&one)).refusal(503, "token-keys-unavailable");
    careful.log_with("invalid peer certificate");
}
