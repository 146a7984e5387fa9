//! Whose turn it is, whose time it is, and what is said of an end: what a hostile reading found.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;
mod raw;

use std::time::Duration;

use pair::pair;
use raw::{frame, raw};
use silverback::{CloseCode, Dialer, Keepalive, Offered, Overflow, QueueLimits, TrySendError, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const HOUR: Duration = Duration::from_secs(3600);

fn bounded(bytes: usize, messages: usize) -> Upgrader {
    Upgrader::builder().queue(QueueLimits { bytes, messages }).heartbeat(None).build()
}

/// A frame for each message that finds room in the inbox, and more.
fn more_than_the_inbox() -> Vec<u8> {
    frame(0x82, b"x").repeat(300)
}

#[tokio::test(start_paused = true)]
async fn room_that_an_offer_makes_is_given_to_who_waits() {
    let (mut server, _client) = pair(bounded(1000, 100), 64).await;
    let tx = server.sender(); // nobody drives: as with a peer that takes nothing
    tx.try_send(vec![0; 1000]).unwrap();
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send(vec![1; 500]).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(tx.offer(vec![2; 10], Overflow::DropOldest), Ok(Offered::Displaced(1)));
    timeout(HOUR, waiting).await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_offer_does_not_overtake_who_waits() {
    let (mut server, _client) = pair(bounded(1000, 100), 64).await;
    let tx = server.sender();
    tx.try_send(vec![0; 900]).unwrap();
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send(vec![1; 500]).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert!(matches!(tx.offer(vec![2; 10], Overflow::DropNewest), Err(TrySendError::Full(_))), "there is room, and it is not its turn");
    waiting.abort();
    let _ = waiting.await;
    assert_eq!(tx.offer(vec![2; 10], Overflow::DropNewest), Ok(Offered::Queued));
}

#[tokio::test(start_paused = true)]
async fn replacing_keeps_the_bound_in_bytes() {
    let (mut server, _client) = pair(bounded(1000, 100), 64).await;
    let tx = server.sender();
    for size in [1, 100_000, 500] {
        for key in 0..100 {
            let _ = tx.offer(vec![0; size], Overflow::KeepLatest(key.to_string().into()));
        }
        assert!(tx.queue().bytes <= 1000, "{:?}", tx.queue());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dropped_for_a_message_that_finds_no_room_all_the_same() {
    let (mut server, _client) = pair(bounded(1000, 100), 64).await;
    let tx = server.sender();
    for _ in 0..10 {
        tx.try_send(vec![0; 10]).unwrap();
    }
    let mut message = tx.write_binary().await.unwrap();
    message.write(vec![0; 850]).await.unwrap();
    assert!(matches!(tx.offer(vec![1; 200], Overflow::DropOldest), Err(TrySendError::Full(_))));
    assert_eq!((tx.queue().messages, tx.queue().dropped), (11, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_not_idle_because_the_handler_was_busy() {
    let upgrader = Upgrader::builder().idle_timeout(Duration::from_secs(60)).heartbeat(None).build();
    let (mut raw, server) = raw(&upgrader, 64 * 1024).await;
    raw.write_all(&more_than_the_inbox()).await.unwrap();
    let began = Instant::now();
    let report = server.run(|_tx, mut rx| async move {
        sleep(Duration::from_secs(100)).await;
        while rx.recv().await.is_some() {}
        Ok(())
    });
    let report = report.await;
    assert!(began.elapsed() >= Duration::from_secs(160), "{:?}: {report}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_has_its_time_from_when_reading_goes_on() {
    let (mut raw, server) = raw(&Upgrader::builder().heartbeat(None).build(), 64 * 1024).await;
    raw.write_all(&[more_than_the_inbox(), vec![0x82]].concat()).await.unwrap();
    let began = Instant::now();
    let report = server.run(|_tx, mut rx| async move {
        sleep(Duration::from_secs(150)).await;
        while rx.recv().await.is_some() {}
        Ok(())
    });
    let report = report.await;
    assert!(began.elapsed() >= Duration::from_secs(270), "{:?}: {report}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_bare_task_that_was_busy_does_not_hold_it_against_its_peer() {
    let (mut server, client) = pair(Upgrader::builder().heartbeat(None).build(), 16 * 1024).await;
    let (tx, _rx, drive) = client.split();
    tokio::spawn(drive);
    tx.try_send(vec![7; 600 * 1024]).unwrap();
    assert!(timeout(Duration::ZERO, server.recv()).await.is_err(), "the beginning is there");
    sleep(Duration::from_secs(150)).await; // a database
    assert!(server.recv().await.is_some(), "{:?}", server.close_report());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_not_dead() {
    let (mut raw, server) = raw(&Upgrader::default(), 16 * 1024).await;
    let running = tokio::spawn(server.run(|tx, _rx| async move {
        tx.send(vec![0; 1 << 20]).await?;
        tx.closed().await;
        Ok(())
    }));
    let (mut received, mut buffer) = (0, vec![0; 8 * 1024]);
    while received < 1 << 20 {
        sleep(Duration::from_secs(1)).await;
        match raw.read(&mut buffer).await.unwrap() {
            0 => break,
            count => received += count,
        }
    }
    assert!(received >= 1 << 20, "after {received} bytes: {}", running.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_close_is_heard_while_a_bare_send_waits_with_its_inbox_full() {
    let upgrader = Upgrader::builder().heartbeat(None).write_timeout(None).build();
    let (mut raw, mut server) = raw(&upgrader, 64 * 1024).await;
    raw.write_all(&more_than_the_inbox()).await.unwrap();
    let tx = server.sender();
    tokio::spawn(async move {
        let _ = server.send(vec![0; 200 * 1024]).await;
        while server.recv().await.is_some() {}
    });
    sleep(Duration::from_secs(1)).await;
    timeout(Duration::from_secs(20), tx.close(CloseCode::NORMAL, "")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn times_without_an_end_and_of_no_length_are_taken() {
    let upgrader = Upgrader::builder().close_timeout(Duration::MAX).build();
    assert_eq!(upgrader.drain(Duration::ZERO, CloseCode::SERVICE_RESTART, "").await.closed, 0);
    assert!(timeout(HOUR, Upgrader::default().drain(Duration::MAX, CloseCode::SERVICE_RESTART, "")).await.is_ok());

    let keepalive = Keepalive { every: Duration::ZERO, message: "alive".into() };
    let (server, mut client) = pair(Upgrader::builder().keepalive(keepalive).build(), 64 * 1024).await;
    tokio::spawn(server.run(|_tx, mut rx| async move {
        rx.recv().await;
        Ok(())
    }));
    let mut count = 0;
    while timeout(Duration::from_millis(100), client.recv()).await.is_ok() && count < 1000 {
        count += 1;
        if count == 50 {
            break;
        }
    }
    assert_eq!(count, 50, "it comes, and not all at once");
}

/// A stream that takes everything and passes nothing on, as TLS over a full connection.
struct Holding(tokio::io::DuplexStream);

impl tokio::io::AsyncRead for Holding {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Holding {
    fn poll_write(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>, bytes: &[u8]) -> std::task::Poll<std::io::Result<usize>> {
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Pending
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_stalls_is_a_write_that_stalls() {
    let upgrader = Upgrader::builder().heartbeat(None).build();
    let (ours, mut theirs) = tokio::io::duplex(4096);
    theirs.write_all(raw::REQUEST.as_bytes()).await.unwrap();
    let handshake = upgrader.handshake(Holding(ours)).await.unwrap();
    let acceptance = handshake.judge().unwrap();
    let running = handshake.open(acceptance).run(|tx, _rx| async move {
        tx.send("hello").await?;
        tx.closed().await;
        Ok(())
    });
    let report = timeout(HOUR, running).await.unwrap();
    assert_eq!(report.cause.to_string(), "no byte could be written for 120.0 s");
}

#[tokio::test]
async fn no_secret_is_in_a_debug_line() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let request = "GET /ws?token=s3cret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\nCookie: id=s3cret\r\n\r\n";
    theirs.write_all(request.as_bytes()).await.unwrap();
    let handshake = Upgrader::default().handshake(ours).await.unwrap();
    let debug = format!("{handshake:?}");
    assert!(debug.contains("/ws") && !debug.contains("s3cret"), "{debug}");
    let debug = format!("{:?}", Dialer::builder().subprotocols(["silverback.bearer.s3cret"]));
    assert!(!debug.contains("s3cret"), "{debug}");
}
