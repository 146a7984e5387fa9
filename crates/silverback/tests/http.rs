//! Upgrades of requests that axum or hyper have read, over real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use silverback::axum::Upgrade;
use silverback::{CloseCode, Dialer, HandlerResult, Message, Origins, Receiver, Sender, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);
const GOOD: &str = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn echo(tx: Sender, mut rx: Receiver) -> HandlerResult {
    while let Some(message) = rx.recv().await {
        tx.send(message).await?;
    }
    Ok(())
}

fn app() -> Router {
    async fn chat(upgrade: Upgrade) -> Response {
        let subprotocol = upgrade.subprotocol().unwrap_or("none").to_owned();
        upgrade.run(|tx, rx| async move {
            tx.send(format!("subprotocol: {subprotocol}")).await?;
            echo(tx, rx).await
        })
    }
    Router::new()
        .route("/echo", any(|upgrade: Upgrade| async { upgrade.run(echo) }))
        .route("/chat", any(chat))
        .route("/page", get(|| async { "a page" }))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// A server on plain hyper. What becomes of its connections comes out of the channel.
async fn serve_hyper(upgrader: Upgrader) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ends, all_ends) = mpsc::channel(10);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (upgrader, ends) = (upgrader.clone(), ends.clone());
            let service = service_fn(move |mut request: http::Request<Incoming>| {
                let answer = upgrader.upgrade(&mut request);
                let ends = ends.clone();
                async move {
                    Ok::<_, std::convert::Infallible>(match answer {
                        Err(refusal) => refusal.response(request.headers()).map(|body| Full::new(Bytes::from(body))),
                        Ok((response, socket)) => {
                            tokio::spawn(async move {
                                let end = socket.run(echo).await.to_string();
                                let _ = ends.send(end).await;
                            });
                            response.map(|()| Full::default())
                        }
                    })
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
        }
    });
    (address, all_ends)
}

/// Reads one response and leaves what is behind it.
async fn answer(stream: &mut TcpStream) -> (String, String) {
    timeout(DEADLINE, async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    })
    .await
    .unwrap()
}

async fn ask(address: SocketAddr, request: &str) -> (TcpStream, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = answer(&mut stream).await;
    (stream, head, body)
}

async fn read(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    timeout(DEADLINE, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[tokio::test]
async fn axums_handler_echoes_and_the_close_is_clean() {
    let address = serve(app()).await;
    let mut client = Dialer::default().connect(&format!("ws://{address}/echo")).await.unwrap();
    for size in [0, 1, 126, 70_000, 1 << 20] {
        let message = Message::binary(vec![7; size]);
        client.send(message.clone()).await.unwrap();
        assert_eq!(timeout(DEADLINE, client.recv()).await.unwrap(), Some(message));
    }
    let report = timeout(DEADLINE, client.close(CloseCode::NORMAL, "")).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test]
async fn a_request_that_is_no_handshake_is_refused_by_axum_and_the_connection_lives() {
    let address = serve(app()).await;
    let (mut stream, head, body) = ask(address, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 426 ") && head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n") && body.contains("upgrade-missing"), "{head}{body}");

    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n").await.unwrap();
    let (head, body) = answer(&mut stream).await;
    assert!(head.starts_with("http/1.1 426 ") && head.contains("\r\ncontent-type: application/problem+json\r\n"), "{head}");
    assert!(body.starts_with('{') && body.contains(r#""cause":"upgrade-missing""#), "{body}");

    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await.unwrap();
    let (head, _) = answer(&mut stream).await;
    assert!(head.starts_with("http/1.1 405 ") && head.contains("\r\nallow: get\r\n"), "{head}");

    stream.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut stream).await.1, "a page", "after three refusals");
    stream.write_all(GOOD.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 101 "), "and then the same connection becomes a WebSocket");
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    assert_eq!(read(&mut stream, 4).await, b"\x81\x02hi");
}

#[tokio::test]
async fn bytes_that_come_with_the_request_are_frames() {
    let request = [GOOD.as_bytes(), b"\x81\x82\0\0\0\0hi", b"\x81\x86\0\0\0\0an", b"d then"].concat();
    let (hyper, _ends) = serve_hyper(Upgrader::default()).await;
    for address in [serve(app()).await, hyper] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        assert!(answer(&mut stream).await.0.starts_with("http/1.1 101 "));
        assert_eq!(read(&mut stream, 12).await, b"\x81\x02hi\x81\x06and th");
        stream.write_all(b"\x88\x80\0\0\0\0").await.unwrap(); // behind `en`, which is another frame's beginning and wrong
        let mut rest = Vec::new();
        timeout(DEADLINE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest[..1], [0x88]);
    }
}

#[tokio::test]
async fn the_policy_is_the_upgrader_among_the_extensions_or_the_default() {
    let upgrader = Upgrader::builder().subprotocols(["v2.chat", "v1.chat"]).origins(Origins::Any).build();
    let with_policy = serve(app().layer(Extension(upgrader))).await;
    let without = serve(app()).await;
    let request = GOOD.replace("/echo", "/chat").replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: v1.chat, v2.chat\r\n\r\n");
    let (mut stream, head, _) = ask(with_policy, &request).await;
    assert!(head.contains("\r\nsec-websocket-protocol: v2.chat\r\n"), "{head}");
    assert_eq!(read(&mut stream, 22).await, b"\x81\x14subprotocol: v2.chat");
    let (mut stream, head, _) = ask(without, &request).await;
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-protocol"), "{head}");
    assert_eq!(read(&mut stream, 19).await, b"\x81\x11subprotocol: none");

    let stranger = GOOD.replace("\r\n\r\n", "\r\nOrigin: https://elsewhere.example\r\n\r\n");
    assert!(ask(with_policy, &stranger).await.1.starts_with("http/1.1 101 "));
    let (_, head, body) = ask(without, &stranger).await;
    assert!(head.starts_with("http/1.1 403 ") && body.contains("https://elsewhere.example"), "{head}{body}");
}

#[tokio::test]
async fn plain_hyper_refuses_keeps_the_connection_and_upgrades_it() {
    let (address, mut ends) = serve_hyper(Upgrader::default()).await;
    let (mut stream, head, body) = ask(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(head.starts_with("http/1.1 426 ") && body.contains("upgrade-missing"), "{head}");
    stream.write_all(GOOD.as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.0.starts_with("http/1.1 101 "));
    stream.write_all(b"\x82\x83\0\0\0\0abc\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    assert_eq!(read(&mut stream, 9).await, b"\x82\x03abc\x88\x02\x03\xe8");
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty(), "the server ends TCP, and nothing follows its Close");
    drop(stream);
    let end = timeout(DEADLINE, ends.recv()).await.unwrap().unwrap();
    assert_eq!(end, "closed by the peer, sent 1000, received 1000, tcp finished");
}

#[tokio::test]
async fn a_client_that_is_gone_before_the_answer_ends_its_task() {
    let (address, mut ends) = serve_hyper(Upgrader::default()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GOOD.as_bytes()).await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    let end = timeout(DEADLINE, ends.recv()).await.expect("the task has ended").unwrap();
    assert!(end.starts_with("the connection was lost without a close frame"), "{end}");
}

#[tokio::test]
async fn an_accepted_request_whose_response_is_withheld_ends_its_task() {
    let (done, mut is_done) = mpsc::channel(1);
    let app = Router::new().route(
        "/echo",
        any(move |upgrade: Upgrade| async move {
            let (_response, socket) = upgrade.into_parts();
            tokio::spawn(async move {
                let report = socket.run(echo).await;
                let _ = done.send(report.to_string()).await;
            });
            "something else than the response that was given"
        }),
    );
    let (stream, head, _) = ask(serve(app).await, GOOD).await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    drop(stream);
    let end = timeout(DEADLINE, is_done.recv()).await.expect("the socket waits for an upgrade that never comes");
    assert!(end.is_some());
}

/// axum's graceful shutdown waits for requests, and an upgraded connection is none.
#[tokio::test]
async fn a_graceful_shutdown_forgets_upgraded_connections_and_a_drain_does_not() {
    let upgrader = Upgrader::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = app().layer(Extension(upgrader.clone()));
    let serving = tokio::spawn(async move { axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) }).await });
    let dialer = Dialer::builder().build().unwrap();
    let mut client = dialer.connect(&format!("ws://{address}/echo")).await.unwrap();
    stop.send(()).unwrap();
    timeout(DEADLINE, serving).await.unwrap().unwrap().unwrap();
    client.send("still here").await.unwrap();
    assert_eq!(timeout(DEADLINE, client.recv()).await.unwrap(), Some("still here".into()), "the server has stopped without it");

    let draining = tokio::spawn(async move { upgrader.drain(Duration::ZERO, CloseCode::SERVICE_RESTART, "restarting").await });
    assert_eq!(timeout(DEADLINE, client.recv()).await.unwrap(), None);
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().code, Some(CloseCode::SERVICE_RESTART));
    let drained = timeout(DEADLINE, draining).await.unwrap().unwrap();
    assert_eq!((drained.closed, drained.left.len()), (1, 0));
}

/// Something is queued before the upgrade, as a hub's welcome is, and the HTTP connection is given up.
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_fails_ends_its_connection_with_a_report() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let (found, socket) = tokio::sync::oneshot::channel();
    let found = std::sync::Mutex::new(Some(found));
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        let (_, socket) = Upgrader::default().upgrade(&mut request).unwrap();
        let _ = found.lock().unwrap().take().unwrap().send(socket);
        async { std::future::pending::<Result<http::Response<Full<Bytes>>, std::convert::Infallible>>().await }
    });
    let serving = tokio::spawn(timeout(
        Duration::from_secs(1),
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(ours), service).with_upgrades(),
    ));
    theirs.write_all(GOOD.as_bytes()).await.unwrap();
    let mut socket = socket.await.unwrap();
    let _ = serving.await;
    socket.sender().try_send("welcome").unwrap();
    let report = socket.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    });
    assert_eq!(report.await.unsent.messages, 1);
}
