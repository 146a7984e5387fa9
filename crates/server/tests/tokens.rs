//! Which tokens are good: algorithms, keys from everywhere, and each way to be refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{Directory, KEY, Request, SECRET, Server, key, now, run, signed, token};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustix::process::Signal;
use serde_json::{Value, json};

/// The longest token that is taken, in bytes.
const TOKEN_LIMIT: usize = 8 * 1024;

/// The keys of `tests/keys/` and the algorithms that each is used for.
const PAIRS: [(&str, &[Algorithm]); 4] = [
    ("rsa", &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]),
    ("p256", &[Algorithm::ES256]),
    ("p384", &[Algorithm::ES384]),
    ("ed25519", &[Algorithm::EdDSA]),
];

fn signing_key(name: &str) -> EncodingKey {
    let pem = key(&format!("{name}.pem"));
    let read = match name {
        "p256" | "p384" => EncodingKey::from_ec_pem(&pem),
        "ed25519" => EncodingKey::from_ed_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    };
    read.unwrap()
}

fn made(algorithm: Algorithm, kid: Option<&str>, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

fn good_claims() -> Value {
    json!({ "sub": "alice", "exp": now() + 3600 })
}

/// A server with this in its configuration file, and the API's key.
fn configured(directory: &Directory, toml: &str) -> Server {
    let file = directory.write("silverback.toml", toml);
    Server::start(&[("SILVERBACK_API_KEY", KEY)], &["--config", &file])
}

fn public_key(directory: &Directory, name: &str) -> String {
    directory.write(&format!("{name}.pub.pem"), key(&format!("{name}.pub.pem")))
}

fn connects(server: &Server, token: &str) {
    server.upgrade(Request::handshake("/ws").bearer(token));
}

#[track_caller]
fn refused(server: &Server, token: &str, cause: &str) {
    server.ask(Request::handshake("/ws").bearer(token)).refusal(401, cause);
}

#[test]
fn every_algorithm_is_taken_by_a_key_of_its_own() {
    let directory = Directory::new();
    let mut toml = format!("[auth]\nsecret = \"{SECRET}\"\n");
    let secret = "x".repeat(64);
    for algorithm in ["HS384", "HS512"] {
        toml += &format!("[[auth.keys]]\nalgorithm = \"{algorithm}\"\nsecret = \"{secret}\"\n");
    }
    for (name, algorithms) in PAIRS {
        let file = public_key(&directory, name);
        for algorithm in algorithms {
            toml += &format!("[[auth.keys]]\nkid = \"{name}-{algorithm:?}\"\nalgorithm = \"{algorithm:?}\"\npublic_key = \"{file}\"\n");
        }
    }
    let server = configured(&directory, &toml);
    connects(&server, &token("alice"));
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        connects(&server, &made(algorithm, None, &EncodingKey::from_secret(secret.as_bytes()), &good_claims()));
    }
    for (name, algorithms) in PAIRS {
        for algorithm in algorithms {
            let kid = format!("{name}-{algorithm:?}");
            connects(&server, &made(*algorithm, Some(&kid), &signing_key(name), &good_claims()));
            connects(&server, &made(*algorithm, None, &signing_key(name), &good_claims()));
        }
    }
    // The name of one key with the algorithm of another: the key decides.
    refused(&server, &made(Algorithm::RS384, Some("rsa-RS256"), &signing_key("rsa"), &good_claims()), "token-algorithm");
    refused(&server, &made(Algorithm::RS256, Some("rsa-RS256"), &signing_key("other-rsa"), &good_claims()), "token-signature");
    refused(&server, &made(Algorithm::RS256, Some("unheard-of"), &signing_key("rsa"), &good_claims()), "token-key-unknown");
}

#[test]
fn a_public_key_is_never_taken_for_a_secret() {
    let directory = Directory::new();
    let file = public_key(&directory, "rsa");
    let server = configured(&directory, &format!("[[auth.keys]]\nkid = \"a\"\nalgorithm = \"RS256\"\npublic_key = \"{file}\"\n"));
    let pem = key("rsa.pub.pem");
    for secret in [&pem[..], pem.trim_ascii_end(), b""] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for kid in [Some("a"), None] {
                refused(&server, &made(algorithm, kid, &EncodingKey::from_secret(secret), &good_claims()), "token-algorithm");
            }
        }
    }
    connects(&server, &made(Algorithm::RS256, Some("a"), &signing_key("rsa"), &good_claims()));
}

#[test]
fn a_file_may_hold_a_jwk_or_a_set_of_them() {
    let directory = Directory::new();
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"; // of 34 bytes
    let one = directory.write("one.jwk", jwk("ed25519", Algorithm::EdDSA, Some("one")).to_string());
    let oct = json!({ "kty": "oct", "kid": "oct", "alg": "HS256", "k": secret });
    let set = directory.write("set.jwks", json!({ "keys": [jwk("p256", Algorithm::ES256, Some("two")), oct] }).to_string());
    let bare = directory.write("bare.jwk", jwk("rsa", Algorithm::RS256, None).to_string());
    let server = configured(
        &directory,
        &format!(
            "[auth]\nkeys = [{{ jwk = \"{one}\" }}, {{ jwk = \"{set}\" }}, {{ jwk = \"{bare}\", kid = \"ps\", algorithm = \"PS512\" }}]\n"
        ),
    );
    connects(&server, &made(Algorithm::EdDSA, Some("one"), &signing_key("ed25519"), &good_claims()));
    connects(&server, &made(Algorithm::ES256, Some("two"), &signing_key("p256"), &good_claims()));
    connects(
        &server,
        &made(Algorithm::HS256, Some("oct"), &EncodingKey::from_secret(b"secret-secret-secret-secret-secret"), &good_claims()),
    );
    connects(&server, &made(Algorithm::PS512, Some("ps"), &signing_key("rsa"), &good_claims()));
    refused(&server, &made(Algorithm::RS256, Some("ps"), &signing_key("rsa"), &good_claims()), "token-algorithm");
}

/// A public key as a JWK. Without a name it does not tell its algorithm either.
fn jwk(name: &str, algorithm: Algorithm, kid: Option<&str>) -> Value {
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&signing_key(name), algorithm).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    match kid {
        Some(kid) => jwk["kid"] = kid.into(),
        None => drop(jwk.as_object_mut().unwrap().remove("alg")),
    }
    jwk
}

#[test]
fn keys_that_cannot_be_used_keep_the_server_from_starting_and_say_why() {
    let directory = Directory::new();
    let file = |name: &str| directory.write(name, key(name));
    let garbage = directory.write("garbage", "hush-hush-garbage");
    let big = directory.write("big", vec![b'x'; 300 * 1024]);
    let encryption = directory.write("enc.jwk", {
        let mut jwk = jwk("p256", Algorithm::ES256, Some("e"));
        jwk["use"] = "enc".into();
        jwk.to_string()
    });
    let public = |file: &str, algorithm: &str| format!("{{ public_key = \"{file}\", algorithm = \"{algorithm}\" }}");
    for (key, says) in [
        (public(&file("rsa.pem"), "RS256"), "private key"),
        (public(&file("certificate.pem"), "RS256"), "BEGIN PUBLIC KEY"),
        (public(&garbage, "RS256"), "BEGIN PUBLIC KEY"),
        (public(&file("rsa.pub.pem"), "ES256"), "not a key for ES256"),
        (public(&file("rsa.pub.pem"), "EdDSA"), "not a key for EdDSA"),
        (public(&file("rsa.pub.pem"), "HS256"), "HS256 is for secrets"),
        (public(&file("p384.pub.pem"), "ES256"), "P-256"),
        (public(&file("p256.pub.pem"), "ES384"), "P-384"),
        (public(&file("p256.pub.pem"), "RS256"), "not a key for RS256"),
        (public(&file("rsa-1024.pub.pem"), "RS256"), "fewer than 2048 bits"),
        (public(&big, "RS256"), "larger than"),
        (public("/nowhere/at-all.pem", "RS256"), "/nowhere/at-all.pem"),
        (public(&file("rsa.pub.pem"), "none"), "write one of HS256"),
        (public(&file("rsa.pub.pem"), "ES512"), "write one of HS256"),
        (format!("{{ jwk = \"{garbage}\" }}"), "not JSON"),
        (format!("{{ jwk = \"{encryption}\" }}"), "for encryption"),
        ("{ secret = \"hush-hush-hush-hush-hush-hush-hush-hush\", algorithm = \"RS256\" }".to_owned(), "a secret is for HS256"),
        ("{ secret = \"hush-hush-hush-hush-hush-hush-hush-hush\" }".to_owned(), "needs an `algorithm`"),
        ("{ kid = \"a\" }".to_owned(), "exactly one of"),
        (format!("{{ jwk = \"{garbage}\", secret = \"hush-hush\" }}"), "exactly one of"),
    ] {
        let config = directory.write("silverback.toml", format!("auth = {{ keys = [{key}] }}"));
        let refused = run(&[], &["serve", "--listen", "127.0.0.1:0", "--config", &config]);
        assert!(!refused.is_good && refused.stderr.contains(says), "{key}: {refused:?}");
        assert!(!refused.stderr.contains("hush-hush") && !refused.stderr.contains("MIIE"), "{refused:?}");
    }
    let weak = directory.write("silverback.toml", "auth = { keys = [{ secret = \"hush-hush\", algorithm = \"HS512\" }] }");
    let refused = run(&[], &["serve", "--listen", "0.0.0.0:0", "--config", &weak]);
    assert!(!refused.is_good && refused.stderr.contains("HS512 needs at least 64") && !refused.stderr.contains("hush"), "{refused:?}");
}

#[test]
fn audience_issuer_leeway_and_required_claims_are_configured() {
    let directory = Directory::new();
    let toml = format!(
        "[auth]\nsecret = \"{SECRET}\"\naudience = [\"chat\", \"chat-2\"]\nissuer = \"https://id.example\"\nleeway = \"60s\"\n\
         required = {{ tier = \"gold\" }}\nclaims = {{ user = \"uid\" }}\n"
    );
    let server = configured(&directory, &toml);
    let claims = json!({ "uid": "alice", "aud": ["x", "chat-2"], "iss": "https://id.example", "tier": "gold", "exp": now() + 60 });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(SECRET, &claims)
    };
    connects(&server, &signed(SECRET, &claims));
    connects(&server, &with("exp", (now() - 30).into()));
    connects(&server, &with("nbf", (now() + 30).into()));
    refused(&server, &with("exp", (now() - 90).into()), "token-expired");
    refused(&server, &with("nbf", (now() + 90).into()), "token-not-yet-valid");
    refused(&server, &with("aud", "other".into()), "token-audience");
    refused(&server, &with("iss", "https://evil.example".into()), "token-issuer");
    refused(&server, &with("tier", "silver".into()), "token-claim-wrong");
    refused(&server, &with("uid", Value::Null), "token-claim-wrong");
    refused(&server, &signed(SECRET, &json!({ "sub": "alice", "aud": "chat", "iss": "https://id.example" })), "token-claim-missing");

    let file = directory.write("silverback.toml", toml);
    let minted = run(&[], &["token", "--user", "alice", "--config", &file]);
    connects(&server, minted.stdout.trim());
}

#[test]
fn a_token_has_a_longest_length() {
    let server = client::server();
    let exp = now() + 60;
    let padded = |length: usize| {
        let of = |pad: usize| signed(SECRET, &json!({ "sub": "alice", "exp": exp, "pad": "x".repeat(pad) }));
        let around = (length - of(0).len()) / 4 * 3; // base64 has four characters for three bytes
        (around..around + 4).map(of).find(|token| token.len() == length).unwrap_or_else(|| unreachable!("no token has {length} bytes"))
    };
    for length in [TOKEN_LIMIT - 1, TOKEN_LIMIT] {
        connects(&server, &padded(length));
    }
    for length in [TOKEN_LIMIT + 1, TOKEN_LIMIT + 4000] {
        refused(&server, &padded(length), "token-too-long");
    }
    server.serves_on();
}

#[test]
fn keys_are_read_again_when_the_server_is_hung_up_and_sessions_live_on() {
    let directory = Directory::new();
    let toml = |secret: &str, file: &str| {
        format!("[auth]\nsecret = \"{secret}\"\nkeys = [{{ algorithm = \"RS256\", public_key = \"{file}\" }}]\n")
    };
    let file = directory.write("key.pem", key("rsa.pub.pem"));
    let server = configured(&directory, &toml(SECRET, &file));
    let (old, new) = (
        made(Algorithm::RS256, None, &signing_key("rsa"), &good_claims()),
        made(Algorithm::RS256, None, &signing_key("other-rsa"), &good_claims()),
    );
    let mut session = server.upgrade(Request::handshake("/ws").bearer(&old));
    refused(&server, &new, "token-signature");

    directory.write("key.pem", key("other-rsa.pub.pem"));
    let other_secret = SECRET.to_uppercase();
    directory.write("silverback.toml", toml(&other_secret, &file));
    server.signal(Signal::HUP);
    server.log_with("the keys were read again");
    connects(&server, &new);
    connects(&server, &signed(&other_secret, &good_claims()));
    refused(&server, &old, "token-signature");
    refused(&server, &signed(SECRET, &good_claims()), "token-signature");

    directory.write("key.pem", "hush-hush-garbage");
    server.signal(Signal::HUP);
    server.log_with("stay as they were");
    connects(&server, &new);
    directory.write("silverback.toml", "listen = \"127.0.0.1:1\"");
    server.signal(Signal::HUP);
    server.log_with("the configuration has no keys any more");
    connects(&server, &new);

    session.text("still here");
    session.close(1000, "");
    assert_eq!(session.closed().0, 1000);
    let log = server.log_so_far();
    assert!(!log.contains("hush-hush") && !log.contains(SECRET) && !log.contains(&other_secret), "{log}");
}

#[test]
fn a_server_with_made_up_secrets_takes_a_hang_up_lightly() {
    let server = Server::start(&[("SILVERBACK_API_KEY", KEY)], &[]);
    server.signal(Signal::HUP);
    server.log_with("SIGHUP");
    assert_eq!(server.ask(Request::new("GET", "/health/live")).status, 200);
}
