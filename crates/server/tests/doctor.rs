//! `silverback doctor` before servers that are right, odd and hostile.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use client::{Directory, KEY, Request, Run, SECRET, Server, run, server, token};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::Value;
use silverback::wire::handshake::server::Policy;
use silverback::wire::handshake::{HeadReader, encode_response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Serves each connection in a thread of its own, until the test's process ends.
fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

/// Reads a request's head; `None` where the peer has gone.
fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) if head.is_empty() && byte[0] == 0x16 => return None, // TLS: not here
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(head)
}

/// Answers every request with this, and ends the connection.
fn answering(answer: &'static str) -> SocketAddr {
    serving(move |mut stream| {
        if head(&mut stream).is_some() {
            let _ = stream.write_all(answer.as_bytes());
        }
    })
}

/// Does the handshake of a WebSocket, and then this.
fn websocket(then: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    serving(move |mut stream| {
        let Some(head) = head(&mut stream) else { return };
        let mut reader = HeadReader::new(16 * 1024);
        reader.buffer().extend_from_slice(&head);
        let (request, _) = reader.finish(head.len()).unwrap();
        let mut policy = Policy::default();
        policy.origins = silverback::Origins::Any;
        let acceptance = policy.judge(&request).unwrap();
        if stream.write_all(&encode_response(&acceptance.response)).is_ok() {
            then(stream);
        }
    })
}

/// One frame of a client: its opcode and its payload.
fn frame(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    stream.read_exact(&mut start).ok()?;
    let length = match start[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            u64::from(u16::from_be_bytes(length))
        }
        127 => {
            let mut length = [0; 8];
            stream.read_exact(&mut length).ok()?;
            u64::from_be_bytes(length)
        }
        short => u64::from(short),
    };
    let mut key = [0; 4];
    stream.read_exact(&mut key).ok()?;
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).ok()?;
    payload.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= key[at % 4]);
    Some((start[0] & 0xf, payload))
}

fn pong(stream: &mut TcpStream, payload: &[u8]) {
    let _ = stream.write_all(&[0x8a, u8::try_from(payload.len()).unwrap()]);
    let _ = stream.write_all(payload);
}

/// Ends so that no reset eats the Close: what comes meanwhile is read to its end.
fn close(stream: &mut TcpStream, code: u16) {
    let [high, low] = code.to_be_bytes();
    let _ = stream.write_all(&[0x88, 2, high, low]);
    let _ = stream.shutdown(Shutdown::Write);
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}

/// Answers pings and Close; `message` says what becomes of a message.
fn talking(message: impl Fn(&mut TcpStream, Vec<u8>) + Send + Sync + 'static) -> SocketAddr {
    websocket(move |mut stream| {
        while let Some((opcode, payload)) = frame(&mut stream) {
            match opcode {
                8 => return close(&mut stream, 1000),
                9 => pong(&mut stream, &payload),
                _ => message(&mut stream, payload),
            }
        }
    })
}

fn doctor(url: &str, arguments: &[&str]) -> (Run, Value) {
    let run = run(&[], &[&["doctor", "--json", url], arguments].concat());
    let json = serde_json::from_str(&run.stdout).unwrap_or_else(|error| unreachable!("{error}: {run:?}"));
    (run, json)
}

/// The doctor finds this cause, says so by its exit status, and keeps to its bound.
#[track_caller]
fn finds(cause: &str, url: &str, arguments: &[&str]) -> Value {
    let (run, json) = doctor(url, arguments);
    assert_eq!(json["verdict"]["cause"], cause, "{json:#}");
    assert_eq!((run.is_good, &json["ok"]), (cause == "well", &Value::from(cause == "well")), "{json:#}");
    assert!(json["took_ms"].as_f64().unwrap() <= json["bound_ms"].as_f64().unwrap(), "{json:#}");
    json
}

#[track_caller]
fn finds_at(cause: &str, address: SocketAddr, arguments: &[&str]) -> Value {
    finds(cause, &format!("ws://{address}/ws"), arguments)
}

/// The mark of a stage, and what is said of it.
fn stage<'a>(json: &'a Value, id: &str) -> (&'a str, &'a str) {
    let stage = json["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == id).unwrap();
    (stage["mark"].as_str().unwrap(), stage["came"].as_str().unwrap())
}

#[test]
fn a_silverback_is_well_and_shows_the_request_as_it_saw_it() {
    let server = server();
    let token = token("alice");
    let json = finds_at("well", server.address, &["--token", &token, "--idle", "200ms"]);
    for id in ["tcp", "http", "handshake", "compression", "ping", "large-message", "idle", "close", "arrival", "origin"] {
        assert_eq!(stage(&json, id).0, "ok", "{id}: {json:#}");
    }
    assert_eq!((&json["arrived"]["version"], &json["arrived"]["token"]), (&Value::from("HTTP/1.1"), &Value::from("header")));
    assert_eq!(json["arrived"]["headers"]["upgrade"][0], "websocket");
    assert_eq!(json["arrived"]["refusal"], Value::Null);
}

#[test]
fn an_echo_is_heard() {
    let json = finds_at(
        "well",
        talking(|stream, payload| {
            let length = u16::try_from(payload.len()).unwrap();
            let _ = stream.write_all(&[0x82, 126]);
            let _ = stream.write_all(&length.to_be_bytes());
            let _ = stream.write_all(&payload);
        }),
        &["--message", "40kB"],
    );
    assert!(stage(&json, "large-message").1.contains("there and back"), "{json:#}");
    assert_eq!(stage(&json, "arrival").0, "skipped");
}

#[test]
fn a_proxy_that_drops_the_upgrade_is_named_by_what_arrived() {
    let server = server();
    let behind = server.address;
    let through = |change: fn(String) -> String| {
        serving(move |mut stream| {
            let Some(head) = head(&mut stream) else { return };
            let mut upstream = TcpStream::connect(behind).unwrap();
            upstream.write_all(change(String::from_utf8(head).unwrap()).as_bytes()).unwrap();
            let mut answer = Vec::new();
            let _ = upstream.set_read_timeout(Some(Duration::from_millis(500)));
            let _ = upstream.read_to_end(&mut answer);
            let _ = stream.write_all(&answer);
        })
    };
    let without_upgrade = |head: String| head.replace("upgrade: websocket\r\n", "").replace("connection: Upgrade", "connection: close");
    let json = finds_at("upgrade-dropped", through(without_upgrade), &["--for", "haproxy"]);
    let details = json["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "arrival").unwrap();
    assert_eq!(details["mark"], "failed");
    assert!(details["details"].to_string().contains("Upgrade: sent websocket, did not arrive"), "{details:#}");
    assert_eq!(json["verdict"]["lines"][0]["for"], "haproxy");
    assert_eq!(json["arrived"]["refusal"]["cause"], "upgrade-stripped", "{json:#}");

    let older = |head: String| head.replacen("HTTP/1.1", "HTTP/1.0", 1);
    let json = finds_at("http-1.0-upstream", through(older), &[]);
    assert_eq!(json["arrived"]["version"], "HTTP/1.0");
}

#[test]
fn secrets_are_shown_to_nobody() {
    let server = server();
    let token = token("alice");
    let url = format!("ws://{}/ws?token={token}&password=hidden-in-the-query", server.address);
    let arguments = ["doctor", &url, "--token", &token, "-H", "Cookie: a=hidden-in-the-cookie", "-H", "X-Api-Key: hidden-in-a-header"];
    let protocol = format!("silverback.bearer.{token}");
    let arguments = [&arguments[..], &["--subprotocol", "silverback", "--subprotocol", &protocol]].concat();
    for more in [&["--json"][..], &["--color", "always"]] {
        let Run { is_good, stdout, stderr } = run(&[], &[&arguments[..], more].concat());
        assert!(is_good, "{stdout} {stderr}");
        assert!(!stdout.contains("hidden") && !stdout.contains(&token) && !stderr.contains(&token), "{stdout} {stderr}");
    }
    let log = server.log_so_far();
    assert!(!log.contains("hidden") && !log.contains(&token), "{log}");
}

#[test]
fn an_answer_that_repeats_a_secret_does_not_bring_it_into_the_report() {
    let parrot = serving(|mut stream| {
        let Some(head) = head(&mut stream) else { return };
        let _ = stream.write_all(&[&b"HTTP/1.1 404 Not Found\r\n\r\nCannot "[..], &head].concat());
    });
    let url = format!("ws://{parrot}/ws?token=hidden-in-the-query");
    let json = finds("path-not-found", &url, &["--token", "hidden-in-a-header", "-H", "Cookie: a=hidden-in-a-cookie"]);
    assert!(stage(&json, "handshake").1.contains("404") && !json.to_string().contains("hidden"), "{json:#}");
}

#[test]
fn what_a_request_looked_like_is_told_to_whoever_asks_and_secrets_are_masked() {
    let server = server();
    let asked = Request::new("GET", "/ws?token=secret").header("Silverback-Doctor", "1").header("Cookie", "a=secret").bearer("secret");
    let answer = server.ask(asked);
    assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, "application/json", "no-store"));
    let told = answer.json();
    assert!(!answer.body.contains("secret"), "{told:#}");
    assert_eq!(told["headers"]["authorization"][0], "Bearer (present, 6 bytes)");
    assert_eq!((&told["refusal"]["cause"], &told["refusal"]["status"]), (&Value::from("upgrade-missing"), &Value::from(426)));
    let older = server.ask(Request::new("GET", "/ws").line("GET /ws HTTP/1.0").header("Silverback-Doctor", "1"));
    assert_eq!(older.json()["version"], "HTTP/1.0");
    assert_eq!(server.ask(Request::handshake("/ws").header("Silverback-Doctor", "1")).json()["refusal"], Value::Null);
}

#[test]
fn those_who_ask_how_they_arrived_are_bounded_as_others_are() {
    let limits = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY), ("SILVERBACK_LIMITS_HANDSHAKES_PER_SECOND", "1")];
    let server = Server::start(&limits, &[]);
    let answers: Vec<_> = (0..4).map(|_| server.ask(Request::new("GET", "/ws").header("Silverback-Doctor", "1")).status).collect();
    assert!(answers.contains(&503), "{answers:?}");
}

#[test]
fn who_is_not_let_in_hears_what_the_server_says() {
    let server = server();
    let json = finds_at("not-authorised", server.address, &[]);
    assert!(json["verdict"]["title"].as_str().unwrap().starts_with("The server refuses: "), "{json:#}");
    let (stranger, token) = ("https://stranger.example", token("alice"));
    finds_at("origin-refused", server.address, &["--origin", stranger, "--token", &token]);
    finds("path-not-found", &format!("ws://{}/elsewhere", server.address), &[]);
}

#[test]
fn statuses_are_named_rightly() {
    for (cause, answer) in [
        ("not-a-websocket", "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 2\r\n\r\nhi"),
        ("not-a-websocket", "HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6\r\n\r\nhi"),
        ("redirected", "HTTP/1.1 301 Moved Permanently\r\nLocation: https://example.com/?t=hidden\r\nContent-Length: 0\r\n\r\n"),
        ("not-authorised", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
        ("forbidden", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        ("path-not-found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        ("upgrade-dropped", "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"),
        ("upstream-unreachable", "HTTP/1.1 502 Bad Gateway\r\nServer: Caddy\r\nContent-Length: 0\r\n\r\n"),
        ("server-error", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
        ("not-http", "SSH-2.0-OpenSSH_9.2\r\n"),
        ("closed-without-answer", ""),
        ("tls-expected", "\x15\x03\x01\0\x02\x02\x46"),
        (
            "wrong-accept-key",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        ),
        ("wrong-answer", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"),
    ] {
        let json = finds_at(cause, answering(answer), &[]);
        assert!(!json.to_string().contains("hidden"), "{json:#}");
    }
}

#[test]
fn a_head_that_is_too_large_for_the_way_is_told_from_a_bad_request() {
    let strict = serving(|mut stream| {
        let Some(head) = head(&mut stream) else { return };
        let answer = if head.len() > 2048 { "HTTP/1.1 400 Bad request" } else { "HTTP/1.1 426 Upgrade Required" };
        let _ = stream.write_all(format!("{answer}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    });
    let cookie = format!("Cookie: session={}", "x".repeat(3000));
    finds_at("head-too-large", strict, &["-H", &cookie]);
}

#[test]
fn a_closed_port_and_a_black_hole_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    finds_at("connection-refused", closed, &[]);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _within = runtime.enter();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let hole = listener.local_addr().unwrap();
    // Linux drops what comes once as many wait as may; nobody is ever accepted here.
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&hole, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    finds_at("connection-timed-out", hole, &["--timeout", "500ms"]);
}

#[test]
fn a_name_without_an_address_is_named() {
    finds("dns-failed", "ws://doctor.invalid/ws", &["--timeout", "2s"]);
}

#[test]
fn one_that_never_answers_is_named_within_the_bound() {
    let mute = serving(|mut stream| while stream.read(&mut [0; 1024]).is_ok_and(|count| count > 0) {});
    finds_at("no-answer", mute, &["--timeout", "300ms"]);
    finds("tls-not-answered", &format!("wss://{mute}/ws"), &["--timeout", "300ms"]);
}

#[test]
fn one_that_closes_after_the_handshake_is_named() {
    finds_at("closed-after-handshake", websocket(drop), &[]);
    let json = finds_at("closed-after-handshake", websocket(|mut stream| close(&mut stream, 1008)), &[]);
    assert!(stage(&json, "ping").1.contains("1008"), "{json:#}");
}

#[test]
fn one_that_talks_without_end_and_answers_no_ping_is_named_within_the_bound() {
    let message = [&[0x82, 126, 4, 0][..], &[b'x'; 1024]].concat().repeat(64);
    let talkative = websocket(move |mut stream| while stream.write_all(&message).is_ok() {});
    finds_at("ping-not-answered", talkative, &["--timeout", "300ms"]);
}

#[test]
fn one_that_answers_no_ping_or_no_close_is_named() {
    let deaf = websocket(|mut stream| while frame(&mut stream).is_some() {});
    finds_at("ping-not-answered", deaf, &["--timeout", "1s"]);
    let rude = websocket(|mut stream| {
        while let Some((opcode, payload)) = frame(&mut stream) {
            match opcode {
                8 => return,
                9 => pong(&mut stream, &payload),
                _ => {}
            }
        }
    });
    finds_at("close-not-answered", rude, &[]);
}

#[test]
fn a_limit_on_messages_is_told_from_a_cut() {
    finds_at("message-too-large", talking(|stream, _| close(stream, 1009)), &[]);
    let cut = websocket(|mut stream| {
        let Some((9, payload)) = frame(&mut stream) else { return };
        pong(&mut stream, &payload);
        let _ = stream.read(&mut [0; 16]);
    });
    finds_at("message-cut", cut, &["--message", "1MiB"]);
    finds_at("well", talking(|stream, _| close(stream, 1003)), &[]);
}

#[test]
fn a_time_out_of_a_proxy_is_found_by_silence() {
    let impatient = websocket(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        while let Some((opcode, payload)) = frame(&mut stream) {
            match opcode {
                8 => return close(&mut stream, 1000),
                9 => pong(&mut stream, &payload),
                _ => {}
            }
        }
    });
    let json = finds_at("idle-timeout", impatient, &["--idle", "8s", "--for", "nginx"]);
    assert!(json["verdict"]["lines"][0]["lines"].as_str().unwrap().contains("proxy_read_timeout"), "{json:#}");
    assert!(stage(&json, "idle").1.contains("without a Close"), "{json:#}");
}

/// A certificate of an authority: its file, its key's, and the authority's.
fn certificate(names: &[&str], until: i32, directory: &Directory) -> [String; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (authority.not_before, authority.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2099, 1, 1));
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
    let cert = directory.write("cert.pem", leaf.signed_by(&key, &authority).unwrap().pem());
    [cert, directory.write("key.pem", key.serialize_pem()), directory.write("ca.pem", authority.pem())]
}

/// A Silverback with TLS, and the file of the authority.
fn secured(names: &[&str], directory: &Directory) -> (Server, String) {
    let [cert, key, ca] = certificate(names, 2099, directory);
    let config = directory.write("silverback.toml", format!("tls = {{ cert = \"{cert}\", key = \"{key}\" }}"));
    let secrets = [("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)];
    (Server::start(&secrets, &["--config", &config]), ca)
}

/// A server that has not noticed that its certificate has expired, which a Silverback would. It wants to know who asks, and fails where it is told.
fn forgotten(directory: &Directory) -> (SocketAddr, String) {
    let [cert, key, ca] = certificate(&["127.0.0.1"], 2021, directory);
    let tls = silverback::tls::Acceptor::new(silverback::tls::Certificate::from_files(cert, key).unwrap()).unwrap();
    let address = serving(move |stream| {
        let tls = tls.clone();
        stream.set_nonblocking(true).unwrap();
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let Ok(mut stream) = tls.accept(tokio::net::TcpStream::from_std(stream).unwrap()).await else { return };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.is_ok_and(|count| count > 0) {
                    continue;
                }
                return;
            }
            let is_told = String::from_utf8(head).unwrap().contains("Bearer");
            let status = if is_told { "500 It was told" } else { "401 Unauthorized" };
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        });
    });
    (address, ca)
}

#[test]
fn certificates_are_looked_at() {
    let directory = Directory::new();
    let (server, ca) = secured(&["localhost", "127.0.0.1"], &directory);
    let (url, token) = (format!("wss://{}/ws", server.address), token("alice"));
    let json = finds("well", &url, &["--ca", &ca, "--token", &token]);
    assert!(stage(&json, "tls").1.starts_with("TLS 1.3, "), "{json:#}");
    finds("certificate-issuer-unknown", &url, &[]);
    finds("well", &url, &["--insecure", "--token", &token]);

    let directory = Directory::new();
    let (server, ca) = secured(&["elsewhere.example"], &directory);
    let json = finds("certificate-for-another-name", &format!("wss://{}/ws", server.address), &["--ca", &ca]);
    assert!(json["verdict"]["words"].as_str().unwrap().contains("elsewhere.example"), "{json:#}");
}

#[test]
fn behind_a_certificate_that_has_expired_nobody_is_shown_a_token() {
    let directory = Directory::new();
    let (address, ca) = forgotten(&directory);
    let json = finds("certificate-expired", &format!("wss://{address}/ws"), &["--ca", &ca, "--token", "a-token"]);
    assert!(json["verdict"]["words"].as_str().unwrap().contains("2021-01-01"), "{json:#}");
    assert_eq!(stage(&json, "handshake"), ("failed", "401 Unauthorized"), "{json:#}");
}

#[test]
fn the_wrong_scheme_is_named() {
    let directory = Directory::new();
    let (secure, _) = secured(&["127.0.0.1"], &directory);
    finds_at("tls-expected", secure.address, &[]);
    let plain = server();
    finds("tls-not-spoken", &format!("wss://{}/ws", plain.address), &[]);
}

#[test]
fn people_see_eighty_columns_and_colours_only_where_they_want_them() {
    let address = answering("HTTP/1.1 426 Upgrade Required\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n");
    let url = format!("ws://{address}/a/path/that/is/rather/long/and/goes/on/for/more/than/a/line/of/a/terminal");
    let Run { is_good, stdout, .. } = run(&[], &["doctor", &url]);
    assert!(!is_good && !stdout.contains('\u{1b}') && !stdout.contains('\r'), "{stdout}");
    assert!(stdout.lines().all(|line| line.chars().count() <= 80), "{stdout}");
    for part in
        ["✗ handshake", "✗ The proxy (nginx) does not pass the upgrade on.", "proxy_set_header Upgrade $http_upgrade;", "--for haproxy"]
    {
        assert!(stdout.contains(part), "{part:?} is not in {stdout}");
    }
    assert!(run(&[("NO_COLOR", "1")], &["doctor", &url, "--color", "always"]).stdout.contains("\u{1b}[1;31m✗"));
}

#[test]
fn what_cannot_be_dialled_is_said() {
    for (url, words) in
        [("ftp://example.com", "begins with ws://"), ("ws://example.com/#a", "no fragment"), ("example.com", "wss://example.com/ws")]
    {
        let Run { is_good, stderr, .. } = run(&[], &["doctor", url]);
        assert!(!is_good && stderr.contains(words), "{url}: {stderr}");
    }
}
