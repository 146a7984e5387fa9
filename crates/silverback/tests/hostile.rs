//! What a hostile, dead or greedy peer must not be able to do, and what a handler must not be able to do to itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod raw;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use raw::{frame, raw};
use silverback::{Cause, CloseCode, QueueLimits, TransportEnd, TrySendError, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_bare_connection_that_only_sends_learns_that_its_peer_is_gone() {
    let (raw, mut server) = raw(&Upgrader::default(), 1024).await;
    drop(raw);
    for _ in 0..1000 {
        if server.send(vec![0; 1000]).await.is_err() {
            return;
        }
    }
    panic!("a thousand messages were taken for a peer that is gone");
}

#[tokio::test(start_paused = true)]
async fn sends_that_are_given_up_do_not_pile_up() {
    let (_raw, mut server) = raw(&Upgrader::default(), 1024).await;
    for _ in 0..1000 {
        let _ = timeout(Duration::from_millis(1), server.send(vec![0; 64 * 1024])).await;
    }
    let tx = server.sender();
    drop(server);
    let unsent = tx.close_report().unwrap().unsent.bytes;
    assert!(unsent <= 4 << 20, "a peer that reads nothing costs {unsent} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_by_a_send_after_one_that_had_stopped_the_reading() {
    let (_raw, mut server) = connection_whose_reading_was_paused().await;
    for _ in 0..100 {
        server.recv().await.unwrap(); // room for what has come since
    }
    let send = timeout(10 * MINUTE, server.send(vec![0; 10_000])).await;
    assert!(send.is_ok(), "the heartbeat has stopped");
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_by_run_after_a_send_that_had_stopped_the_reading() {
    let (_raw, mut server) = connection_whose_reading_was_paused().await;
    for _ in 0..100 {
        server.recv().await.unwrap();
    }
    let run = server.run(|_tx, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    });
    let report = timeout(10 * MINUTE, run).await.expect("the heartbeat has stopped");
    assert!(matches!(report.cause, Cause::PeerSilent(_)), "{report}");
}

/// Its kernel is there and answers, so that only the time for a write tells.
#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_on_and_reads_nothing_is_left_after_two_minutes() {
    let (mut raw, server) = raw(&Upgrader::default(), 1024).await;
    let flood = tokio::spawn(async move {
        let frames = frame(0x82, b"m").repeat(100);
        while raw.write_all(&frames).await.is_ok() {}
    });
    let echo = server.run(|tx, mut rx| async move {
        while let Some(message) = rx.recv().await {
            tx.send(message).await?;
        }
        Ok(())
    });
    let report = timeout(10 * MINUTE, echo).await.expect("the peer holds the connection");
    assert_eq!((&report.cause, report.transport), (&Cause::WriteStalled(2 * MINUTE), TransportEnd::TimedOut));
    flood.await.unwrap();
}

/// 300 messages have come while a `send` waited, which keeps 256 of them; then the peer has read, and is silent from now on.
async fn connection_whose_reading_was_paused() -> (tokio::io::DuplexStream, silverback::WebSocket) {
    let (mut raw, mut server) = raw(&Upgrader::default(), 4096).await;
    raw.write_all(&frame(0x82, b"m").repeat(300)).await.unwrap();
    {
        let mut send = pin!(server.send(vec![0; 10_000]));
        assert!(timeout(Duration::from_secs(1), send.as_mut()).await.is_err());
        let mut out = vec![0; 10_004];
        let (read, sent) = tokio::join!(raw.read_exact(&mut out), send);
        assert!(read.is_ok() && sent.is_ok());
    }
    (raw, server)
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_lives_in_another_task_learns_of_the_end() {
    let (mut raw, server) = raw(&Upgrader::default(), 1024).await;
    let (done, is_done) = tokio::sync::oneshot::channel();
    let run = tokio::spawn(server.run(|_tx, mut rx| async move {
        tokio::spawn(async move {
            while rx.recv().await.is_some() {}
            let _ = done.send(());
        });
        Ok(())
    }));
    let mut close = [0; 4];
    raw.read_exact(&mut close).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    raw.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(raw);
    assert!(run.await.unwrap().is_clean());
    timeout(MINUTE, is_done).await.expect("its recv was never woken").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_has_dropped_its_receiver_still_learns_of_the_peers_close() {
    let (mut raw, server) = raw(&Upgrader::default(), 4096).await;
    let run = tokio::spawn(server.run(|tx, rx| async move {
        drop(rx); // it only sends
        tx.closed().await;
        Ok(())
    }));
    raw.write_all(&frame(0x82, b"m").repeat(300)).await.unwrap();
    raw.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    drop(raw);
    let report = timeout(10 * MINUTE, run).await.expect("messages that nobody can receive have stopped the reading").unwrap();
    assert_eq!(report.cause, Cause::ClosedByPeer);
}

#[tokio::test(start_paused = true)]
async fn a_close_is_done_in_bounded_time_though_the_peer_reads_nothing_and_talks_on() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 1024).await;
    let tx = server.sender();
    for _ in 0..100 {
        tx.try_send(vec![0; 1024]).unwrap(); // more than is encoded ahead
    }
    tokio::spawn(server.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    }));
    tokio::spawn(async move {
        while raw.write_all(&frame(0x89, b"alive")).await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    let report = timeout(10 * MINUTE, tx.close(CloseCode::POLICY_VIOLATION, "too slow")).await.expect("such a peer cannot be thrown out");
    assert!(report.unsent.messages > 0, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_for_sending_once_the_peer_has_closed() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 1024).await;
    let tx = server.sender();
    tokio::spawn(server.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    }));
    raw.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    let mut answer = [0; 4];
    raw.read_exact(&mut answer).await.unwrap();
    assert!(matches!(tx.try_send("late"), Err(TrySendError::Closed(_))), "a message that can only be lost was taken");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_closes_with_much_unread_gets_a_clean_end() {
    let (mut raw, server) = raw(&Upgrader::default(), 8192).await;
    raw.write_all(&frame(0x82, b"m").repeat(400)).await.unwrap();
    let run = tokio::spawn(server.run(|tx, _rx| async move {
        sleep(Duration::from_secs(1)).await;
        tx.close(CloseCode::NORMAL, "").await;
        drop(_rx);
        Ok(())
    }));
    let mut close = [0; 4];
    raw.read_exact(&mut close).await.unwrap();
    raw.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    drop(raw);
    let report = run.await.unwrap();
    assert!(report.is_clean() && report.transport == TransportEnd::Finished, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_while_others_go_on_sending() {
    let (mut raw, mut server) = raw(&Upgrader::builder().heartbeat(None).build(), 1024).await;
    let tx = server.sender();
    tokio::spawn(server.run(|tx, _rx| async move {
        loop {
            tx.send(vec![0; 4000]).await?;
        }
    }));
    tokio::spawn(async move {
        let mut out = vec![0; 512];
        while raw.read(&mut out).await.is_ok_and(|count| count > 0) {
            sleep(Duration::from_millis(1)).await;
        }
    });
    sleep(Duration::from_secs(1)).await;
    // A queue of 1 MiB and what is encoded already are gone after some 2,200 ms.
    assert_eq!(timeout(MINUTE, tx.flush()).await, Ok(true), "what was queued before is with the kernel long since");
}

#[tokio::test(start_paused = true)]
async fn a_large_message_gets_its_turn_among_small_ones() {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 200_000, messages: 1000 }).heartbeat(None).build();
    let (mut raw, mut server) = raw(&upgrader, 1024).await;
    let tx = server.sender();
    for _ in 0..8 {
        let tx = tx.clone();
        tokio::spawn(async move { while tx.send(vec![0; 900]).await.is_ok() {} });
    }
    tokio::spawn(server.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    }));
    tokio::spawn(async move {
        let mut out = vec![0; 512];
        while raw.read(&mut out).await.is_ok_and(|count| count > 0) {
            sleep(Duration::from_millis(1)).await;
        }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(timeout(MINUTE, tx.send(vec![0; 150_000])).await, Ok(Ok(())), "30 MB of small messages have overtaken it");
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_the_stream_fails_is_not_reported_as_done() {
    let (raw, theirs) = tokio::io::duplex(1024);
    let mut theirs = theirs;
    theirs.write_all(raw::REQUEST.as_bytes()).await.unwrap();
    let mut server = Upgrader::default().accept(Unflushable { inner: raw, flushes_left: 1 }).await.unwrap();
    let tx = server.sender();
    tx.try_send("held back").unwrap();
    let run = tokio::spawn(server.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    }));
    assert!(!tx.flush().await, "the stream has said that it failed");
    assert_eq!(run.await.unwrap().cause, Cause::TransportLost);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_under_the_words_of_a_handler_ends_the_connection_at_once() {
    let (raw, mut theirs) = tokio::io::duplex(1024);
    theirs.write_all(raw::REQUEST.as_bytes()).await.unwrap();
    let server = Upgrader::default().accept(Unflushable { inner: raw, flushes_left: 1 }).await.unwrap();
    let began = Instant::now();
    let report = server.run(|tx, _rx| async move {
        sleep(Duration::from_secs(1)).await; // nothing arrives, and the peer's end of the stream stays
        tx.send("hello").await?;
        tx.closed().await;
        Ok(())
    });
    assert_eq!(report.await.transport, TransportEnd::Failed(std::io::ErrorKind::BrokenPipe));
    assert_eq!(began.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bare_close_goes_out_behind_what_senders_have_queued() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 1024).await;
    server.sender().try_send("first").unwrap();
    let close = tokio::spawn(server.close(CloseCode::NORMAL, ""));
    let mut out = [0; 11];
    timeout(MINUTE, raw.read_exact(&mut out)).await.unwrap().unwrap();
    assert_eq!(&out, b"\x81\x05first\x88\x02\x03\xe8");
    drop(raw);
    assert_eq!(close.await.unwrap().unsent.messages, 0);
}

#[tokio::test(start_paused = true)]
async fn a_queue_without_room_for_any_message_takes_one_when_it_is_empty() {
    for limits in [QueueLimits { bytes: 0, messages: 1 }, QueueLimits { bytes: 100, messages: 0 }] {
        let (_raw, mut server) = raw(&Upgrader::builder().queue(limits).build(), 1024).await;
        let tx = server.sender();
        assert!(tx.try_send("always taken").is_ok(), "{limits:?}");
        assert!(matches!(tx.try_send("one too many"), Err(TrySendError::Full(_))), "{limits:?}");
    }
}

/// A wake from within a poll puts the task in front of the runtime's timers and sockets: under a flood of messages, which fills the inbox
/// again and again, those come late.
#[tokio::test(start_paused = true)]
async fn a_handler_that_empties_a_full_inbox_in_the_same_poll_wakes_nobody() {
    struct Counting(AtomicUsize);
    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (mut raw, server) = raw(&Upgrader::default(), 4096).await;
    raw.write_all(&frame(0x82, b"m").repeat(300)).await.unwrap();
    let wakes = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let received = Arc::new(AtomicUsize::new(0));
    // Without the runtime's budget, which would end the poll before the inbox was full.
    let mut run = Box::pin(tokio::task::coop::unconstrained(server.run({
        let received = received.clone();
        |_tx, mut rx| async move {
            while rx.recv().await.is_some() {
                received.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    })));
    assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(received.load(Ordering::Relaxed), 300, "all in one poll");
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_sender_that_outlives_its_connection_keeps_no_task_alive() {
    struct Nothing;
    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (raw, mut server) = raw(&Upgrader::default(), 1024).await;
        let tx = server.sender();
        let task = Arc::new(Nothing);
        let waker = Waker::from(task.clone());
        let mut run = Box::pin(server.run(|_tx, mut rx| async move {
            while rx.recv().await.is_some() {}
            Ok(())
        }));
        assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(raw);
        assert!(run.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
        drop((run, waker));
        assert!(tx.close_report().is_some());
        assert_eq!(Arc::strong_count(&task), 1, "the waker of the ended task is kept, and with it the task's memory");
    });
}

/// A stream that takes bytes and cannot hand them on.
struct Unflushable<S> {
    inner: S,
    flushes_left: usize,
}

impl<S: tokio::io::AsyncRead + Unpin> tokio::io::AsyncRead for Unflushable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut tokio::io::ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for Unflushable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        if self.flushes_left == 0 {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.flushes_left -= 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_receives_without_waiting_lets_others_on() {
    let (mut raw, server) = raw(&Upgrader::default(), 64 * 1024).await;
    raw.write_all(&frame(0x82, b"m").repeat(250)).await.unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let seen = received.clone();
    tokio::spawn(server.run(move |_tx, mut rx| async move {
        while rx.recv().await.is_some() {
            seen.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }));
    let mut turns = 0;
    while received.load(Ordering::Relaxed) < 250 {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(turns > 1, "250 messages are more than one turn");
}
