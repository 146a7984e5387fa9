//! Emptying a hub.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::time::Duration;

use pipes::{SECOND, join, listening, pair, told, try_join};
use serde_json::Value;
use silverback::{CloseCode, Upgrader};
use silverback_hub::{Asked, Drain, Hub, Identity, JoinRefused, Query};
use tokio::time::{Instant, sleep};

fn retry_ms(reason: &str) -> u64 {
    let reason: Value = serde_json::from_str(reason).unwrap();
    assert_eq!(reason["reason"], "restarting");
    reason["retry_ms"].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn sessions_are_closed_one_after_the_other_each_with_a_hint_of_its_own() {
    let hub = Hub::new();
    let mut clients = Vec::new();
    for number in 0..100 {
        let client = listening(&hub, Identity::new(format!("user-{number}"))).await;
        clients.push(tokio::spawn(async move {
            let told = told(client).await;
            (told, Instant::now())
        }));
    }
    let began = Instant::now();
    let drained = hub.drain(Drain { over: 10 * SECOND, come_back_within: 60 * SECOND, ..Drain::default() }).await;
    assert_eq!((drained.sessions, drained.closed, drained.left.len()), (100, 100, 0));
    assert!(began.elapsed() < 11 * SECOND, "it ends when the last has left");
    let (mut hints, mut last) = (Vec::new(), began);
    for client in clients {
        let ((code, reason), at) = client.await.unwrap();
        assert_eq!(code, 1012);
        hints.push(retry_ms(&reason));
        assert!(at >= last, "the oldest first");
        last = at;
    }
    assert!(last - began >= 9 * SECOND, "over the whole window");
    assert!(hints.iter().all(|hint| *hint <= 60_000));
    assert!(hints.iter().max().unwrap() - hints.iter().min().unwrap() > 20_000, "{hints:?} are spread");
    let ended = hub.ended(&Query::all(), None, 1000).sessions;
    assert!(ended.len() == 100 && ended.iter().all(|life| life.asked == Some(Asked::Drained)));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_during_a_drain_is_refused_or_closed_at_once() {
    let hub = Hub::new();
    let reservation = hub.reserve(Identity::new("bob")).unwrap();
    let _silent = join(&hub, Identity::new("alice")).await; // nobody drives it: it does not end
    assert!(!hub.is_draining());
    let draining = tokio::spawn({
        let hub = hub.clone();
        async move { hub.drain(Drain { over: SECOND, patience: 5 * SECOND, ..Drain::default() }).await }
    });
    sleep(Duration::from_millis(1)).await;
    assert!(hub.is_draining());
    let (refused, client) = try_join(&hub, Identity::new("carol")).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.refused, JoinRefused::Draining);
    let (_, (code, _)) = tokio::join!(refused.close(), told(client));
    assert_eq!(code, 1012);
    let (server, client) = pair(Upgrader::default()).await;
    pipes::listen(reservation.join(server));
    let (code, reason) = told(client).await;
    assert_eq!(code, 1012);
    retry_ms(&reason);
    let drained = draining.await.unwrap();
    assert_eq!((drained.sessions, drained.closed), (1, 1));
    assert_eq!(drained.left.iter().map(|session| &*session.identity.user).collect::<Vec<_>>(), ["alice"]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_hub_is_drained_at_once() {
    let began = Instant::now();
    let drained = Hub::new().drain(Drain { code: CloseCode::GOING_AWAY, ..Drain::default() }).await;
    assert_eq!((drained.sessions, began.elapsed()), (0, Duration::ZERO));
}
