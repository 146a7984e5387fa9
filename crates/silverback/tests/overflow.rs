//! What happens to a message for which the queue has no room.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use pair::pair;
use silverback::{Cause, CloseCode, Message, Offered, Overflow, Prepared, QueueLimits, Sender, TrySendError, Upgrader, WebSocket};

/// A connection that nobody drives yet, whose queue holds three messages of 4 bytes.
async fn full() -> (WebSocket, Sender, WebSocket) {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 12, messages: 3 }).build();
    let (mut server, client) = pair(upgrader, 4096).await;
    let tx = server.sender();
    for message in ["one.", "two.", "thr."] {
        assert_eq!(tx.offer(message, Overflow::DropNewest), Ok(Offered::Queued));
    }
    (server, tx, client)
}

/// What the peer gets when the connection is driven at last.
async fn arrivals(mut server: WebSocket, mut client: WebSocket) -> Vec<Message> {
    let tx = server.sender();
    tokio::spawn(async move { while server.recv().await.is_some() {} });
    tx.begin_close(CloseCode::NORMAL, "");
    let mut messages = Vec::new();
    while let Some(message) = client.recv().await {
        messages.push(message);
    }
    messages
}

fn messages(texts: &[&str]) -> Vec<Message> {
    texts.iter().map(|text| Message::text(*text)).collect()
}

#[tokio::test(start_paused = true)]
async fn drop_newest_gives_the_message_back() {
    let (server, tx, client) = full().await;
    assert_eq!(tx.offer("four", Overflow::DropNewest), Err(TrySendError::Full("four".into())));
    assert_eq!(tx.queue().dropped, 1);
    assert_eq!(arrivals(server, client).await, messages(&["one.", "two.", "thr."]));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_makes_room_by_messages_and_by_bytes() {
    let (server, tx, client) = full().await;
    assert_eq!(tx.offer("four", Overflow::DropOldest), Ok(Offered::Displaced(1)));
    assert_eq!(tx.offer("sixsix", Overflow::DropOldest), Ok(Offered::Displaced(2)));
    assert_eq!((tx.queue().dropped, tx.queue().messages, tx.queue().bytes, tx.queue().peak_bytes), (3, 2, 10, 12));
    assert_eq!(arrivals(server, client).await, messages(&["four", "sixsix"]));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_takes_a_message_that_is_larger_than_the_whole_queue() {
    let (server, tx, client) = full().await;
    let large = "x".repeat(100);
    assert_eq!(tx.offer(large.clone(), Overflow::DropOldest), Ok(Offered::Displaced(3)));
    assert_eq!(arrivals(server, client).await, messages(&[&large]));
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_does_not_overtake_who_waits() {
    let (mut server, tx, mut client) = full().await;
    let waiting = tokio::spawn({
        let tx = tx.clone();
        async move { tx.send("wait").await }
    });
    tokio::task::yield_now().await;
    tx.offer("four", Overflow::DropOldest).unwrap();
    tokio::spawn(async move { server.recv().await });
    for expected in ["two.", "thr.", "four", "wait"] {
        assert_eq!(client.recv().await, Some(expected.into()));
    }
    waiting.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn keep_latest_replaces_the_message_of_the_same_key_where_it_stands() {
    let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 3 }).build();
    let (mut server, client) = pair(upgrader, 4096).await;
    let tx = server.sender();
    let latest = |key: &str| Overflow::KeepLatest(key.into());
    assert_eq!(tx.offer("a1", latest("a")), Ok(Offered::Queued));
    assert_eq!(tx.offer("b1", latest("b")), Ok(Offered::Queued));
    assert_eq!(tx.offer("a2, longer", latest("a")), Ok(Offered::Replaced));
    assert_eq!(tx.offer("plain", Overflow::DropNewest), Ok(Offered::Queued));
    assert_eq!(tx.offer("a3", latest("a")), Ok(Offered::Replaced), "also when the queue is full");
    assert_eq!(tx.offer("c1", latest("c")), Err(TrySendError::Full("c1".into())));
    assert_eq!((tx.queue().bytes, tx.queue().dropped), (9, 3));
    assert_eq!(arrivals(server, client).await, messages(&["a3", "b1", "plain"]));
}

#[tokio::test(start_paused = true)]
async fn close_ends_the_connection_behind_what_is_queued() {
    let (server, tx, mut client) = full().await;
    let overflow = Overflow::Close(CloseCode::TRY_AGAIN_LATER, "too slow".into());
    assert_eq!(tx.offer("four", overflow.clone()), Err(TrySendError::Full("four".into())));
    assert_eq!(tx.offer("five", overflow), Err(TrySendError::Closed("five".into())));
    let server = tokio::spawn(server.run(|_tx, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    }));
    for expected in ["one.", "two.", "thr."] {
        assert_eq!(client.recv().await, Some(expected.into()));
    }
    assert_eq!(client.recv().await, None);
    let received = client.close_report().unwrap().received.clone().unwrap();
    assert_eq!((received.code, received.reason()), (Some(CloseCode::TRY_AGAIN_LATER), "too slow"));
    assert_eq!(server.await.unwrap().cause, Cause::ClosedHere("the peer did not read fast enough".into()));
}

#[tokio::test(start_paused = true)]
async fn a_prepared_message_goes_to_many_and_counts_as_any_other() {
    let news = Prepared::new("news");
    let (server, tx, client) = full().await;
    assert_eq!(tx.try_send(&news), Err(TrySendError::Full("news".into())));
    assert_eq!(tx.offer(&news, Overflow::DropOldest), Ok(Offered::Displaced(1)));
    assert_eq!(arrivals(server, client).await, messages(&["two.", "thr.", "news"]));
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    server.send(&news).await.unwrap();
    assert_eq!(client.recv().await, Some("news".into()));
}
