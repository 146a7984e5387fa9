//! A connection from the handshake to its report, over pipes in memory and with time that stands still.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::time::Duration;

use pair::pair;
use silverback::{Cause, CloseCode, Message, QueueLimits, Side, TransportEnd, TrySendError, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn messages_cross_whole_and_in_order_through_a_narrow_pipe() {
    let (server, mut client) = pair(Upgrader::default(), 7).await;
    let server = tokio::spawn(server.run(|tx, mut rx| async move {
        while let Some(message) = rx.recv().await {
            tx.send(message).await?;
        }
        Ok(())
    }));
    for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
        let message = Message::binary(vec![size as u8; size]);
        client.send(message.clone()).await.unwrap();
        assert_eq!(client.recv().await, Some(message));
    }
    let client = client.close(CloseCode::NORMAL, "done").await;
    let server = server.await.unwrap();
    assert_eq!((client.began, server.began), (Side::Local, Side::Peer));
    assert_eq!(server.received.as_ref().unwrap().reason(), "done");
    assert_eq!(server.sent.as_ref().unwrap().code, Some(CloseCode::NORMAL));
    assert!(client.is_clean() && server.is_clean());
    assert_eq!((server.incoming.messages, server.outgoing.messages, server.unsent.messages), (7, 7, 0));
    assert_eq!((server.incoming.bytes, server.outgoing.bytes), (client.outgoing.bytes, client.incoming.bytes));
    assert_eq!((server.transport, client.transport), (TransportEnd::Finished, TransportEnd::Finished));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_sleeps_a_minute_is_not_taken_for_a_dead_peer() {
    let (server, mut client) = pair(Upgrader::default(), 1024).await;
    let server = tokio::spawn(server.run(|tx, mut rx| async move {
        let first = rx.recv().await.unwrap();
        sleep(Duration::from_secs(60)).await; // a database
        tx.send(first).await?;
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    let began = Instant::now();
    client.send("patience").await.unwrap();
    assert_eq!(client.recv().await, Some("patience".into()), "the client has answered the server's pings in its recv");
    assert_eq!(began.elapsed().as_secs(), 60);
    client.close(CloseCode::NORMAL, "").await;
    assert_eq!(server.await.unwrap().cause, Cause::ClosedByPeer);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_the_handler_sleeps() {
    let (mut raw, server) = raw_client(Upgrader::default()).await;
    tokio::spawn(server.run(|_tx, _rx| async {
        sleep(Duration::from_secs(60)).await;
        Ok(())
    }));
    let began = Instant::now();
    raw.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut pong = [0; 4];
    raw.read_exact(&mut pong).await.unwrap();
    assert_eq!(&pong, b"\x8a\x02hi");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_at_20_seconds_and_dead_at_30() {
    let (mut raw, server) = raw_client(Upgrader::default()).await;
    let began = Instant::now();
    let server = tokio::spawn(server.run(|_tx, mut rx| async move {
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    let mut ping = [0; 6];
    raw.read_exact(&mut ping).await.unwrap();
    assert_eq!((ping[0], began.elapsed().as_secs()), (0x89, 20));
    let mut rest = Vec::new();
    raw.read_to_end(&mut rest).await.unwrap();
    assert_eq!(&rest[2..4], &1011u16.to_be_bytes(), "a peer that was only asleep learns why");
    let report = server.await.unwrap();
    assert!(matches!(report.cause, Cause::PeerSilent(silence) if silence.as_secs() == 30), "{report}");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_bare_connection_that_nobody_drove_for_an_hour_asks_before_it_judges() {
    let (mut server, mut client) = pair(Upgrader::default(), 1024).await;
    let client = tokio::spawn(async move { client.recv().await });
    sleep(Duration::from_secs(3600)).await;
    assert!(tokio::time::timeout(Duration::from_secs(100), server.recv()).await.is_err(), "the connection is alive");
    server.send("hello").await.unwrap();
    assert_eq!(client.await.unwrap(), Some("hello".into()));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_ends_its_connection_with_1011_and_nothing_else() {
    let (server, mut client) = pair(Upgrader::default(), 1024).await;
    let server = tokio::spawn(server.run(|_tx, _rx| async { panic!("a bug") }));
    assert_eq!(client.recv().await, None);
    let seen = client.close_report().unwrap();
    assert_eq!(seen.received.as_ref().unwrap().code, Some(CloseCode::INTERNAL_ERROR));
    assert_eq!(seen.received.as_ref().unwrap().reason(), "internal error", "the panic's own words stay here");
    assert_eq!(server.await.unwrap().cause.to_string(), "the handler panicked: a bug");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_ends_its_connection_with_1011_and_its_words_stay_here() {
    let (server, mut client) = pair(Upgrader::default(), 1024).await;
    let server = tokio::spawn(server.run(|_tx, _rx| async { Err("the password is wrong".into()) }));
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().reason(), "internal error");
    assert_eq!(server.await.unwrap().cause.to_string(), "the handler failed: the password is wrong");
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_goes_out_before_a_handlers_return_closes() {
    let (server, mut client) = pair(Upgrader::default(), 16).await;
    let server = tokio::spawn(server.run(|tx, _rx| async move {
        for number in 0..100 {
            tx.send(number.to_string()).await?;
        }
        Ok(())
    }));
    for number in 0..100 {
        assert_eq!(client.recv().await, Some(number.to_string().into()));
    }
    assert_eq!(client.recv().await, None);
    assert_eq!(server.await.unwrap().outgoing.messages, 100);
}

#[tokio::test(start_paused = true)]
async fn any_number_of_tasks_send_through_one_sender() {
    let (server, mut client) = pair(Upgrader::default(), 512).await;
    tokio::spawn(server.run(|tx, mut rx| async move {
        for task in 0..64 {
            let tx = tx.clone();
            tokio::spawn(async move {
                for number in 0..100 {
                    tx.send(format!("{task} {number}")).await.unwrap();
                }
            });
        }
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    let mut next = [0; 64];
    for _ in 0..6400 {
        let message = client.recv().await.unwrap();
        let (task, number) = message.as_text().unwrap().split_once(' ').unwrap();
        let next = &mut next[task.parse::<usize>().unwrap()];
        assert_eq!(number.parse::<usize>().unwrap(), *next, "in order for each task");
        *next += 1;
    }
    assert_eq!(client.close(CloseCode::NORMAL, "").await.unsent.messages, 0);
}

#[tokio::test(start_paused = true)]
async fn the_queue_stops_at_its_bound_and_the_message_comes_back() {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 3 }).build();
    let (mut server, _client) = pair(upgrader, 1024).await;
    let tx = server.sender(); // and nobody drives the connection
    for _ in 0..3 {
        tx.try_send("four").unwrap();
    }
    assert!(matches!(tx.try_send("five"), Err(TrySendError::Full(message)) if message == "five".into()));
    assert_eq!((tx.queue().bytes, tx.queue().messages), (12, 3));
    let waiting = tokio::time::timeout(Duration::from_secs(1), tx.send("waits")).await;
    assert!(waiting.is_err());
    assert_eq!(tx.queue().messages, 3, "a send that was dropped has queued nothing");
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_room_goes_on_when_the_peer_reads_and_fails_when_it_goes() {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 1 }).build();
    let (mut server, mut client) = pair(upgrader, 64).await;
    let tx = server.sender();
    let run = tokio::spawn(server.run(|_tx, mut rx| async move {
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    let sending = tokio::spawn(async move {
        for number in 0.. {
            if let Err(closed) = tx.send(format!("{number:0100}")).await {
                return (number, closed.0.len());
            }
        }
        unreachable!()
    });
    for number in 0..50 {
        assert_eq!(client.recv().await, Some(format!("{number:0100}").into()));
    }
    drop(client);
    let (number, size) = sending.await.unwrap();
    assert!(number >= 50);
    assert_eq!(size, 100);
    let report = run.await.unwrap();
    assert!(report.outgoing.messages + report.unsent.messages >= number, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn flush_waits_for_the_kernel_and_close_for_the_end() {
    let (mut server, mut client) = pair(Upgrader::default(), 8).await;
    let tx = server.sender();
    tx.try_send("more than the pipe holds").unwrap();
    tokio::spawn(server.run(|_tx, mut rx| async move {
        assert_eq!(rx.recv().await, None);
        Ok(())
    }));
    assert!(tokio::time::timeout(Duration::from_secs(5), tx.flush()).await.is_err());
    let (flushed, received) = tokio::join!(tx.flush(), client.recv());
    assert!(flushed);
    assert_eq!(received, Some("more than the pipe holds".into()));
    let (report, end) = tokio::join!(tx.close(CloseCode::GOING_AWAY, "bye"), client.recv());
    assert_eq!(end, None);
    assert_eq!((report.began, report.is_clean()), (Side::Local, true));
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().reason(), "bye");
    assert!(tx.try_send("late").is_err() && !format!("{:?}", tx.try_send("secret")).contains("secret"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_a_close_is_left_after_five_seconds() {
    let (_raw, server) = raw_client(Upgrader::default()).await;
    let began = Instant::now();
    let report = server.close(CloseCode::NORMAL, "").await;
    assert_eq!((report.transport, report.received.is_none(), began.elapsed().as_secs()), (TransportEnd::TimedOut, true, 5));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_dropped_says_so_and_publishes_its_report() {
    let (mut server, mut client) = pair(Upgrader::default(), 1024).await;
    let tx = server.sender();
    tx.try_send("never written").unwrap();
    let task = tokio::spawn(server.run(|_tx, _rx| std::future::pending()));
    tokio::task::yield_now().await;
    tx.try_send("lost").unwrap();
    task.abort();
    let report = tx.closed().await;
    assert_eq!((report.transport, report.cause.to_string().as_str()), (TransportEnd::Dropped, "dropped here"));
    while client.recv().await.is_some() {}
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().code, Some(CloseCode::GOING_AWAY));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_busy_stops_the_reading_and_nothing_is_lost() {
    let (server, mut client) = pair(Upgrader::default(), 1024).await;
    let server = tokio::spawn(server.run(|_tx, mut rx| async move {
        sleep(Duration::from_secs(600)).await;
        for number in 0..2000 {
            assert_eq!(rx.recv().await, Some(format!("{number}").into()));
        }
        Ok(())
    }));
    let client = tokio::spawn(async move {
        for number in 0..2000 {
            client.send(number.to_string()).await.unwrap();
        }
        client.recv().await;
        client.close_report().cloned().unwrap()
    });
    assert_eq!(client.await.unwrap().received.unwrap().code, Some(CloseCode::NORMAL));
    assert_eq!(server.await.unwrap().incoming.messages, 2000);
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_violation_or_a_close_is_still_answered() {
    for end in [&[0x88, 0x80, 0, 0, 0, 0][..], &[0xff]] {
        let (mut raw, server) = raw_client(Upgrader::default()).await;
        tokio::spawn(server.run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tx.send(message).await?;
            }
            Ok(())
        }));
        raw.write_all(&[&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'], end].concat()).await.unwrap();
        let mut answer = [0; 5];
        raw.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"\x81\x02hi\x88");
    }
}

/// A server's connection and the bytes on its other side.
async fn raw_client(upgrader: Upgrader) -> (tokio::io::DuplexStream, silverback::WebSocket) {
    let (ours, mut theirs) = duplex(4096);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    theirs.write_all(request.as_bytes()).await.unwrap();
    let server = upgrader.accept(ours).await.unwrap();
    let mut answer = [0; 129];
    theirs.read_exact(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&answer));
    (theirs, server)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_learns_of_the_end_by_an_error_has_not_failed() {
    for way in 0..3 {
        let (server, client) = pair(Upgrader::default(), 1024).await;
        let server = tokio::spawn(server.run(move |tx, _rx| async move {
            tx.begin_close(CloseCode::NORMAL, "enough");
            match way {
                0 => tx.send("more").await?,
                1 => tx.try_send("more")?,
                _ => tx.send_json("more").await?,
            }
            Ok(())
        }));
        drop(tokio::spawn(client.run(|_tx, mut rx| async move {
            rx.recv().await;
            Ok(())
        })));
        assert_eq!(server.await.unwrap().sent.as_ref().unwrap().reason(), "enough");
    }
}
