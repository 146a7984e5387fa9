//! A peer that sends as fast as the machine can carry, over real sockets: it must not stop the clock of its connection, its handler or
//! anybody else's.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use silverback::{Cause, CloseCode, TransportEnd, Upgrader, WebSocket};
use tokio::time::{sleep, timeout};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Much longer than any time that is configured, and much shorter than a flood lasts.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_flood_of_pings_does_not_starve_the_handler() {
    let (server, _flood) = flooded(b"", &ping().repeat(100_000)).await;
    let (done, is_done) = tokio::sync::oneshot::channel();
    tokio::spawn(server.run(|tx, _rx| async move {
        for _ in 0..20 {
            sleep(Duration::from_millis(10)).await;
        }
        let _ = done.send(());
        tx.closed().await;
        Ok(())
    }));
    timeout(DEADLINE, is_done).await.expect("its sleeps never ended").unwrap();
}

#[tokio::test]
async fn a_bare_loop_under_a_flood_lets_others_run() {
    let (mut server, _flood) = flooded(b"", &empty_message().repeat(100_000)).await;
    tokio::spawn(async move { while server.recv().await.is_some() {} });
    let others = async {
        for _ in 0..20 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, others).await.expect("one connection has the thread to itself");
}

#[tokio::test]
async fn a_flood_behind_a_violation_does_not_outlast_the_linger() {
    let (server, _flood) = flooded(&[0xff; 2], &[0; 1 << 20]).await;
    let run = server.run(|_tx, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    });
    let report = timeout(DEADLINE, run).await.expect("a peer that broke the protocol holds its connection by going on");
    assert!(matches!(report.cause, Cause::Protocol(_)) && report.transport == TransportEnd::TimedOut, "{report:?}");
}

#[tokio::test]
async fn a_flood_does_not_outlast_the_time_for_the_answer_to_a_close() {
    for flood in [ping().repeat(100_000), empty_message().repeat(100_000)] {
        let (server, _flood) = flooded(b"", &flood).await;
        let report = timeout(DEADLINE, server.close(CloseCode::NORMAL, "")).await.expect("a peer that does not answer cannot be left");
        assert_eq!(report.transport, TransportEnd::TimedOut);
        let (server, _flood) = flooded(b"", &flood).await;
        let report = timeout(DEADLINE, server.run(|_tx, _rx| async { Ok(()) })).await.expect("the same, when a handler has returned");
        assert_eq!(report.transport, TransportEnd::TimedOut);
    }
}

fn ping() -> Vec<u8> {
    vec![0x89, 0x80, 0, 0, 0, 0]
}

fn empty_message() -> Vec<u8> {
    vec![0x82, 0x80, 0, 0, 0, 0]
}

/// A peer's thread, which writes the same again and again until this is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn flooded(first: &[u8], then: &[u8]) -> (WebSocket, Flood) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, first, then) = (is_over.clone(), first.to_vec(), then.to_vec());
    let thread = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 129]).unwrap();
        let _ = stream.write_all(&first);
        let mut at = 0;
        while !over.load(Ordering::Relaxed) {
            match stream.write(&then[at..]) {
                Ok(count) => at = (at + count) % then.len(),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    });
    let (stream, _) = listener.accept().await.unwrap();
    let server = Upgrader::default().accept(stream).await.unwrap();
    (server, Flood { is_over, thread: Some(thread) })
}
