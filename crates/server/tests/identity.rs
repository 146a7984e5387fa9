//! Who a client is: where its token may be, which one counts, and what comes of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use client::{KEY, Request, SECRET, Server, now, run, server, signed, token};
use serde_json::{Value, json};

const ANONYMOUS: &[&str] = &["--allow-anonymous"];

fn sessions(server: &Server, user: &str) -> Vec<Value> {
    let answer = server.ask(server.api("GET", &format!("/v1/users/{user}")));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["user"], user);
    answer.json()["sessions"].as_array().unwrap().clone()
}

#[test]
fn a_token_is_taken_from_each_of_its_places_and_the_api_says_from_which() {
    let server = server();
    let token = token("alice");
    let open = Request::handshake;
    for (request, place) in [
        (open("/ws").header("Authorization", &format!("bearer {token}")), "header"),
        (open("/ws").header("Sec-WebSocket-Protocol", &format!("silverback, silverback.bearer.{token}")), "subprotocol"),
        (open("/ws").header("Cookie", &format!("theme=dark; silverback_token={token}; x=y")), "cookie"),
        (open(&format!("/ws?a=b&token={token}")), "query"),
    ] {
        let mut socket = server.upgrade(request);
        let sessions = sessions(&server, "alice");
        assert_eq!((sessions.len(), &sessions[0]["token_from"]), (1, &Value::from(place)));
        assert_eq!(sessions[0]["user"], "alice");
        assert!(sessions[0]["remote"].as_str().unwrap().starts_with("127.0.0.1:"));
        socket.close(1000, "");
        socket.closed();
        socket.client.finish();
        server.log_with(&format!("ended session={}", sessions[0]["id"].as_str().unwrap()));
        assert!(self::sessions(&server, "alice").is_empty());
    }
}

#[test]
fn the_token_among_the_subprotocols_is_never_echoed() {
    let server = server();
    let token = format!("silverback.bearer.{}", token("alice"));
    for (offer, selected) in [
        (format!("silverback, {token}"), "silverback"),
        (format!("{token}, silverback"), "silverback"),
        (format!("chat, {token}, silverback"), "silverback"),
        (format!("chat, {token}"), ""),
        (token.clone(), ""),
    ] {
        let request = Request::handshake("/ws").header("Sec-WebSocket-Protocol", &offer);
        let (answer, _socket) = server.connect().upgrade(request);
        assert_eq!(answer.header("sec-websocket-protocol"), selected, "of {offer}");
    }
    let of_a_page = Request::handshake("/ws").header("Origin", "http://silverback.test");
    let _socket = server.connect().upgrade(of_a_page.header("Sec-WebSocket-Protocol", &token));
    server.log_with("give the connection up");
}

#[test]
fn the_first_place_counts_even_when_its_token_is_bad() {
    let server = server();
    let bad = "a.b.c";
    let places = |tokens: [&str; 4]| {
        let [header, subprotocol, cookie, query] = tokens;
        let request = Request::handshake(&if query.is_empty() { "/ws".to_owned() } else { format!("/ws?token={query}") });
        [
            ("Authorization", format!("Bearer {header}"), header),
            ("Sec-WebSocket-Protocol", format!("silverback, silverback.bearer.{subprotocol}"), subprotocol),
            ("Cookie", format!("silverback_token={cookie}"), cookie),
        ]
        .into_iter()
        .filter(|(.., token)| !token.is_empty())
        .fold(request, |request, (name, value, _)| request.header(name, &value))
    };
    let good = token("alice");
    for skip in 0..4 {
        let mut tokens = [bad; 4];
        tokens[..skip].fill("");
        let mut bad_first = tokens;
        bad_first[skip + 1..].fill(&good);
        server.ask(places(bad_first)).refusal(401, "token-malformed");
        tokens[skip] = &good;
        server.upgrade(places(tokens));
    }
}

#[test]
fn a_user_may_have_several_sessions() {
    let server = server();
    let _sockets: Vec<_> = (0..3).map(|_| server.join("alice")).collect();
    let _other = server.join("bob");
    let mut ids: Vec<_> = sessions(&server, "alice").iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.is_sorted(), "the oldest comes first");
    ids.dedup();
    assert_eq!((ids.len(), sessions(&server, "bob").len(), sessions(&server, "nobody").len()), (3, 1, 0));
}

#[test]
fn a_client_whose_connection_is_open_is_connected_for_the_api_too() {
    let server = server();
    let mut late = 0;
    for number in 0..200 {
        let user = format!("user-{number}");
        let (_, _socket) = server.connect().upgrade(Request::handshake("/ws").bearer(&token(&user)));
        late += usize::from(sessions(&server, &user).is_empty());
    }
    assert_eq!(late, 0, "of 200 clients that had read their 101");
}

#[test]
fn only_allow_anonymous_lets_clients_without_a_token_in_and_each_is_a_user_of_its_own() {
    let strict = server();
    strict.ask(Request::handshake("/ws")).refusal(401, "token-missing");

    let open = Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], ANONYMOUS);
    let _sockets = [open.upgrade(Request::handshake("/ws")), open.upgrade(Request::handshake("/ws"))];
    let all = open.ask(open.api("GET", "/v1/sessions")).json();
    let users: Vec<_> = all["sessions"].as_array().unwrap().iter().map(|session| session["user"].as_str().unwrap()).collect();
    assert!(users.len() == 2 && users[0] != users[1] && users.iter().all(|user| user.starts_with("anonymous-")), "{users:?}");
    open.ask(Request::handshake("/ws").bearer("a.b.c")).refusal(401, "token-malformed");
    open.log_with("--allow-anonymous");
}

#[test]
fn an_address_that_can_be_reached_from_outside_needs_a_secret() {
    let refused = run(&[], &["serve", "--listen", "0.0.0.0:0"]);
    assert!(!refused.is_good && refused.stdout.is_empty());
    for part in ["0.0.0.0:0 can be reached from outside", "SILVERBACK_AUTH_SECRET", "openssl rand -base64 32", "--allow-anonymous"] {
        assert!(refused.stderr.contains(part), "{part:?} is not in {}", refused.stderr);
    }
    let with_a_key_alone = run(&[("SILVERBACK_API_KEY", KEY)], &["serve", "--listen", "[::]:0"]);
    assert!(!with_a_key_alone.is_good);
}

#[test]
fn what_the_command_token_mints_is_accepted() {
    let server = server();
    let secret = [("SILVERBACK_AUTH_SECRET", SECRET)];
    for user in ["alice", "Jürgen Groß", "x/y?z", &"x".repeat(256)] {
        let minted = run(&secret, &["token", "--user", user, "--ttl", "5m"]);
        assert!(minted.is_good && minted.stderr.is_empty(), "{minted:?}");
        server.upgrade(Request::handshake(&format!("/ws?token={}", minted.stdout.trim())));
        server.log_with(&format!("user=\"{user}\" "));
    }
    let expired = run(&secret, &["token", "--user", "alice", "--ttl", "0s"]);
    server.ask(Request::handshake("/ws").bearer(expired.stdout.trim())).refusal(401, "token-expired");
    let other = run(&[("SILVERBACK_AUTH_SECRET", &SECRET.to_uppercase())], &["token", "--user", "alice"]);
    server.ask(Request::handshake("/ws").bearer(other.stdout.trim())).refusal(401, "token-signature");
}

#[test]
fn what_the_command_token_cannot_mint_it_explains() {
    let secret = [("SILVERBACK_AUTH_SECRET", SECRET)];
    for (environment, arguments, says) in [
        (&[][..], &["--user", "alice"][..], "no key is configured to sign with"),
        (&[("SILVERBACK_AUTH_SECRET", "")], &["--user", "alice"], "SILVERBACK_AUTH_SECRET) is empty"),
        (&secret, &["--user", ""], "1 to 256 bytes"),
        (&secret, &["--user", "a\nb"], "no control characters"),
        (&secret, &["--user", ".."], "not `.` or `..`"),
        (&secret, &["--user", "alice", "--ttl", "soon"], "write a time, as in 15m or 24h"),
        (&secret, &[], "--user"),
    ] {
        let refused = run(environment, &[&["token"], arguments].concat());
        assert!(!refused.is_good && refused.stdout.is_empty() && refused.stderr.contains(says), "{refused:?}");
    }
}

#[test]
fn a_time_to_live_beyond_all_calendars_is_no_panic() {
    let minted = run(&[("SILVERBACK_AUTH_SECRET", SECRET)], &["token", "--user", "alice", "--ttl", "18446744073709551615s"]);
    assert!(!minted.stderr.contains("panicked"), "{}", minted.stderr);
}

#[test]
fn short_secrets_are_refused_where_anybody_can_try_them() {
    let refused = run(&[("SILVERBACK_AUTH_SECRET", &"x".repeat(31))], &["serve", "--listen", "0.0.0.0:0"]);
    assert!(!refused.is_good && refused.stderr.contains("31 bytes"), "{refused:?}");
    let refused = run(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", &"x".repeat(15))], &["serve", "--listen", "0.0.0.0:0"]);
    assert!(!refused.is_good && refused.stderr.contains("at least 16"), "{refused:?}");
    let local = Server::start(&[("SILVERBACK_AUTH_SECRET", "short"), ("SILVERBACK_API_KEY", "short")], &[]);
    local.log_with("has 5 bytes and needs at least 32");
    Server::start(&[("SILVERBACK_AUTH_SECRET", &"x".repeat(32)), ("SILVERBACK_API_KEY", &"x".repeat(16))], &[]);
}

#[test]
fn a_token_of_another_algorithm_or_without_a_user_is_bad() {
    let server = server();
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({ "sub": "alice", "exp": now() + 60 });
    let longer = jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS512), &claims, &key).unwrap();
    let good = token("alice");
    for (bad, cause) in [
        (none.to_owned(), "token-algorithm"),
        (longer, "token-algorithm"),
        (signed(SECRET, &json!({ "exp": now() + 60 })), "token-claim-missing"),
        (signed(SECRET, &json!({ "sub": "", "exp": now() + 60 })), "token-claim-wrong"),
        (signed(SECRET, &json!({ "sub": "a\r\nX: b", "exp": now() + 60 })), "token-claim-wrong"),
        (signed(SECRET, &json!({ "sub": "x".repeat(257), "exp": now() + 60 })), "token-claim-wrong"),
        (format!("{}.{}", good.rsplit_once('.').unwrap().0, "A".repeat(43)), "token-signature"),
        (format!("{}.", good.rsplit_once('.').unwrap().0), "token-signature"),
        (format!("{good}AAAA"), "token-signature"),
        (format!("{good}="), "token-malformed"),
        (good.replacen('.', "..", 1), "token-malformed"),
    ] {
        server.ask(Request::handshake("/ws").bearer(&bad)).refusal(401, cause);
    }
}

#[test]
fn a_cookie_of_somebody_else_that_is_not_ascii_does_not_hide_the_token() {
    let server = server();
    server.upgrade(Request::handshake("/ws").header("Cookie", &format!("name=Jürgen; silverback_token={}", token("alice"))));
}

#[test]
fn a_secret_that_cannot_be_read_is_not_taken_for_none() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let mut command = client::command(&[]);
    command.env("SILVERBACK_AUTH_SECRET", OsStr::from_bytes(&[0xff; 40]));
    let output = command.args(["token", "--user", "alice"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !stderr.contains("no key is configured"), "{stderr}");
}

#[test]
fn a_users_name_does_not_pass_for_another_field_of_the_log() {
    let server = server();
    let user = "mallory token_from=\"header\" forged=1";
    let _socket = server.upgrade(Request::handshake(&format!("/ws?token={}", token(user))));
    let log = server.log_with("token_from=\"query\"");
    assert!(!log.contains("mallory token_from=\"header\" forged=1 "), "{log}");
}

#[test]
fn a_key_that_no_header_can_carry_is_refused_when_the_server_starts() {
    for key in ["a-key-with-an-umlaut-ü", "a-key-from-a-file-with-its-line-end\n"] {
        let mut command = client::command(&[("SILVERBACK_API_KEY", key)]);
        let output = command.args(["token", "--user", "alice"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("api.key"), "{key:?}: {stderr}");
    }
}
