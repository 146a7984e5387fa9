//! What a second core gives: `cores [--quick]` echoes messages over in-memory pipes, both ends in this process, with one worker thread and
//! with two, and prints a line of JSON for each. No kernel is in it, so that what our own locks cost shows. `cargo xtask bench cores`
//! runs it.
#![expect(clippy::expect_used, reason = "a measurement that fails says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use silverback::Upgrader;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::JoinSet;

const PAIRS: usize = 64;
/// Messages of a client on their way at a time.
const DEPTH: usize = 16;
const PAYLOAD: usize = 125;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn main() {
    let seconds = if std::env::args().any(|argument| argument == "--quick") { 0.5 } else { 2.0 };
    for (name, workers) in [("one worker", 1), ("two workers", 2)] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime");
        let per_second = runtime.block_on(echoes(Duration::from_secs_f64(seconds)));
        println!(r#"["{name}", {{"per_second": {per_second:.0}}}]"#);
    }
}

async fn echoes(time: Duration) -> f64 {
    let (upgrader, over, count) = (Upgrader::default(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..PAIRS {
        let (ours, theirs) = duplex(64 * 1024);
        tasks.spawn(serve(upgrader.clone(), ours));
        tasks.spawn(ask(theirs, Arc::clone(&over), Arc::clone(&count)));
    }
    tokio::time::sleep(time / 4).await;
    let (began, before) = (Instant::now(), count.load(Ordering::Relaxed));
    tokio::time::sleep(time).await;
    let per_second = (count.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64();
    over.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    per_second
}

async fn serve(upgrader: Upgrader, ours: DuplexStream) {
    let socket = upgrader.accept(ours).await.expect("a good handshake");
    socket
        .run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tx.send(message).await?;
            }
            Ok(())
        })
        .await;
}

/// A client that costs nearly nothing: it sends bytes that were made before, and only counts those that come back.
async fn ask(mut theirs: DuplexStream, over: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    theirs.write_all(REQUEST).await.expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(theirs.read_u8().await.expect("the server answers"));
    }
    let mut message = vec![0x82, 0x80 | PAYLOAD as u8, 1, 2, 3, 4];
    message.resize(message.len() + PAYLOAD, 7);
    let messages = message.repeat(DEPTH);
    let mut answers = vec![0; (2 + PAYLOAD) * DEPTH];
    while !over.load(Ordering::Relaxed) {
        theirs.write_all(&messages).await.expect("the server reads");
        theirs.read_exact(&mut answers).await.expect("the server answers");
        count.fetch_add(DEPTH as u64, Ordering::Relaxed);
    }
}
