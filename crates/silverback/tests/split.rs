//! Handles whose connection is driven elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;
mod raw;

use std::time::Duration;

use pair::pair;
use raw::{frame, raw};
use silverback::{Cause, CloseCode, Side, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn halves_work_in_tasks_of_their_own() {
    let (server, mut client) = pair(Upgrader::default(), 64).await;
    let (tx, mut rx, drive) = server.split();
    let driving = tokio::spawn(drive);
    let receiving = tokio::spawn(async move {
        let mut received = 0;
        while rx.recv().await.is_some() {
            received += 1;
        }
        (received, rx.close_report().unwrap().clone())
    });
    let sending = tokio::spawn(async move {
        for number in 0..100 {
            tx.send(format!("{number}")).await.unwrap();
        }
        tx
    });
    for number in 0..100 {
        client.send(vec![0; 50]).await.unwrap();
        assert_eq!(client.recv().await, Some(format!("{number}").into()));
    }
    let tx = sending.await.unwrap();
    client.close(CloseCode::NORMAL, "done").await;
    let (received, report) = receiving.await.unwrap();
    assert_eq!((received, report.began), (100, Side::Peer));
    assert_eq!((&*driving.await.unwrap(), tx.close_report()), (&report, Some(&report)), "one report for all");
}

#[tokio::test(start_paused = true)]
async fn the_connection_closes_when_every_handle_was_dropped_and_not_before() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    let (tx, rx, drive) = server.split();
    let driving = tokio::spawn(drive);
    let other = tx.clone();
    drop((tx, rx));
    sleep(Duration::from_secs(5)).await;
    other.send("still here").await.unwrap();
    assert_eq!(client.recv().await, Some("still here".into()));
    drop(other);
    assert_eq!(client.recv().await, None);
    let report = driving.await.unwrap();
    assert_eq!(report.cause, Cause::ClosedHere("all handles were dropped".into()));
    assert_eq!(report.sent.as_ref().unwrap().code, Some(CloseCode::NORMAL));
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_dropped_drops_the_connection_and_tells_the_handles() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    let (tx, mut rx, drive) = server.split();
    drop(drive);
    assert_eq!(rx.recv().await, None);
    assert!(tx.send("too late").await.is_err());
    assert_eq!(tx.closed().await.cause, Cause::ClosedHere("dropped here".into()));
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().code, Some(CloseCode::GOING_AWAY));
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_close_is_still_answered() {
    let (mut raw, server) = raw(&Upgrader::default(), 4096).await;
    let (tx, mut rx, drive) = server.split();
    tokio::spawn(drive);
    tokio::spawn(async move {
        while let Some(message) = rx.recv().await {
            let _ = tx.try_send(message);
        }
    });
    raw.write_all(&[frame(0x81, b"last words"), frame(0x88, &[3, 232])].concat()).await.unwrap();
    let mut out = Vec::new();
    raw.read_to_end(&mut out).await.unwrap();
    assert_eq!(out, [&b"\x81\x0alast words"[..], b"\x88\x02\x03\xe8"].concat());
}
