//! Messages in parts, both ways, over pipes in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod once;
mod pair;
mod raw;

use std::time::Duration;

use bytes::Bytes;
use once::poll_once;
use pair::pair;
use raw::{frame, raw};
use silverback::{Cause, CloseCode, Deflate, Message, Part, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

fn part(piece: impl Into<Message>, is_last: bool) -> Part {
    Part { piece: piece.into(), is_last }
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_anything_that_is_held_is_written_and_read_in_parts() {
    const SIZE: usize = 20 << 20;
    let upgrader = Upgrader::builder().message_limit(SIZE).part_size(16 * 1024).deflate(Deflate::default()).build();
    let (server, client) = pair(upgrader, 64 * 1024).await;
    let reading = tokio::spawn(server.run(|_tx, mut rx| async move {
        let (mut total, mut largest) = (0, 0);
        loop {
            let part = rx.recv_part().await.unwrap();
            total += part.piece.len();
            largest = largest.max(part.piece.len());
            if part.is_last {
                break;
            }
        }
        assert_eq!(total, SIZE);
        assert!(largest <= 128 * 1024, "a part had {largest} bytes");
        Ok(())
    }));
    let report = client
        .run(|tx, _rx| async move {
            let mut message = tx.write_binary().await.unwrap();
            for number in 0..SIZE / (64 * 1024) {
                message.write(vec![number as u8; 64 * 1024]).await?;
                assert!(tx.queue().bytes <= 64 * 1024, "one part waits at most");
            }
            message.finish().await?;
            let closed = tx.closed().await;
            assert_eq!(closed.cause, Cause::ClosedByPeer);
            Ok(())
        })
        .await;
    assert_eq!((report.outgoing.messages, report.unsent.messages), (1, 0));
    assert_eq!(reading.await.unwrap().incoming.messages, 1);
}

#[tokio::test(start_paused = true)]
async fn other_messages_wait_for_the_end_of_one_in_parts_and_pings_do_not() {
    let (mut raw, server) = raw(&Upgrader::default(), 4096).await;
    tokio::spawn(server.run(|tx, _rx| async move {
        let mut message = tx.write_text().await.unwrap();
        message.write("one").await?;
        tx.send("other").await?;
        assert!(poll_once(tx.write_text()).await.is_none(), "one message at a time is sent in parts");
        sleep(Duration::from_secs(1)).await;
        message.write("two").await?;
        message.finish().await?;
        let mut second = tx.write_binary().await.unwrap();
        second.write(Bytes::from_static(b"x")).await?;
        second.finish().await?;
        sleep(Duration::from_secs(100)).await;
        Ok(())
    }));
    assert_eq!(read_frame(&mut raw).await, (0x01, b"one".to_vec()));
    raw.write_all(&frame(0x89, b"?")).await.unwrap();
    assert_eq!(read_frame(&mut raw).await, (0x8a, b"?".to_vec()));
    for expected in [(0x00, &b"two"[..]), (0x80, b""), (0x81, b"other"), (0x02, b"x"), (0x80, b"")] {
        assert_eq!(read_frame(&mut raw).await, (expected.0, expected.1.to_vec()));
    }
}

async fn read_frame(raw: &mut tokio::io::DuplexStream) -> (u8, Vec<u8>) {
    let first = raw.read_u8().await.unwrap();
    let mut payload = vec![0; raw.read_u8().await.unwrap().into()];
    raw.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_in_the_middle_ends_its_connection_with_1011() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    let server = tokio::spawn(server.run(|tx, _rx| async move {
        let mut message = tx.write_text().await.unwrap();
        message.write("one").await?;
        tx.send("behind it").await?;
        sleep(Duration::from_secs(1)).await;
        drop(message);
        tx.closed().await;
        Ok(())
    }));
    assert_eq!(client.recv().await, None, "half a message is none");
    let received = client.close_report().unwrap().received.clone().unwrap();
    assert_eq!((received.code, received.reason()), (Some(CloseCode::INTERNAL_ERROR), "a message was given up before its end"));
    let report = server.await.unwrap();
    assert!(matches!(&report.cause, Cause::ClosedHere(why) if why.contains("given up")), "{report}");
    assert_eq!(report.unsent.messages, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_before_anything_is_on_its_way_never_was() {
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    let tx = server.sender(); // and nobody drives the connection yet
    tx.send("before").await.unwrap();
    {
        let mut message = tx.write_text().await.unwrap();
        message.write("never").await.unwrap();
    }
    drop(tx.write_text().await.unwrap());
    tx.send("after").await.unwrap();
    tokio::spawn(async move { server.recv().await });
    assert_eq!(client.recv().await, Some("before".into()));
    assert_eq!(client.recv().await, Some("after".into()));
}

#[tokio::test(start_paused = true)]
async fn an_empty_message_can_be_written_too() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    tokio::spawn(server.run(|tx, _rx| async move {
        tx.write_text().await.unwrap().finish().await?;
        Ok(())
    }));
    assert_eq!(client.recv().await, Some("".into()));
}

#[tokio::test(start_paused = true)]
async fn a_writer_learns_that_the_connection_is_closed() {
    let (server, client) = pair(Upgrader::default(), 64).await;
    let server = tokio::spawn(server.run(|tx, _rx| async move {
        let mut message = tx.write_binary().await.unwrap();
        while message.write(vec![0; 1000]).await.is_ok() {}
        assert!(message.finish().await.is_err());
        assert!(tx.write_text().await.is_none());
        Ok(())
    }));
    client.close(CloseCode::NORMAL, "").await;
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_does_not_wait_for_a_message_that_gets_no_more_parts() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    let began = tokio::time::Instant::now();
    tokio::spawn(server.run(|tx, _rx| async move {
        let mut message = tx.write_text().await.unwrap();
        message.write("one").await?;
        tx.send("behind it").await?;
        sleep(Duration::from_secs(1)).await;
        tx.close(CloseCode::NORMAL, "").await;
        message.finish().await?;
        Ok(())
    }));
    assert_eq!(client.recv().await, None);
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_has_sent_nothing() {
    let (mut server, mut client) = pair(Upgrader::default(), 64).await;
    let tx = server.sender();
    let mut message = tx.write_text().await.unwrap();
    message.write("a").await.unwrap();
    for _ in 0..10 {
        assert!(poll_once(message.write("never")).await.is_none(), "nothing takes the first part");
    }
    tokio::spawn(async move { server.recv().await });
    message.write("b").await.unwrap();
    message.finish().await.unwrap();
    assert_eq!(client.recv().await, Some("ab".into()));
}

#[tokio::test(start_paused = true)]
async fn a_bare_connection_sends_and_receives_in_parts_too() {
    let upgrader = Upgrader::builder().part_size(4).build();
    let (mut server, mut client) = pair(upgrader, 4096).await;
    let mut message = client.write_text();
    message.write("one").await.unwrap();
    message.write("two").await.unwrap();
    message.write("three").await.unwrap();
    message.finish().await.unwrap();
    client.send("tiny").await.unwrap();
    let mut text = String::new();
    loop {
        let part = server.recv_part().await.unwrap();
        text.push_str(part.piece.as_text().unwrap());
        if part.is_last {
            break;
        }
    }
    assert_eq!(text, "onetwothree");
    assert_eq!(server.recv_part().await, Some(part("tiny", true)), "a message that is not larger comes whole");
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_whole_messages_gets_them_whatever_the_part_size_and_however_often_the_future_is_dropped() {
    let upgrader = Upgrader::builder().part_size(4).build();
    let (mut server, mut client) = pair(upgrader, 4096).await;
    let mut message = client.write_text();
    message.write("öne").await.unwrap();
    message.write("twö").await.unwrap();
    for _ in 0..3 {
        assert!(poll_once(server.recv()).await.is_none());
    }
    message.write("three").await.unwrap();
    message.finish().await.unwrap();
    assert_eq!(server.recv().await, Some("önetwöthree".into()));
    let mut message = client.write_binary();
    message.write(b"12345".to_vec()).await.unwrap();
    assert!(poll_once(server.recv()).await.is_none());
    let running = tokio::spawn(server.run(|_tx, mut rx| async move {
        assert_eq!(rx.recv().await, Some(Message::binary(b"1234567890".to_vec())), "also when `run` begins in the middle");
        assert_eq!(rx.recv_part().await, None);
        Ok(())
    }));
    message.write(b"67890".to_vec()).await.unwrap();
    message.finish().await.unwrap();
    client.close(CloseCode::NORMAL, "").await;
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bare_message_that_is_dropped_in_the_middle_ends_its_connection_with_1011() {
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    drop(server.write_text());
    server.send("nothing has happened").await.unwrap();
    assert_eq!(client.recv().await, Some("nothing has happened".into()));
    server.write_text().write("half").await.unwrap();
    assert!(server.send("more").await.is_err());
    tokio::spawn(async move { server.recv().await });
    assert_eq!(client.recv().await, None);
    assert_eq!(client.close_report().unwrap().received.as_ref().unwrap().code, Some(CloseCode::INTERNAL_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_bare_connection_waits_for_the_message_that_a_sender_writes_and_the_other_way_round() {
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    let tx = server.sender();
    let mut message = tx.write_text().await.unwrap();
    message.write("AAA").await.unwrap();
    assert!(poll_once(server.recv()).await.is_none());
    for _ in 0..3 {
        assert!(poll_once(server.send("bbb")).await.is_none(), "messages do not interleave");
    }
    assert!(poll_once(server.write_text().write("ccc")).await.is_none());
    message.finish().await.unwrap();
    let mut bare = server.write_text();
    bare.write("DDD").await.unwrap();
    tx.send("eee").await.unwrap();
    bare.finish().await.unwrap();
    tokio::spawn(async move { server.recv().await });
    for expected in ["AAA", "DDD", "eee"] {
        assert_eq!(client.recv().await, Some(expected.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_a_message_that_a_bare_connection_has_begun() {
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    let tx = server.sender();
    let mut message = server.write_text();
    message.write("half").await.unwrap();
    tx.begin_close(CloseCode::NORMAL, "");
    let _ = message.write("more").await;
    assert!(message.finish().await.is_err());
    tokio::spawn(async move { server.recv().await });
    assert_eq!(client.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn parts_have_about_the_size_that_was_asked_for() {
    let (mut server, mut client) = pair(Upgrader::builder().part_size(1024).build(), 64 * 1024).await;
    tokio::spawn(async move { client.send(vec![7; 600 * 1024]).await });
    let mut total = 0;
    while total < 600 * 1024 {
        let part = server.recv_part().await.unwrap();
        assert!(part.piece.len() <= 1025, "{}", part.piece.len());
        total += part.piece.len();
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_message_of_which_a_part_was_received_is_no_message() {
    let (mut server, mut client) = pair(Upgrader::builder().part_size(4).build(), 4096).await;
    client.send("the beginning, the middle, the end").await.unwrap();
    client.send("next").await.unwrap();
    assert!(!server.recv_part().await.unwrap().is_last);
    assert_eq!(server.recv().await, Some("next".into()));
}

/// A frame whose payload needs the long form of its length, with the mask 0.
fn large_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0xff][..], &(payload.len() as u64).to_be_bytes(), &[0; 4], payload].concat()
}

/// After our Close, what finds no room is dropped; what comes behind it would make a message with a hole.
#[tokio::test(start_paused = true)]
async fn a_message_is_never_received_without_its_middle() {
    let upgrader = Upgrader::builder().message_limit(8 << 20).part_size(32 * 1024).close_timeout(Duration::from_secs(60)).build();
    let (mut raw, server) = raw(&upgrader, 64 * 1024).await;
    let (tx, mut rx, drive) = server.split();
    tokio::spawn(drive);
    tx.begin_close(CloseCode::NORMAL, "");
    raw.write_all(&large_frame(0x01, &vec![b'a'; 900 * 1024])).await.unwrap();
    raw.write_all(&frame(0x80, b"z")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let receiving = tokio::spawn(async move { rx.recv().await });
    sleep(Duration::from_secs(1)).await;
    raw.write_all(&frame(0x82, &[0xff])).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    drop(raw);
    assert_eq!(receiving.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_flush_waits_for_the_last_part_and_for_nothing_that_was_given_up() {
    let (server, _client) = pair(Upgrader::builder().heartbeat(None).build(), 4096).await;
    let (tx, _rx, drive) = server.split();
    let mut drive = Box::pin(drive);
    let mut message = tx.write_text().await.unwrap();
    message.write("x").await.unwrap();
    assert!(poll_once(drive.as_mut()).await.is_none());
    message.finish().await.unwrap();
    assert_eq!(poll_once(tx.flush()).await, None, "its end is still in the queue");
    assert!(poll_once(drive.as_mut()).await.is_none());
    assert_eq!(poll_once(tx.flush()).await, Some(true));

    let mut message = tx.write_text().await.unwrap();
    message.write("never").await.unwrap();
    drop(message);
    assert_eq!(poll_once(tx.flush()).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_ends_no_flush_of_what_was_queued_before_it() {
    let (mut server, _client) = pair(Upgrader::default(), 4096).await;
    let tx = server.sender();
    tx.try_send("first").unwrap();
    let mut flush = std::pin::pin!(tx.flush());
    for _ in 0..2 {
        let flushed = std::future::poll_fn(|cx| std::task::Poll::Ready(flush.as_mut().poll(cx))).await;
        assert!(flushed.is_pending(), "nobody drives the connection, so nothing is written");
        let mut message = tx.write_text().await.unwrap();
        message.write("never mind").await.unwrap();
    }
    tokio::spawn(async move { while server.recv().await.is_some() {} });
    assert!(flush.await);
}
