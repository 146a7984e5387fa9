//! Pages that are loaded again, for those who do not want to hear of it.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use pipes::{SECOND, join, story};
use silverback::{CloseCode, WebSocket};
use silverback_hub::{Hub, Identity};
use tokio::time::sleep;

fn phone(user: &str) -> Identity {
    Identity::new(user).on_device("phone")
}

async fn leave(client: WebSocket) {
    client.close(CloseCode::NORMAL, "").await;
    sleep(SECOND / 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_loaded_again_has_never_been_gone() {
    let hub = Hub::new();
    let (mut all, mut patient) = (hub.subscribe(), hub.subscribe_with(5 * SECOND));
    let first = pipes::listening(&hub, phone("alice")).await;
    leave(first).await;
    sleep(3 * SECOND).await;
    let mut second = pipes::listening(&hub, phone("alice")).await;
    second.send("back").await.unwrap();
    assert_eq!(story(&mut patient, 20).await, ["alice connected", "alice said 4"]);
    leave(second).await;
    assert_eq!(story(&mut patient, 4).await, [""; 0], "it may come back");
    assert_eq!(story(&mut patient, 2).await, ["alice ended: closed by the peer"]);
    let ended = "alice ended: closed by the peer";
    assert_eq!(story(&mut all, 1).await, ["alice connected", ended, "alice connected", "alice said 4", ended]);
}

#[tokio::test(start_paused = true)]
async fn a_page_may_be_loaded_again_and_again() {
    let hub = Hub::new();
    let mut patient = hub.subscribe_with(5 * SECOND);
    let mut told = Vec::new();
    for _ in 0..4 {
        let client = pipes::listening(&hub, phone("alice")).await;
        told.extend(story(&mut patient, 1).await);
        leave(client).await;
    }
    told.extend(story(&mut patient, 20).await);
    assert_eq!(told, ["alice connected", "alice ended: closed by the peer"]);
}

#[tokio::test(start_paused = true)]
async fn another_device_or_user_or_a_later_time_is_no_return() {
    let hub = Hub::new();
    let mut patient = hub.subscribe_with(5 * SECOND);
    let alice = pipes::listening(&hub, phone("alice")).await;
    leave(alice).await;
    let _others = [
        pipes::listening(&hub, Identity::new("alice").on_device("tablet")).await,
        pipes::listening(&hub, Identity::new("alice")).await,
        pipes::listening(&hub, phone("bob")).await,
    ];
    let ended = "alice ended: closed by the peer";
    assert_eq!(story(&mut patient, 4).await, ["alice connected", "alice connected", "alice connected", "bob connected"]);
    assert_eq!(story(&mut patient, 2).await, [ended]);
    let late = pipes::listening(&hub, phone("alice")).await;
    assert_eq!(story(&mut patient, 2).await, ["alice connected"]);
    leave(late).await;
}

#[tokio::test(start_paused = true)]
async fn each_return_takes_back_one_end() {
    let hub = Hub::new();
    let mut patient = hub.subscribe_with(5 * SECOND);
    let two = [pipes::listening(&hub, phone("alice")).await, pipes::listening(&hub, phone("alice")).await];
    for client in two {
        leave(client).await;
    }
    let _back = pipes::listening(&hub, phone("alice")).await;
    assert_eq!(story(&mut patient, 20).await, ["alice connected", "alice connected", "alice ended: closed by the peer"]);
}

#[tokio::test(start_paused = true)]
async fn ends_that_are_held_back_are_told_when_the_hub_is_gone() {
    let hub = Hub::new();
    let mut patient = hub.subscribe_with(3600 * SECOND);
    let (session, _client) = join(&hub, phone("alice")).await;
    drop(session);
    drop(hub);
    assert_eq!(story(&mut patient, 1).await, ["alice connected", "alice ended: dropped here"]);
    assert!(patient.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn more_ends_than_can_be_held_back_are_told_early() {
    const MOST: usize = 16 * 4;
    let hub = Hub::builder().event_backlog(4).build();
    let mut patient = hub.subscribe_with(3600 * SECOND);
    let (mut connected, mut ended) = (0, 0);
    for number in 0..MOST + 10 {
        let (session, _client) = join(&hub, phone(&number.to_string())).await;
        drop(session);
        for event in story(&mut patient, 1).await {
            connected += usize::from(event.ends_with("connected"));
            ended += usize::from(event.ends_with("dropped here"));
        }
    }
    assert_eq!((connected, ended), (MOST + 10, 10));
}
