//! Futures that are dropped before they are ready: nothing is lost, sent twice or cut, and every connection still ends with one report.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod once;
mod raw;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use once::poll_once;
use raw::{frame, raw};
use silverback::{Cause, CloseCode, Dialer, QueueLimits, TransportEnd, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_bare_recv_that_is_dropped_at_every_byte_loses_nothing() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 1024).await;
    let mut received = Vec::new();
    for number in 0..100u8 {
        for byte in frame(0x82, &[number; 20]) {
            while let Some(message) = poll_once(server.recv()).await {
                received.push(message.unwrap().payload()[0]);
            }
            raw.write_all(&[byte]).await.unwrap();
        }
    }
    while let Some(message) = poll_once(server.recv()).await {
        received.push(message.unwrap().payload()[0]);
    }
    assert_eq!(received, Vec::from_iter(0..100));
}

#[tokio::test(start_paused = true)]
async fn a_bare_send_that_is_dropped_is_sent_once_whole_and_in_its_place() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 7).await;
    let reading = tokio::spawn(async move {
        let mut out = vec![0; 100 * 22];
        raw.read_exact(&mut out).await.unwrap();
        assert!(timeout(Duration::from_secs(10), raw.read_u8()).await.is_err(), "and nothing twice");
        out
    });
    let mut dropped = 0;
    for number in 0..100u8 {
        match poll_once(server.send(vec![number; 20])).await {
            None => dropped += 1,
            Some(sent) => sent.unwrap(),
        }
        if number % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(dropped > 50, "the pipe is narrower than the messages");
    assert!(timeout(Duration::from_secs(5), server.recv()).await.is_err(), "which has written the rest");
    let expected: Vec<u8> = (0..100u8).flat_map(|number| [vec![0x82, 20], vec![number; 20]].concat()).collect();
    assert_eq!(reading.await.unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_during_a_send_that_is_dropped_is_received_later() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 64).await;
    assert!(poll_once(server.send(vec![0; 1000])).await.is_none());
    let mut expected = 0;
    for number in 0..50u8 {
        raw.write_all(&frame(0x82, &[number])).await.unwrap();
        assert!(poll_once(server.send(vec![0; 1000])).await.is_none());
        if number % 5 == 0 {
            assert_eq!(poll_once(server.recv()).await.unwrap().unwrap().payload(), &[expected][..]);
            expected += 1;
        }
    }
    while expected < 50 {
        assert_eq!(server.recv().await.unwrap().payload(), &[expected][..]);
        expected += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn a_receivers_recv_that_is_dropped_loses_nothing_and_is_woken_again() {
    let (mut raw, server) = raw(&Upgrader::default(), 1024).await;
    let run = tokio::spawn(server.run(|_tx, mut rx| async move {
        for number in 0..200u8 {
            let message = loop {
                tokio::select! {
                    biased;
                    message = rx.recv() => break message.unwrap(),
                    () = sleep(Duration::from_millis(u64::from(1 + number % 3))) => {} // drops the recv
                }
            };
            assert_eq!(message.payload(), &[number][..]);
        }
        assert!(poll_once(rx.recv()).await.is_none());
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    for number in 0..200u8 {
        raw.write_all(&frame(0x82, &[number])).await.unwrap();
        sleep(Duration::from_millis(u64::from(number % 7))).await;
    }
    raw.write_all(&frame(0x88, &1000u16.to_be_bytes())).await.unwrap();
    drop(raw);
    assert_eq!(run.await.unwrap().cause, Cause::ClosedByPeer, "and no assertion has failed in the handler");
}

#[tokio::test(start_paused = true)]
async fn a_senders_send_that_is_dropped_has_queued_nothing_and_takes_nobodys_turn() {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 1 }).heartbeat(None).build();
    let (mut raw, mut server) = raw(&upgrader, 16).await;
    let tx = server.sender();
    tokio::spawn(server.run(|tx, _rx| async move {
        tx.closed().await;
        Ok(())
    }));
    // 64 KiB are encoded ahead, and one message is queued behind them.
    tx.send(vec![b'a'; 70_000]).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    tx.send("queued").await.unwrap();
    let mut dropped = Vec::new();
    for _ in 0..10 {
        let tx = tx.clone();
        dropped.push(tokio::spawn(async move { tx.send("dropped").await }));
    }
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send("waiting").await }
    });
    sleep(Duration::from_secs(1)).await;
    for task in dropped {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    let mut out = vec![0; 70_010];
    raw.read_exact(&mut out).await.unwrap();
    let mut rest = vec![0; 8 + 9];
    raw.read_exact(&mut rest).await.unwrap();
    assert_eq!(rest, b"\x81\x06queued\x81\x07waiting");
    waiting.await.unwrap().unwrap();
    assert!(timeout(Duration::from_secs(60), raw.read_u8()).await.is_err(), "nothing of what was dropped comes");
}

#[tokio::test(start_paused = true)]
async fn flush_close_and_closed_can_be_dropped_and_asked_again() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 8).await;
    let tx = server.sender();
    tokio::spawn(server.run(|_tx, mut rx| async move {
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    tx.send("longer than the pipe").await.unwrap();
    for _ in 0..3 {
        assert!(poll_once(tx.flush()).await.is_none());
        assert!(poll_once(tx.closed()).await.is_none());
        tokio::task::yield_now().await;
    }
    let mut out = [0; 22];
    let (flushed, _) = tokio::join!(tx.flush(), raw.read_exact(&mut out));
    assert!(flushed);
    assert!(poll_once(tx.close(CloseCode::GOING_AWAY, "first")).await.is_none());
    assert!(poll_once(tx.close(CloseCode::NORMAL, "second")).await.is_none());
    let mut close = [0; 9];
    raw.read_exact(&mut close).await.unwrap();
    assert_eq!(&close, b"\x88\x07\x03\xe9first", "begun by the first poll, and only by the first");
    raw.write_all(&frame(0x88, &1001u16.to_be_bytes())).await.unwrap();
    assert!(poll_once(raw.read_u8()).await.is_none());
    let report = tx.close(CloseCode::NORMAL, "third").await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(*tx.closed().await, *report);
    assert!(!tx.flush().await || tx.queue().messages == 0);
}

/// At the 1st, 2nd, 3rd … poll of `run` it is dropped instead, with the peer in the middle of whatever it does then.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_at_any_poll_ends_with_one_report_for_every_sender() {
    for polls in 0..60 {
        let (mut raw, mut server) = raw(&Upgrader::default(), 64).await;
        let senders = [server.sender(), server.sender()];
        let waiting = senders.clone().map(|tx| tokio::spawn(async move { tx.closed().await }));
        let sending = tokio::spawn({
            let tx = senders[0].clone();
            async move { while tx.send("from elsewhere").await.is_ok() {} }
        });
        let peer = tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(&mut raw);
            let write = async {
                for _ in 0..20 {
                    writer.write_all(&frame(0x82, b"to be echoed")).await?;
                }
                writer.write_all(&frame(0x88, &1000u16.to_be_bytes())).await
            };
            let read = async {
                let mut out = Vec::new();
                reader.read_to_end(&mut out).await.map(|_| out)
            };
            let (_, out) = tokio::join!(write, read);
            out.unwrap()
        });
        let mut run = Box::pin(server.run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tx.send(message).await?;
            }
            Ok(())
        }));
        let mut polled = 0;
        let finished = poll_fn(|cx| {
            if polled == polls {
                return Poll::Ready(None);
            }
            polled += 1;
            run.as_mut().poll(cx).map(Some)
        })
        .await;
        drop(run);
        sending.await.unwrap();
        let mut reports = Vec::new();
        for task in waiting {
            reports.push(timeout(Duration::from_secs(1), task).await.expect("every sender is told").unwrap());
        }
        assert_eq!(reports[0], reports[1]);
        assert_eq!(senders[1].close_report(), Some(&*reports[0]));
        match finished {
            Some(report) => assert_eq!(report, reports[0]),
            None => assert_eq!(reports[0].transport, TransportEnd::Dropped, "after {polls} polls"),
        }
        assert_whole_frames(&peer.await.unwrap(), reports[0].transport == TransportEnd::Dropped);
    }
}

/// Only a connection that was dropped may end inside a frame.
fn assert_whole_frames(mut bytes: &[u8], may_be_cut: bool) {
    while let [first, length, rest @ ..] = bytes {
        let payload = rest.split_at_checked(usize::from(*length));
        let Some((payload, rest)) = payload else { break };
        match first {
            0x81 => assert_eq!(payload, b"from elsewhere"),
            0x82 => assert_eq!(payload, b"to be echoed"),
            0x88 => assert!(rest.is_empty(), "something follows the Close"),
            _ => panic!("no such frame was sent: {first:#x}"),
        }
        bytes = rest;
    }
    assert!(bytes.is_empty() || may_be_cut, "{bytes:?} is left of a frame");
}

#[tokio::test(start_paused = true)]
async fn a_recv_part_that_is_dropped_at_every_byte_loses_nothing() {
    let (mut raw, mut server) = raw(&Upgrader::builder().part_size(3).build(), 1024).await;
    let mut received = Vec::new();
    for number in 0..50u8 {
        for byte in frame(0x82, &[number; 10]) {
            while let Some(part) = poll_once(server.recv_part()).await {
                received.extend_from_slice(part.unwrap().piece.payload());
            }
            raw.write_all(&[byte]).await.unwrap();
        }
    }
    while let Some(part) = poll_once(server.recv_part()).await {
        received.extend_from_slice(part.unwrap().piece.payload());
    }
    assert_eq!(received, Vec::from_iter((0..50u8).flat_map(|number| [number; 10])));
}

#[tokio::test(start_paused = true)]
async fn a_bare_write_that_is_dropped_is_sent_once_whole_and_in_its_place() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 7).await;
    let reading = tokio::spawn(async move {
        let mut out = vec![0; 99 * 12 + 2];
        raw.read_exact(&mut out).await.unwrap();
        out
    });
    let mut message = server.write_binary();
    for number in 0..99u8 {
        if let Some(sent) = poll_once(message.write(vec![number; 10])).await {
            sent.unwrap();
        }
        tokio::task::yield_now().await;
    }
    message.finish().await.unwrap();
    let out = reading.await.unwrap();
    for (number, frame) in out.chunks(12).take(99).enumerate() {
        assert_eq!(frame[2..], [number as u8; 10]);
    }
    assert_eq!(out[99 * 12..], [0x80, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_finish_that_is_dropped_gives_the_message_up() {
    let (_raw, server) = raw(&Upgrader::default(), 7).await;
    let report = server
        .run(|tx, _rx| async move {
            let mut message = tx.write_binary().await.unwrap();
            for _ in 0..2 {
                message.write(vec![0; 100_000]).await?;
            }
            assert!(poll_once(message.finish()).await.is_none(), "the pipe is full");
            tx.closed().await;
            Ok(())
        })
        .await;
    assert!(matches!(&report.cause, Cause::ClosedHere(why) if why.contains("given up")), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_turn_to_write_in_parts_that_is_dropped_is_the_next_ones() {
    let (_raw, mut server) = raw(&Upgrader::default(), 1024).await;
    let tx = server.sender();
    let first = tx.write_text().await.unwrap();
    for _ in 0..10 {
        assert!(poll_once(tx.write_text()).await.is_none());
    }
    drop(first);
    assert!(poll_once(tx.write_text()).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_bare_close_that_is_dropped_drops_the_connection() {
    let (mut raw, mut server) = raw(&Upgrader::default(), 1024).await;
    let tx = server.sender();
    assert!(poll_once(server.close(CloseCode::NORMAL, "")).await.is_none(), "the peer has not answered");
    assert_eq!(tx.close_report().unwrap().transport, TransportEnd::Dropped);
    let mut out = Vec::new();
    raw.read_to_end(&mut out).await.unwrap();
    assert_eq!(out, b"\x88\x02\x03\xe8", "one Close");
}

#[tokio::test(start_paused = true)]
async fn a_drive_that_is_dropped_at_any_poll_ends_with_one_report() {
    for polls in 0..20 {
        let (mut raw, server) = raw(&Upgrader::default(), 64).await;
        let (tx, mut rx, drive) = server.split();
        let mut drive = Box::pin(drive);
        for _ in 0..polls {
            let _ = raw.write_all(&frame(0x82, b"message")).await;
            let _ = tx.try_send("message");
            let _ = poll_once(drive.as_mut()).await;
            let _ = poll_once(raw.read_u8()).await;
        }
        drop(drive);
        while rx.recv().await.is_some() {}
        assert_eq!(tx.close_report(), rx.close_report());
        assert!(tx.close_report().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn an_accept_that_is_dropped_at_any_byte_drops_the_stream() {
    let upgrader = Upgrader::default();
    for bytes in 0..raw::REQUEST.len() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        {
            let mut accepting = pin!(upgrader.accept(ours));
            for byte in &raw::REQUEST.as_bytes()[..bytes] {
                theirs.write_all(&[*byte]).await.unwrap();
                assert!(poll_once(accepting.as_mut()).await.is_none());
            }
        }
        assert_eq!(theirs.read(&mut [0; 10]).await.unwrap(), 0);
    }
    assert_eq!(upgrader.drain(Duration::ZERO, CloseCode::GOING_AWAY, "").await.closed, 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_of_ours_that_is_dropped_drops_the_stream() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let dialer = Dialer::builder().build().unwrap();
    assert!(poll_once(dialer.handshake_over(ours, "ws://silverback.test/")).await.is_none());
    let mut asked = String::new();
    theirs.read_to_string(&mut asked).await.unwrap();
    assert!(asked.starts_with("GET / HTTP/1.1\r\n"));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_closes_no_more_and_goes_on_refusing() {
    let upgrader = Upgrader::default();
    let (_raw, mut server) = raw(&upgrader, 1024).await;
    let (_other_raw, mut other) = raw(&upgrader, 1024).await;
    assert!(timeout(Duration::from_secs(1), upgrader.drain(Duration::from_secs(10), CloseCode::GOING_AWAY, "")).await.is_err());
    let open = [poll_once(server.recv()).await, poll_once(other.recv()).await];
    assert_eq!(open, [None, None], "one waits for the answer to its Close, one for messages");
    assert!(upgrader.judge(&http::Request::new(())).is_err_and(|refusal| refusal.cause() == "draining"));
}
