//! Handshakes on bare streams: who is refused reads the whole answer, and who does not take it is left.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use http::StatusCode;
use silverback::{AcceptError, Message, Refusal, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const GOOD: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What a client read until the end of its stream.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Every refusal is whole, and says that the connection is over.
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap().parse().unwrap();
        let head = head.to_ascii_lowercase();
        let answer = Self { status, head, body: body.to_owned() };
        assert_eq!(answer.field("content-length"), [answer.body.len().to_string()], "{text}");
        let connection = answer.field("connection").concat();
        assert!(connection.split(',').any(|token| token.trim() == "close"), "{text}");
        answer
    }

    fn field(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(line, _)| *line == name).map(|(_, value)| value).collect()
    }
}

/// A client's end of the pipe, and what becomes of the server's.
fn accepting(pipe: usize) -> (DuplexStream, JoinHandle<Result<silverback::WebSocket, AcceptError>>) {
    let (ours, theirs) = duplex(pipe);
    (theirs, tokio::spawn(async move { Upgrader::default().accept(ours).await }))
}

/// Sends this, reads until the end, and gives the answer and the refusal that it tells of.
async fn refused(request: &[u8]) -> (Answer, Refusal) {
    let (client, accept) = accepting(64);
    let (mut reader, mut writer) = tokio::io::split(client);
    let mut bytes = Vec::new();
    let (_, read) = tokio::join!(writer.write_all(request), reader.read_to_end(&mut bytes));
    read.unwrap();
    drop((reader, writer));
    let Err(AcceptError::Refused(refusal)) = accept.await.unwrap() else { panic!("{:?}", String::from_utf8_lossy(&bytes)) };
    let answer = Answer::read(&bytes);
    assert_eq!(answer.status, refusal.status().as_u16());
    assert!(answer.body.contains(refusal.cause()), "{}", answer.body);
    (answer, refusal)
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_read_whole_and_names_its_cause() {
    let without = |line: &str| GOOD.replace(line, "");
    for (request, status, cause) in [
        (GOOD.replace("GET", "POST"), 405, "method-not-get"),
        (GOOD.replace("HTTP/1.1", "HTTP/1.0"), 426, "proxy-dropped-upgrade"),
        (without("Host: a\r\n"), 400, "host-missing"),
        (without("Upgrade: websocket\r\n"), 426, "upgrade-stripped"),
        (GOOD.replace(": 13", ": 12"), 426, "version-not-13"),
        (GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400, "key-not-valid"),
        (GOOD.replace("\r\n\r\n", "\r\nOrigin: http://elsewhere\r\n\r\n"), 403, "origin-not-allowed"),
        (GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a b\r\n\r\n"), 400, "subprotocol-not-valid"),
        (GOOD.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"), 400, "request-body"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 426, "upgrade-missing"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 400, "head-malformed"),
    ] {
        let (answer, refusal) = refused(request.as_bytes()).await;
        assert_eq!((answer.status, refusal.cause()), (status, cause), "{request}");
        let is_426 = status == 426;
        assert_eq!(answer.field("upgrade").concat() == "websocket", is_426, "RFC 9110, 15.5.22 wants it there");
        assert_eq!(answer.field("connection").concat().contains("upgrade"), is_426);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_accepts_json_gets_a_problem_of_the_same_length() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";
    let (answer, _) = refused(request.as_bytes()).await;
    assert_eq!(answer.field("content-type"), ["application/problem+json"]);
    assert!(answer.body.starts_with('{') && answer.body.ends_with('}'), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_sending_still_reads_its_answer() {
    let mut request = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n".to_vec();
    request.resize(request.len() + 300_000, b'x');
    assert_eq!(refused(&request).await.1.cause(), "method-not-get");
    let pipelined = "GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    assert_eq!(refused(pipelined.as_bytes()).await.1.cause(), "upgrade-missing");
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_left_two_seconds_after_an_answer_that_does_not_stop_the_client() {
    let (mut client, accept) = accepting(4096);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let began = Instant::now();
    let talking = tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(matches!(accept.await.unwrap(), Err(AcceptError::Refused(_))));
    assert_eq!(began.elapsed().as_secs(), 2);
    timeout(Duration::from_secs(1), talking).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_takes_its_answer_is_left_after_ten_seconds() {
    for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", GOOD] {
        let (ours, mut theirs) = duplex(64);
        let accept = tokio::spawn(async move { Upgrader::default().accept(ours).await });
        theirs.write_all(request.as_bytes()).await.unwrap();
        let began = Instant::now();
        let error = accept.await.unwrap().unwrap_err();
        assert!(matches!(error, AcceptError::Stalled(_)), "{error}");
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_of_16_kib_is_good_and_one_byte_more_is_431() {
    const LIMIT: usize = 16 * 1024;
    for size in [LIMIT - 1, LIMIT] {
        let (mut client, accept) = accepting(1000);
        client.write_all(&head_of(size)).await.unwrap();
        accept.await.unwrap().unwrap();
    }
    for size in [LIMIT + 1, 10 * LIMIT] {
        let (answer, refusal) = refused(&head_of(size)).await;
        assert_eq!((answer.status, refusal.cause()), (431, "head-too-large"), "{size}");
    }
    let endless = b"x".repeat(LIMIT);
    assert_eq!(refused(&endless).await.0.status, 431, "no more than the limit is waited for");
}

fn head_of(size: usize) -> Vec<u8> {
    let padding = "c".repeat(size - GOOD.len() - "X: \r\n".len());
    GOOD.replace("\r\n\r\n", &format!("\r\nX: {padding}\r\n\r\n")).into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_408_after_ten_seconds_and_a_byte_a_second_does_not_stretch_it() {
    for pause in [1, 100] {
        let (client, accept) = accepting(4096);
        let began = Instant::now();
        let (mut reader, mut writer) = tokio::io::split(client);
        let writing = tokio::spawn(async move {
            for byte in GOOD.as_bytes() {
                if writer.write_all(&[*byte]).await.is_err() {
                    return;
                }
                sleep(Duration::from_secs(pause)).await;
            }
        });
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 10);
        assert_eq!(Answer::read(&bytes).status, 408);
        let refusal = accept.await.unwrap().unwrap_err();
        assert!(matches!(&refusal, AcceptError::Refused(refusal) if refusal.cause() == "head-too-slow"), "{refusal}");
        writing.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_at_all_is_left_after_ten_seconds() {
    let (mut client, accept) = accepting(4096);
    let began = Instant::now();
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).await.unwrap();
    assert_eq!((bytes.len(), began.elapsed().as_secs()), (0, 10), "a connection made in advance asks nothing and gets no answer");
    let error = accept.await.unwrap().unwrap_err().to_string();
    assert!(!error.contains("answer"), "there was none to take: {error}");
}

#[tokio::test(start_paused = true)]
async fn tricks_with_cr_lf_and_nul_are_400() {
    for request in [
        GOOD.replace("\r\n", "\n"),
        GOOD.replace("Host: a\r\n", "Host: a\n"),
        GOOD.replace("Host: a\r\n", "Host: a\r"),
        GOOD.replace("Host: a\r\n", "Host: a\r\nX: y\rHost: b\r\n"),
        GOOD.replace("Host: a\r\n", "Host: a\r\r\n"),
        GOOD.replace("Host: a\r\n", "Host: a\r\n folded\r\n"),
        GOOD.replace("Host: a\r\n", "Host : a\r\n"),
        GOOD.replace("Host: a\r\n", "Host: a\r\nX: a\0b\r\n"),
        format!("\r\n\r\n{GOOD}"),
    ] {
        // Nothing but the trick may be wrong with it, or it proves nothing.
        let (answer, refusal) = match timeout(Duration::from_secs(60), refused(request.as_bytes())).await {
            Ok(refused) => refused,
            Err(_) => panic!("not answered: {request:?}"),
        };
        assert_eq!((answer.status, refusal.cause()), (400, "head-malformed"), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tls_hello_is_told_that_this_port_is_plain() {
    let mut hello = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc];
    hello.resize(517, 0);
    let (answer, _) = refused(&hello).await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("ws://"), "{}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_the_head_are_frames() {
    let (mut client, accept) = accepting(4096);
    let request = [GOOD.as_bytes(), b"\x82\x85\0\0\0\0first", b"\x81\x86\0\0\0\0sec"].concat();
    client.write_all(&request).await.unwrap();
    let mut server = accept.await.unwrap().unwrap();
    assert_eq!(server.recv().await, Some(Message::binary(b"first".to_vec())));
    client.write_all(b"ond").await.unwrap();
    assert_eq!(server.recv().await, Some("second".into()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_inside_the_head_is_nobodys_refusal() {
    for sent in [&b""[..], b"GET / HTTP/1.1\r\nHost"] {
        let (mut client, accept) = accepting(4096);
        client.write_all(sent).await.unwrap();
        drop(client);
        assert!(matches!(accept.await.unwrap(), Err(AcceptError::Ended)));
    }
}

#[tokio::test(start_paused = true)]
async fn into_parts_gives_every_byte_back() {
    let (ours, mut theirs) = duplex(4096);
    let request = [GOOD.as_bytes(), b"and what follows"].concat();
    theirs.write_all(&request).await.unwrap();
    let handshake = Upgrader::default().handshake(ours).await.unwrap();
    assert_eq!(handshake.request().uri().path(), "/chat");
    let (mut stream, bytes) = handshake.into_parts();
    theirs.write_all(b", unread").await.unwrap();
    drop(theirs);
    let mut all = bytes.to_vec();
    stream.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [&request[..], b", unread"].concat());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_callers_is_sent_as_any_other() {
    let (ours, mut theirs) = duplex(4096);
    theirs.write_all(GOOD.as_bytes()).await.unwrap();
    let handshake = Upgrader::default().handshake(ours).await.unwrap();
    assert!(handshake.judge().is_ok());
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "no-such-room", "there is no such room").cure("look at the list");
    let mut bytes = Vec::new();
    let reading = async {
        theirs.read_to_end(&mut bytes).await.unwrap();
        drop(theirs);
    };
    let (error, ()) = tokio::join!(handshake.refuse(refusal), reading);
    assert!(matches!(error, AcceptError::Refused(refusal) if refusal.cause() == "no-such-room"));
    let answer = Answer::read(&bytes);
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("look at the list"));
}
