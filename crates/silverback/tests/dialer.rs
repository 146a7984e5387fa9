//! The dialer against servers on loopback that do what they should, or what they should not.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;

use std::net::SocketAddr;
use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use scripted::{DEADLINE, accepting, all_of, answering, black_hole, dead, dialer, echo, echoes, head, serve, silent};
use silverback::dialer::{RedirectError, Stage, Timeouts};
use silverback::wire::handshake::client::AnswerError;
use silverback::{CloseCode, Deflate, DialError, Dialer, Keepalive, Message, Origins, QueueLimits, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const MOMENT: Duration = Duration::from_millis(200);

fn refusal(error: DialError) -> http::Response<bytes::Bytes> {
    match error {
        DialError::Refused { response } => *response,
        error => panic!("{error:?}"),
    }
}

async fn dial(address: SocketAddr) -> Result<silverback::WebSocket, DialError> {
    timeout(DEADLINE, dialer().build().unwrap().connect(&format!("ws://{address}/"))).await.unwrap()
}

#[tokio::test]
async fn an_address_is_dialled_and_what_was_agreed_is_known() {
    let address = echo(Upgrader::builder().subprotocols(["b", "a"]).build()).await;
    let dialer = dialer().subprotocols(["a", "b", "c"]).build().unwrap();
    let (mut socket, response) = dialer.connect_with_response(&format!("ws://{address}/")).await.unwrap();
    assert_eq!(socket.subprotocol(), Some("b"));
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["sec-websocket-protocol"], "b");
    echoes(&mut socket).await;
    assert!(socket.close(CloseCode::NORMAL, "").await.is_clean());
}

#[tokio::test]
async fn a_message_has_the_limit_of_the_dialer() {
    let address = accepting(&[], b"\x82\x05hello").await;
    let dialer = dialer().message_limit(4).build().unwrap();
    let mut socket = dialer.connect(&format!("ws://{address}/")).await.unwrap();
    assert_eq!(timeout(DEADLINE, socket.recv()).await.unwrap(), None, "a message over the limit ends the connection");
}

#[tokio::test(start_paused = true)]
async fn the_signs_of_life_that_are_asked_for_are_those_of_the_dialer() {
    let (ours, theirs) = duplex(1024);
    let keepalive = Keepalive { every: Duration::from_secs(40), message: "here".into() };
    let dialer = dialer().idle_timeout(Duration::from_secs(100)).keepalive(keepalive).build().unwrap();
    let (upgrader, began) = (Upgrader::default(), Instant::now());
    let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://a/"));
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    let (first, last) = tokio::join!(
        async {
            let first = server.recv().await;
            while server.recv().await.is_some() {}
            first
        },
        client.recv()
    );
    assert_eq!((first, last), (Some(Message::from("here")), None));
    assert!((100..=103).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_queue_has_the_bound_of_the_dialer() {
    let address = accepting(&[], b"").await;
    let dialer = dialer().queue(QueueLimits { bytes: 10, messages: 1 }).build().unwrap();
    let mut socket = dialer.connect(&format!("ws://{address}/")).await.unwrap();
    let sender = socket.sender();
    sender.try_send("one").unwrap();
    assert!(sender.try_send("two").is_err(), "nothing is written yet, and there is room for one");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_a_close_has_the_time_of_the_dialer() {
    let (ours, theirs) = duplex(1024);
    let (upgrader, dialer) = (Upgrader::default(), dialer().close_timeout(Duration::from_secs(60)).build().unwrap());
    let (_server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://a/"));
    let began = Instant::now();
    client.unwrap().close(CloseCode::NORMAL, "").await;
    let took = began.elapsed().as_secs();
    assert!((60..=62).contains(&took), "{took}");
}

#[tokio::test]
async fn the_request_has_the_headers_the_path_and_the_userinfo_of_its_address() {
    let (address, mut heads) = answering("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    let with = dialer().header("cookie", "a=b").header("Origin", "https://page.test").header("cookie", "c=d").build().unwrap();
    with.connect(&format!("ws://user:pass@{address}/path?token=a%20b")).await.unwrap_err();
    let request = heads.recv().await.unwrap();
    assert!(request.starts_with("GET /path?token=a%20b HTTP/1.1\r\n"), "{request}");
    for line in [
        &format!("host: {address}"),
        "authorization: Basic dXNlcjpwYXNz",
        "cookie: c=d",
        "origin: https://page.test",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line}: {request}");
    }
    assert!(!request.contains("a=b"), "a header takes the place of an earlier one: {request}");

    let with = with.to_builder().header("authorization", "Bearer t").subprotocols(["x"]).build().unwrap();
    with.connect(&format!("ws://user:pass@{address}/")).await.unwrap_err();
    let request = heads.recv().await.unwrap();
    assert!(request.contains("\r\nauthorization: Bearer t\r\n") && !request.contains("Basic"), "{request}");
    assert!(request.contains("\r\ncookie: c=d\r\n") && request.contains("\r\nsec-websocket-protocol: x\r\n"), "{request}");
}

#[tokio::test]
async fn frames_that_come_with_the_answer_are_received() {
    let address = accepting(&[], b"\x81\x02hi").await;
    let mut socket = dial(address).await.unwrap();
    assert_eq!(timeout(DEADLINE, socket.recv()).await.unwrap(), Some(Message::from("hi")));
}

#[tokio::test]
async fn interim_answers_are_passed_over() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let (address, _heads) = answering(answer).await;
    let response = refusal(dial(address).await.unwrap_err());
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::FORBIDDEN, &b"no"[..]));
}

#[tokio::test]
async fn a_refusal_is_given_with_its_headers_and_its_body_however_that_ends() {
    for (framing, body) in [
        ("Content-Length: 13", "token expired, and what is none of it"),
        ("Transfer-Encoding: chunked", "6\r\ntoken \r\n7;a=b\r\nexpired\r\n0\r\n\r\n"),
    ] {
        let (address, _heads) = answering(format!("HTTP/1.1 401 Unauthorized\r\nX-Why: ttl\r\n{framing}\r\n\r\n{body}")).await;
        let error = dial(address).await.unwrap_err();
        assert_eq!(error.stage(), Some(Stage::Handshake));
        let text = error.to_string();
        assert!(text.contains("401 Unauthorized and says: token expired. Send good credentials"), "{text}");
        let response = refusal(error);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["x-why"], "ttl");
        assert_eq!(response.body(), "token expired");
    }
    let until_close = serve(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n<html>busy</html>").await.unwrap();
    });
    let error = dial(until_close.await).await.unwrap_err();
    assert!(!error.to_string().contains("html") && error.to_string().contains("try again later"), "{error}");
    assert_eq!(refusal(error).body(), "<html>busy</html>");
}

#[tokio::test]
async fn a_server_of_this_library_says_why_it_refused() {
    let address = echo(Upgrader::default()).await;
    let stranger = dialer().header("origin", "https://elsewhere.test").build().unwrap();
    let error = stranger.connect(&format!("ws://{address}/")).await.unwrap_err();
    assert!(error.to_string().contains("403 Forbidden and says: pages of this origin may not connect here"), "{error}");
    let allowing = echo(Upgrader::builder().origins(Origins::Any).build()).await;
    echoes(&mut stranger.connect(&format!("ws://{allowing}/")).await.unwrap()).await;
}

#[tokio::test]
async fn no_more_than_four_kibibytes_of_a_body_are_read() {
    for framing in ["Content-Length: 1000000", "X-Until: close"] {
        let (address, _heads) = answering(format!("HTTP/1.1 500 No\r\n{framing}\r\n\r\n{}", "x".repeat(100_000))).await;
        assert_eq!(refusal(dial(address).await.unwrap_err()).body().len(), 4096);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_waited_for_two_seconds() {
    let (ours, mut theirs) = duplex(4096);
    let (dialer, began) = (dialer().build().unwrap(), Instant::now());
    let (error, ()) = tokio::join!(dialer.handshake_over(ours, "ws://a/"), async {
        head(&mut theirs).await;
        theirs.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nhalf").await.unwrap();
    });
    assert_eq!(refusal(error.unwrap_err()).body(), "half");
    assert_eq!(began.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn an_answer_that_breaks_the_rfc_is_named_by_its_header() {
    let behind = b"";
    for (headers, named) in [
        (&[("sec-websocket-accept", "bm90IHRoZSByaWdodCBvbmU9PT0=")][..], "sec-websocket-accept"),
        (&[("sec-websocket-extensions", "x-unheard-of")], "sec-websocket-extensions"),
        (&[("sec-websocket-protocol", "unasked")], "sec-websocket-protocol"),
        (&[("upgrade", "h2c")], "upgrade"),
    ] {
        let error = dial(accepting(headers, behind).await).await.unwrap_err();
        assert!(matches!(&error, DialError::Answer(AnswerError::Header { header, .. }) if *header == named), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_web_server_is_said_to_be_none() {
    let (ssh, _heads) = answering("SSH-2.0-OpenSSH_9.2\r\n").await;
    assert!(matches!(dial(ssh).await.unwrap_err(), DialError::Head(_)));
    let hangs_up = serve(|mut stream| async move {
        head(&mut stream).await;
    });
    assert!(matches!(dial(hangs_up.await).await.unwrap_err(), DialError::Ended));
    let tls = serve(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(&[0x15, 3, 3, 0, 2, 2, 50]).await.unwrap(); // what OpenSSL answers to a request
    });
    let error = dial(tls.await).await.unwrap_err();
    assert!(matches!(error, DialError::SpeaksTls) && error.to_string().contains("wss://"), "{error}");
}

/// Each request for `/hop/N` leads to `/hop/N-1`, with a status of its own, and `/hop/0` is a WebSocket.
async fn hops() -> (SocketAddr, mpsc::Receiver<String>) {
    let (paths, all_paths) = mpsc::channel(100);
    let address = serve(move |stream| {
        let paths = paths.clone();
        async move {
            let handshake = Upgrader::default().handshake(stream).await.unwrap();
            let path = handshake.request().uri().path().to_owned();
            let left: usize = path.strip_prefix("/hop/").unwrap().parse().unwrap();
            let _ = paths.send(path).await;
            let Some(next) = left.checked_sub(1) else {
                let mut socket = handshake.accept().await.unwrap();
                while let Some(message) = socket.recv().await {
                    let _ = socket.send(message).await;
                }
                return;
            };
            let (mut stream, _) = handshake.into_parts();
            let status = [301, 302, 303, 307, 308][next % 5];
            stream.write_all(format!("HTTP/1.1 {status} Away\r\nLocation: {next}\r\n\r\n").as_bytes()).await.unwrap();
        }
    })
    .await;
    (address, all_paths)
}

#[tokio::test]
async fn redirects_of_every_kind_are_followed_up_to_the_bound() {
    let (address, mut paths) = hops().await;
    let dialer = dialer().build().unwrap();
    echoes(&mut dialer.connect(&format!("ws://{address}/hop/5")).await.unwrap()).await;
    for left in (0..=5).rev() {
        assert_eq!(paths.recv().await.unwrap(), format!("/hop/{left}"));
    }
    let error = dialer.connect(&format!("ws://{address}/hop/6")).await.unwrap_err();
    assert!(matches!(error, DialError::Redirect(RedirectError::TooMany { limit: 5, .. })), "{error:?}");
    for left in (1..=6).rev() {
        assert_eq!(paths.recv().await.unwrap(), format!("/hop/{left}"));
    }
    assert!(paths.try_recv().is_err(), "the one redirect too many was followed");
}

#[tokio::test]
async fn with_no_redirects_one_is_a_refusal_that_says_where_it_leads() {
    let (address, _paths) = hops().await;
    let error = dialer().redirects(0).build().unwrap().connect(&format!("ws://{address}/hop/1")).await.unwrap_err();
    assert!(error.to_string().contains("`redirects`"), "{error}");
    assert_eq!(refusal(error).headers()[LOCATION], "0");
    let one = dialer().redirects(1).build().unwrap();
    echoes(&mut one.connect(&format!("ws://{address}/hop/1")).await.unwrap()).await;
}

#[tokio::test]
async fn a_redirect_status_without_a_location_is_a_refusal() {
    let (address, _heads) = answering("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(refusal(dial(address).await.unwrap_err()).status(), StatusCode::FOUND);
}

#[tokio::test]
async fn a_redirect_to_what_is_no_websocket_is_an_error() {
    for location in ["ftp://a/", "ws://[::1", "http://"] {
        let (address, _heads) = answering(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n")).await;
        let error = dial(address).await.unwrap_err();
        assert!(matches!(error, DialError::Redirect(RedirectError::Address(_))), "{location}: {error:?}");
    }
}

#[tokio::test]
async fn credentials_do_not_go_to_another_origin() {
    const CREDENTIALS: [&str; 3] = ["authorization: Basic dXNlcjpwYXNz", "cookie: session=secret", "x-key: secret"];
    let (elsewhere, mut heads) = answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    let (away, mut first_heads) = answering(format!("HTTP/1.1 307 Away\r\nLocation: http://{elsewhere}/b\r\n\r\n")).await;
    let mut key = http::HeaderValue::from_static("secret");
    key.set_sensitive(true);
    let dialer = dialer().header("cookie", "session=secret").header("x-key", key).header("x-open", "kept").build().unwrap();
    refusal(dialer.connect(&format!("ws://user:pass@{away}/a")).await.unwrap_err());
    let (first, second) = (first_heads.recv().await.unwrap(), heads.recv().await.unwrap());
    for credential in CREDENTIALS {
        assert!(first.contains(&format!("\r\n{credential}\r\n")), "{first}");
    }
    assert!(second.starts_with("GET /b ") && second.contains("\r\nx-open: kept\r\n"), "{second}");
    assert!(second.contains(&format!("\r\nhost: {elsewhere}\r\n")), "{second}");
    for name in ["authorization", "cookie", "x-key"] {
        assert!(!second.contains(&format!("\r\n{name}:")), "{second}");
    }
}

#[tokio::test]
async fn credentials_stay_within_their_origin() {
    let (address, mut heads) = answering("HTTP/1.1 307 Away\r\nLocation: /again\r\n\r\n").await;
    let error = dialer().redirects(1).build().unwrap().connect(&format!("ws://user:pass@{address}/a")).await.unwrap_err();
    assert!(matches!(error, DialError::Redirect(RedirectError::TooMany { limit: 1, .. })), "{error:?}");
    for path in ["/a", "/again"] {
        let head = heads.recv().await.unwrap();
        assert!(head.starts_with(&format!("GET {path} ")) && head.contains("\r\nauthorization: Basic dXNlcjpwYXNz\r\n"), "{head}");
    }
}

#[tokio::test]
async fn a_dead_address_is_passed_over_and_a_name_is_known_however_it_is_written() {
    let good = echo(Upgrader::default()).await;
    let addresses = [dead().await, "[::1]:1".parse().unwrap(), dead().await, good];
    let dialer = dialer().resolve("Bücher.test", addresses).build().unwrap();
    echoes(&mut dialer.connect("ws://xn--bcher-KVA.test:1234/").await.unwrap()).await;
}

#[tokio::test]
async fn an_address_that_answers_nothing_does_not_hold_up_the_next() {
    let (hole, good) = (black_hole().await, echo(Upgrader::default()).await);
    let timeouts = Timeouts { connect: DEADLINE, total: DEADLINE, ..Timeouts::default() };
    let dialer = dialer().resolve("server.test", [hole.address, hole.address, good]).timeouts(timeouts).build().unwrap();
    echoes(&mut dialer.connect("ws://server.test/").await.unwrap()).await;
}

#[tokio::test]
async fn a_known_address_without_a_port_takes_the_one_that_is_dialled() {
    let good = echo(Upgrader::default()).await;
    let dialer = dialer().resolve("server.test", [SocketAddr::new(good.ip(), 0)]).build().unwrap();
    echoes(&mut dialer.connect(&format!("ws://server.test:{}/", good.port())).await.unwrap()).await;
}

#[tokio::test]
async fn when_no_address_answers_each_is_named() {
    let (first, second) = (dead().await, dead().await);
    let dialer = dialer().resolve("server.test", [first, second]).build().unwrap();
    let error = dialer.connect("ws://server.test:5/").await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Connect));
    let text = error.to_string();
    for part in ["server.test:5", &first.to_string(), &second.to_string(), "is the server running"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let DialError::Connect { source, .. } = error else { panic!("{text}") };
    assert_eq!(source.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [first, second]);
}

#[tokio::test]
async fn compression_is_used_where_both_sides_have_it() {
    let with = echo(Upgrader::builder().deflate(Deflate::default()).build()).await;
    let without = echo(Upgrader::default()).await;
    let dialer = dialer().deflate(Deflate::default()).build().unwrap();
    for (address, is_agreed) in [(with, true), (without, false)] {
        let (mut socket, response) = dialer.connect_with_response(&format!("ws://{address}/")).await.unwrap();
        assert_eq!(response.headers().contains_key("sec-websocket-extensions"), is_agreed);
        let message = Message::from("hello ".repeat(10_000));
        socket.send(message.clone()).await.unwrap();
        assert_eq!(timeout(DEADLINE, socket.recv()).await.unwrap(), Some(message));
        let report = timeout(DEADLINE, socket.close(CloseCode::NORMAL, "")).await.unwrap();
        assert!(report.is_clean(), "{report}");
    }
    let unasked = accepting(&[("sec-websocket-extensions", "permessage-deflate; server_max_window_bits=10; x")], b"").await;
    let error = dialer.connect(&format!("ws://{unasked}/")).await.unwrap_err();
    assert!(matches!(error, DialError::Answer(_)), "{error:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_named() {
    let dialer = dialer().resolve("server.test", []).build().unwrap();
    let error = dialer.connect("ws://server.test/").await.unwrap_err();
    assert_eq!(error.stage(), Some(Stage::Resolve));
    assert!(error.to_string().contains("server.test"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_left_after_the_handshakes_time() {
    for partly in [&b""[..], b"HTTP/1.1 101 Switching"] {
        let (ours, mut theirs) = duplex(4096);
        let began = Instant::now();
        theirs.write_all(partly).await.unwrap();
        let error = dialer().build().unwrap().handshake_over(ours, "ws://a/").await.unwrap_err();
        assert!(matches!(error, DialError::Timeout { stage: Stage::Handshake, .. }), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), 10);
        drop(theirs);
    }
}

#[tokio::test]
async fn the_stage_that_takes_too_long_is_named() {
    let hole = black_hole().await;
    let silent = silent().await;
    for (address, timeouts, stage) in [
        (hole.address, Timeouts { connect: MOMENT, ..Timeouts::default() }, Stage::Connect),
        (silent, Timeouts { handshake: MOMENT, ..Timeouts::default() }, Stage::Handshake),
    ] {
        let dialer = dialer().timeouts(timeouts).build().unwrap();
        let error = timeout(DEADLINE, dialer.connect(&format!("ws://{address}/"))).await.unwrap().unwrap_err();
        assert!(matches!(error, DialError::Timeout { stage: s, after } if s == stage && after == MOMENT), "{error:?}");
    }
}

#[tokio::test]
async fn a_dial_that_is_dropped_drops_its_connection() {
    let (ends, mut all_ends) = mpsc::channel(1);
    let address = serve(move |mut stream| {
        let ends = ends.clone();
        async move {
            head(&mut stream).await;
            ends.send("asked").await.unwrap();
            let _ = stream.read_u8().await.unwrap_err();
            ends.send("ended").await.unwrap();
        }
    })
    .await;
    let dialing = tokio::spawn(dial(address));
    assert_eq!(timeout(DEADLINE, all_ends.recv()).await.unwrap(), Some("asked"));
    dialing.abort();
    assert_eq!(timeout(DEADLINE, all_ends.recv()).await.unwrap(), Some("ended"));
}

#[tokio::test]
async fn no_error_shows_what_is_secret() {
    let (teapot, _heads) = answering("HTTP/1.1 418 Teapot\r\nSet-Cookie: secret\r\nContent-Length: 0\r\n\r\n").await;
    let (ssh, _heads) = answering("SSH\r\n").await;
    let (away, _heads) = answering("HTTP/1.1 302 Away\r\nLocation: /?secret\r\n\r\n").await;
    let dead = dead().await;
    let dialer = dialer().header("authorization", "secret").header("x-key", "secret").subprotocols(["secret"]).build().unwrap();
    for address in [
        format!("ws://user:secret@{teapot}/secret?token=secret"),
        format!("ws://user:secret@{ssh}/secret?token=secret"),
        format!("ws://user:secret@{away}/secret?token=secret"),
        format!("ws://user:secret@{dead}/secret?token=secret"),
        "http://user:secret@a/secret".to_owned(),
        "ws://user:secret@a:99999/secret".to_owned(),
        "ws://a/?secret#secret".to_owned(),
        "secret".to_owned(),
    ] {
        let error = dialer.connect(&address).await.unwrap_err();
        assert!(!all_of(&error).contains("secret"), "{error:?}");
    }
    let none = dialer.to_builder().redirects(0).build().unwrap();
    let error = none.connect(&format!("ws://{away}/")).await.unwrap_err();
    assert!(!all_of(&error).contains("secret"), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_connected_can_be_shaken_hands_over() {
    let (ours, theirs) = duplex(1024);
    let (upgrader, dialer) = (Upgrader::default(), Dialer::default());
    let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://a/"));
    let (mut server, mut client) = (server.unwrap(), client.unwrap());
    client.send("hello").await.unwrap();
    assert_eq!(server.recv().await, Some(Message::from("hello")));
}
