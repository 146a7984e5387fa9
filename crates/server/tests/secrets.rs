//! No secret is ever printed, logged or sent back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use client::{KEY, Request, SECRET, Server, now, run, signed, token};
use serde_json::json;

/// Marks every secret of a request, so that a part of one is found too.
const MARK: &str = "hush-hush";

const CONFIGURED: &[(&str, &str)] = &[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];

/// Requests of every kind, good and bad, with a secret in each place where one can be.
fn requests() -> Vec<Request> {
    let marked = |name: &str| format!("{MARK}-{name}");
    let good = token("alice");
    let expired = signed(SECRET, &json!({ "sub": "alice", "exp": 1 }));
    let not_yet = signed(SECRET, &json!({ "sub": "alice", "nbf": now() + 3600 }));
    let no_user = signed(SECRET, &json!({ "sub": marked("sub"), "exp": marked("exp") }));
    let long_user = signed(SECRET, &json!({ "sub": marked("sub").repeat(100) }));
    let foreign = signed(&SECRET.to_uppercase(), &json!({ "sub": marked("foreign") }));
    let mut requests = Vec::new();
    for token in [&good, &expired, &not_yet, &no_user, &long_user, &foreign, &marked("token"), &format!("{}.x.y", marked("token"))] {
        let open = Request::handshake;
        requests.extend([
            open("/ws").bearer(token),
            open("/ws").header("Sec-WebSocket-Protocol", &format!("silverback, silverback.bearer.{token}")),
            open("/ws").header("Sec-WebSocket-Protocol", &format!("silverback.bearer.{token}")).header("Origin", "http://silverback.test"),
            open("/ws").header("Cookie", &format!("session={}; silverback_token={token}", marked("cookie"))),
            open(&format!("/ws?token={token}")),
        ]);
    }
    let full = || {
        Request::handshake(&format!("/ws?token={}", marked("query")))
            .bearer(&marked("header"))
            .header("Sec-WebSocket-Protocol", &format!("silverback.bearer.{}", marked("subprotocol")))
            .header("Cookie", &format!("silverback_token={}", marked("cookie")))
            .header("Proxy-Authorization", &format!("Basic {}", marked("proxy")))
    };
    let target = format!("/ws?token={}", marked("query"));
    requests.extend([
        full(),
        full().with("Upgrade", &[]),
        full().with("Upgrade", &[]).with("Connection", &["close"]).header("Via", "1.1 squid"),
        full().with("Sec-WebSocket-Version", &["8"]),
        full().with("Sec-WebSocket-Key", &["abc"]),
        full().with("Host", &[]),
        full().with("Content-Length", &["5"]),
        full().with("Origin", &["http://evil.test"]),
        full().with("Sec-WebSocket-Protocol", &[&format!("silverback.bearer.{} not a token", marked("subprotocol"))]),
        full().with("Authorization", &[&format!("Bearer{}", marked("no-space"))]),
        full().with("Bad Name", &[&marked("value")]),
        full().line(&format!("GET {target} HTTP/1.0")),
        full().line(&format!("GET {target} HTTP/3.0")),
        full().line(&format!("POST {target} HTTP/1.1")),
        full().line(&format!("GET http://user:{}@silverback.test{target} HTTP/1.1", marked("userinfo"))),
        full().line(&format!("GET {target} {target} HTTP/1.1")),
        full().header("X-Padding", &"x".repeat(16 * 1024)),
    ]);
    for path in ["/v1/users/alice", "/v1/users/%FF", "/v1/nothing", "/", "/console", "/v1/sessions", "/v1/tokens", "/health/live"] {
        let target = format!("{path}?token={}", marked("query"));
        for method in ["GET", "POST", "DELETE", "X"] {
            let request = Request::new(method, &target).header("Cookie", &marked("cookie"));
            requests.push(request.clone());
            requests.push(request.clone().bearer(&marked("wrong-key")));
            requests.push(request.clone().bearer(KEY));
            requests.push(request.bearer(&good));
        }
    }
    let message = || Request::new("POST", "/v1/users/alice/messages").bearer(KEY);
    requests.extend([message().body("hello"), message().body([0xff]), message().body(vec![b'x'; 2 << 20])]);
    requests
}

#[test]
fn nothing_that_is_secret_in_a_request_is_logged_or_sent_back() {
    for format in ["text", "json"] {
        assert_no_secret_is_told(format);
    }
}

fn assert_no_secret_is_told(format: &str) {
    let server = Server::start(&[CONFIGURED, &[("SILVERBACK_LOG_FORMAT", format)]].concat(), &[]);
    let good = token("alice");
    let signature = good.rsplit('.').next().unwrap().to_owned();
    let secrets = [MARK, SECRET, &SECRET.to_uppercase(), KEY, &good, &signature];
    for request in requests() {
        for is_second in [false, true] {
            let mut client = server.connect();
            if is_second {
                client.ask(Request::new("GET", "/health/live"));
            }
            let answer = client.ask(request.clone());
            let said = format!("{answer:?}");
            assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
        }
    }
    let (stdout, stderr) = server.stopped();
    assert!(stderr.contains("was refused") && stderr.contains("connected"), "the log was on");
    for secret in secrets {
        assert!(!stderr.contains(secret), "{secret} is in the log: {stderr}");
        assert!(!stdout.contains(secret), "{secret} was printed: {stdout}");
    }
}

#[test]
fn secrets_that_are_configured_are_not_printed_and_those_that_are_made_up_are() {
    let (stdout, stderr) = Server::start(CONFIGURED, &[]).stopped();
    assert!(!stdout.contains("token") && stdout.contains("/console\n"), "{stdout}");
    assert!(!stderr.contains(SECRET) && !stderr.contains(KEY), "{stderr}");

    let (stdout, stderr) = Server::start(&CONFIGURED[..1], &[]).stopped();
    let made_up = after(&stdout, "/console#key=");
    assert!(made_up.len() >= 40 && !stderr.contains(&made_up) && !stdout.contains(SECRET), "{stdout}{stderr}");

    let (stdout, stderr) = Server::start(&CONFIGURED[1..], &[]).stopped();
    let minted = after(&stdout, "token:    ");
    assert!(minted.starts_with("ey") && !stderr.contains(&minted), "{stdout}{stderr}");
    assert!(!stdout.contains(KEY), "{stdout}");
}

#[test]
fn secrets_that_are_made_up_are_good_and_no_two_servers_have_the_same() {
    let servers = [Server::start(&[], &[]), Server::start(&[], &[])];
    let keys: Vec<_> = servers.iter().map(|server| after(&server.stdout_with("  Then, from a back end:"), "/console#key=")).collect();
    assert_ne!(keys[0], keys[1]);
    for (server, key) in servers.iter().zip(&keys) {
        let minted = after(&server.stdout_so_far(), "token:    ");
        let _socket = server.upgrade(Request::handshake(&format!("/ws?token={minted}")));
        assert_eq!(server.ask(Request::new("GET", "/v1/users/demo").bearer(key)).json()["sessions"].as_array().unwrap().len(), 1);
        assert!(!server.log_so_far().contains(key) && !server.log_so_far().contains(&minted));
    }
    let minted = after(&servers[0].stdout_so_far(), "token:    ");
    servers[1].ask(Request::handshake("/ws").bearer(&minted)).refusal(401, "token-signature");
}

fn after(text: &str, label: &str) -> String {
    text.split_once(label).and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default().to_owned()
}

#[test]
fn a_configuration_file_that_is_wrong_is_not_quoted_where_its_secret_stands() {
    for (name, text) in [
        ("unquoted", format!("[auth]\nsecret = {SECRET}\n")),
        ("unended", format!("[auth]\nsecret = \"{SECRET}\n")),
        ("outside", format!("auth = \"{SECRET}\"\n")),
        ("number", "[auth]\nsecret = 1234567890123456789\n".to_owned()),
        ("misnamed", format!("[auth]\nsecrte = \"{SECRET}\"\n")),
        ("as-a-list", format!("[api]\nkey = [\"{SECRET}\"]\n")),
    ] {
        let file = Temporary::new(name, &text);
        let refused = run(&[], &["serve", "--listen", "127.0.0.1:0", "--config", file.path()]);
        assert!(!refused.is_good && refused.stdout.is_empty(), "{refused:?}");
        for secret in [SECRET, "1234567890123456789"] {
            assert!(!refused.stderr.contains(secret), "{name}: {}", refused.stderr);
        }
    }
}

#[test]
fn a_secret_that_is_too_short_is_not_shown_either() {
    for variable in ["SILVERBACK_AUTH_SECRET", "SILVERBACK_API_KEY"] {
        let refused = run(&[(variable, MARK)], &["serve", "--listen", "0.0.0.0:0", "--allow-anonymous"]);
        assert!(!refused.is_good && refused.stderr.contains(variable) && !refused.stderr.contains(MARK), "{refused:?}");
    }
}

/// A file that is gone with this value.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("silverback-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_cannot_be_read_of_a_command_line_is_not_repeated_where_it_may_be_a_secret() {
    let (token, header) = (format!("{MARK}\n{MARK}"), format!("Authorization Bearer {MARK}"));
    let api = format!("http://user:{MARK}@127.0.0.1:1/");
    let (url, user) = (format!("http://127.0.0.1:1/ws?token={MARK}"), format!("https://user:{MARK}@127.0.0.1:1/"));
    let bench = ["bench", "ws://127.0.0.1:1/", "--mode", "push", "--users", "1", "--api", &api];
    for arguments in [
        &["doctor", "ws://127.0.0.1:1/", "--token", &token][..],
        &["connect", "ws://127.0.0.1:1/", "-H", &header],
        &bench,
        &["connect", &url],
        &["doctor", &user],
    ] {
        let run = run(CONFIGURED, arguments);
        assert!(!run.is_good && !run.stderr.is_empty() && !run.stderr.contains(MARK), "{arguments:?}: {}", run.stderr);
    }
}

/// Answers each request with this, and tells of its head.
fn answering(answer: String) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, (tell, told)) = (listener.local_addr().unwrap(), mpsc::sync_channel(16));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut head) = (stream.unwrap(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = tell.send(String::from_utf8(head).unwrap());
        }
    });
    (address, told)
}

#[test]
fn where_a_redirect_leads_to_no_secret_is_sent() {
    let empty = "Content-Length: 0\r\n\r\n";
    let (elsewhere, asked) = answering(format!("HTTP/1.1 404 Not Found\r\n{empty}"));
    let (first, _) = answering(format!("HTTP/1.1 302 Found\r\nLocation: ws://{elsewhere}/\r\n{empty}"));
    let (url, key, cookie) = (format!("ws://{first}/"), format!("X-Api-Key: {MARK}"), format!("Cookie: a={MARK}"));
    let with_headers = run(&[], &["connect", &url, "-H", &key, "-H", &cookie, "--token", MARK, "--no-proxy"]);
    assert!(with_headers.stderr.contains("404"), "{}", with_headers.stderr);
    let head = asked.recv().unwrap();
    assert!(head.starts_with("GET / ") && !head.contains(MARK), "{head}");

    let with_a_protocol = run(&[], &["connect", &url, "--subprotocol", &format!("silverback.bearer.{MARK}"), "--no-proxy"]);
    assert!(with_a_protocol.stderr.contains("302"), "{}", with_a_protocol.stderr);
    assert!(asked.try_recv().is_err(), "it was followed");
}
