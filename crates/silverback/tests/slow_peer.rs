//! A peer that does not read: what it costs, and what it gets when it reads again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::time::Duration;

use pair::pair;
use silverback::{CloseCode, Overflow, QueueLimits, Sender, TrySendError, Upgrader, WebSocket};
use tokio::time::{Instant, sleep};

const BOUND: QueueLimits = QueueLimits { bytes: 10_000, messages: 100 };
const MESSAGES: usize = 20_000;

/// A message of 50 bytes.
fn numbered(number: usize) -> String {
    format!("{number:050}")
}

fn number(message: &silverback::Message) -> usize {
    message.as_text().unwrap().parse().unwrap()
}

/// Offers every message to a peer that does not read for a minute, and gives what it then gets. Meanwhile another connection in the same
/// runtime goes on as if nothing was.
async fn offered(overflow: Overflow) -> (Vec<usize>, WebSocket) {
    let (server, mut client) = pair(Upgrader::builder().queue(BOUND).heartbeat(None).build(), 4096).await;
    tokio::spawn(server.run(move |tx, _rx| async move {
        for number in 0..MESSAGES {
            let outcome = tx.offer(numbered(number), overflow.clone());
            is_within_bounds(&tx);
            if matches!(outcome, Err(TrySendError::Closed(_))) {
                break;
            }
            if number % 100 == 0 {
                sleep(Duration::from_millis(1)).await; // the driver's turn
            }
        }
        tx.closed().await;
        Ok(())
    }));
    another_goes_on().await;
    let mut numbers = Vec::new();
    while let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(5), client.recv()).await {
        numbers.push(number(&message));
    }
    (numbers, client)
}

fn is_within_bounds(tx: &Sender) {
    let queue = tx.queue();
    assert!(queue.bytes <= BOUND.bytes && queue.messages <= BOUND.messages && queue.peak_bytes <= BOUND.bytes, "{queue:?}");
}

/// An echo takes no time at all, for a minute.
async fn another_goes_on() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    tokio::spawn(server.run(|tx, mut rx| async move {
        while let Some(message) = rx.recv().await {
            tx.send(message).await?;
        }
        Ok(())
    }));
    for _ in 0..600 {
        let sent = Instant::now();
        client.send("are you there?").await.unwrap();
        client.recv().await.unwrap();
        assert_eq!(sent.elapsed(), Duration::ZERO);
        sleep(Duration::from_millis(100)).await;
    }
}

fn is_contiguous(numbers: &[usize]) -> bool {
    numbers.windows(2).all(|two| two[0] + 1 == two[1])
}

#[tokio::test(start_paused = true)]
async fn drop_newest_keeps_the_beginning() {
    let (numbers, _) = offered(Overflow::DropNewest).await;
    assert!(is_contiguous(&numbers) && numbers[0] == 0, "{numbers:?}");
    assert!((BOUND.messages..MESSAGES / 2).contains(&numbers.len()), "{}", numbers.len());
}

#[tokio::test(start_paused = true)]
async fn drop_oldest_keeps_the_end() {
    let (numbers, _) = offered(Overflow::DropOldest).await;
    let (on_their_way, queued) = numbers.split_at(numbers.len() - BOUND.messages);
    assert!(is_contiguous(on_their_way) && on_their_way[0] == 0);
    assert_eq!(queued, Vec::from_iter(MESSAGES - BOUND.messages..MESSAGES));
}

#[tokio::test(start_paused = true)]
async fn keep_latest_ends_with_the_latest() {
    let (numbers, _) = offered(Overflow::KeepLatest("number".into())).await;
    assert!(numbers.is_sorted());
    assert_eq!(numbers.last(), Some(&(MESSAGES - 1)));
    assert!(numbers.len() < MESSAGES / 2, "{}", numbers.len());
}

#[tokio::test(start_paused = true)]
async fn close_says_so_behind_what_was_queued() {
    let (numbers, client) = offered(Overflow::Close(CloseCode::TRY_AGAIN_LATER, "you are too slow".into())).await;
    assert!(is_contiguous(&numbers) && numbers[0] == 0);
    // It had five seconds for what was queued, and did not read for a minute.
    assert_eq!(client.close_report().map(|report| report.is_clean()), Some(false));
}

#[tokio::test(start_paused = true)]
async fn waiting_loses_nothing() {
    let (server, mut client) = pair(Upgrader::builder().queue(BOUND).heartbeat(None).build(), 4096).await;
    tokio::spawn(server.run(|tx, _rx| async move {
        for number in 0..MESSAGES {
            tx.send(numbered(number)).await?;
            is_within_bounds(&tx);
        }
        Ok(())
    }));
    another_goes_on().await;
    for expected in 0..MESSAGES {
        assert_eq!(number(&client.recv().await.unwrap()), expected);
    }
    assert_eq!(client.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_given_up_in_two_minutes() {
    let (server, client) = pair(Upgrader::builder().queue(BOUND).heartbeat(None).build(), 4096).await;
    let server = tokio::spawn(server.run(|tx, _rx| async move {
        while tx.send(numbered(0)).await.is_ok() {}
        Ok(())
    }));
    let began = Instant::now();
    let report = server.await.unwrap();
    assert_eq!((began.elapsed().as_secs(), report.cause.to_string()), (120, "no byte could be written for 120.0 s".to_owned()));
    assert!(report.unsent.messages >= BOUND.messages as u64);
    drop(client);
}
