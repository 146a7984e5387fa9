//! Handles whose connection is driven elsewhere.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;
mod raw;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pair::pair;
use raw::{frame, raw};
use silverback::{Cause, CloseCode, Receiver, Side, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

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

#[tokio::test(start_paused = true)]
async fn a_receiver_in_the_same_task_as_the_handler_that_gave_it_away_is_woken() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    let (give, given) = tokio::sync::oneshot::channel::<Receiver>();
    let mut receiving = pin!(async move { given.await.unwrap().recv().await });
    let mut running = pin!(server.run(|tx, rx| async move {
        let _ = give.send(rx);
        tx.closed().await;
        Ok(())
    }));
    let speaking = tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        client.send("hello").await.unwrap();
        client
    });
    let began = Instant::now();
    let received = poll_fn(|cx| {
        let received = receiving.as_mut().poll(cx); // its turn is over when the message arrives
        assert!(running.as_mut().poll(cx).is_pending());
        received
    });
    assert_eq!((received.await, began.elapsed().as_secs()), (Some("hello".into()), 1));
    drop(speaking.await);
}

/// A task that is polled by hand, and only when it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        match self.0.swap(false, Ordering::Relaxed) {
            true => std::pin::Pin::new(future).poll(&mut Context::from_waker(&Waker::from(self.clone()))),
            false => Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_whose_task_comes_late_is_told_though_the_driver_sleeps_by_then() {
    let (mut raw, server) = raw(&Upgrader::default(), 64).await;
    let (tx, _rx, mut drive) = server.split();
    let (driver, flusher) = (Arc::new(Woken(true.into())), Arc::new(Woken(true.into())));
    tx.try_send(vec![1; 98]).unwrap(); // 100 bytes with its header
    assert!(driver.poll(&mut drive).is_pending());
    tx.try_send(vec![2; 26]).unwrap(); // 128 bytes in all, two pipes full: the first message is written in front of the second
    let mut flush = pin!(tx.flush());
    assert!(flusher.poll(&mut flush).is_pending());

    let mut pipe = [0; 50];
    raw.read_exact(&mut pipe).await.unwrap();
    assert!(driver.poll(&mut drive).is_pending());
    raw.read_exact(&mut pipe).await.unwrap();
    assert!(driver.poll(&mut drive).is_pending());
    for _ in 0..3 {
        assert!(driver.poll(&mut drive).is_pending());
        if flusher.poll(&mut flush) == Poll::Ready(true) {
            return;
        }
    }
    panic!("all is written, everybody sleeps, and the flush is not over");
}
