//! The end of all connections of an upgrader.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::time::Duration;

use pair::pair;
use silverback::{AcceptError, Cause, CloseCode, Upgrader, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep};

async fn served(upgrader: &Upgrader) -> WebSocket {
    let (server, client) = pair(upgrader.clone(), 4096).await;
    tokio::spawn(server.run(|_tx, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    }));
    client
}

#[tokio::test(start_paused = true)]
async fn connections_are_closed_one_after_the_other_over_the_window() {
    let upgrader = Upgrader::default();
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(served(&upgrader).await);
    }
    let began = Instant::now();
    let ends = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            assert_eq!(client.recv().await, None);
            let received = client.close_report().unwrap().received.clone().unwrap();
            assert_eq!((received.code, received.reason()), (Some(CloseCode::SERVICE_RESTART), "restarting"));
            began.elapsed().as_secs()
        })
    });
    let ends: Vec<_> = ends.collect();
    let drained = upgrader.drain(Duration::from_secs(10), CloseCode::SERVICE_RESTART, "restarting").await;
    assert_eq!((drained.closed, drained.left.len()), (10, 0));
    let mut seconds = Vec::new();
    for end in ends {
        seconds.push(end.await.unwrap());
    }
    seconds.sort_unstable();
    assert_eq!(seconds, Vec::from_iter(0..10), "a second from one to the next");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_during_a_drain_is_refused_with_503() {
    let upgrader = Upgrader::default();
    upgrader.drain(Duration::ZERO, CloseCode::GOING_AWAY, "").await;
    let (ours, mut theirs) = duplex(4096);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    theirs.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let (refused, _) = tokio::join!(upgrader.accept(ours), theirs.read_to_string(&mut answer));
    assert!(matches!(refused, Err(AcceptError::Refused(refusal)) if refusal.cause() == "draining"));
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5\r\n"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_is_left_is_named_when_the_time_is_over() {
    let upgrader = Upgrader::default();
    let (nobody_drives_it, _client) = pair(upgrader.clone(), 4096).await;
    let _client = served(&upgrader).await;
    let began = Instant::now();
    let drained = upgrader.drain(Duration::from_secs(1), CloseCode::GOING_AWAY, "").await;
    assert_eq!((drained.closed, &drained.left[..]), (2, &[nobody_drives_it.id()][..]));
    assert_eq!(began.elapsed(), Duration::from_secs(1 + 2 * 5 + 2 + 1), "the window, a close behind a full queue, the linger, a second");
}

#[tokio::test(start_paused = true)]
async fn a_bare_connection_is_drained_when_it_is_driven_next() {
    let upgrader = Upgrader::default();
    let (mut server, client) = pair(upgrader.clone(), 4096).await;
    tokio::spawn(client.run(|_tx, mut rx| async move {
        rx.recv().await;
        Ok(())
    }));
    let draining = tokio::spawn(async move { upgrader.drain(Duration::ZERO, CloseCode::GOING_AWAY, "bye").await });
    sleep(Duration::from_secs(2)).await;
    assert_eq!(server.recv().await, None);
    assert_eq!(server.close_report().unwrap().cause, Cause::ClosedHere("drained".into()));
    assert!(draining.await.unwrap().left.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_is_forgotten() {
    let upgrader = Upgrader::default();
    for _ in 0..100 {
        served(&upgrader).await.close(CloseCode::NORMAL, "").await;
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(upgrader.drain(Duration::ZERO, CloseCode::GOING_AWAY, "").await.closed, 0);
}
