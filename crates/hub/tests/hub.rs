//! Sessions from their joining to their end, over pipes in memory and with time that stands still.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use pipes::{SECOND, pair, story, until_empty};
use silverback::{Cause, CloseCode, Message, QueueLimits, Upgrader, WebSocket};
use silverback_hub::{Delivery, Event, Hub, Identity, Missed, Session};
use tokio::time::{sleep, timeout};

/// A session of `user`, and the client's end of its connection.
async fn join(hub: &Hub, user: &str, upgrader: Upgrader) -> (Session, WebSocket) {
    let (server, client) = pair(upgrader).await;
    (hub.join(Identity::new(user), server).unwrap(), client)
}

async fn listening(hub: &Hub, user: &str) -> WebSocket {
    pipes::listening(hub, Identity::new(user)).await
}

#[tokio::test(start_paused = true)]
async fn a_message_to_a_user_reaches_every_session_of_that_user_and_of_nobody_else() {
    let hub = Hub::new();
    let mut alice = [listening(&hub, "alice").await, listening(&hub, "alice").await];
    let mut bob = listening(&hub, "bob").await;
    assert_eq!(hub.user("alice").send("hello"), Delivery { sessions: 2, queued: 2, dropped: 0, refused: 0 });
    assert_eq!(hub.user("carol").send("hello"), Delivery::default());
    for client in &mut alice {
        assert_eq!(client.recv().await, Some("hello".into()));
    }
    assert!(timeout(SECOND, bob.recv()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn sessions_are_listed_the_oldest_first_and_leave_one_by_one() {
    let hub = Hub::new();
    let (first, _a) = join(&hub, "alice", Upgrader::default()).await;
    let (second, _b) = join(&hub, "bob", Upgrader::default()).await;
    let (third, _c) = join(&hub, "alice", Upgrader::default()).await;
    let infos = [&first, &second, &third].map(|session| session.info().clone());
    assert!(infos.is_sorted_by_key(|info| info.id) && infos[0].id != infos[1].id);
    assert_eq!(hub.sessions(), infos);
    assert_eq!(hub.clone().user("alice").sessions(), [infos[0].clone(), infos[2].clone()]);
    drop(first);
    assert_eq!(hub.sessions(), infos[1..]);
    assert_eq!(hub.user("alice").sessions(), infos[2..]);
    drop((second, third));
    assert_eq!(hub.sessions(), []);
}

#[tokio::test(start_paused = true)]
async fn a_close_goes_to_every_session_of_the_user() {
    let hub = Hub::new();
    let mut alice = [listening(&hub, "alice").await, listening(&hub, "alice").await];
    let bob = listening(&hub, "bob").await;
    assert_eq!(hub.user("alice").close(CloseCode::POLICY_VIOLATION, "banned"), 2);
    for client in &mut alice {
        assert_eq!(client.recv().await, None);
        let received = client.close_report().unwrap().received.as_ref().unwrap();
        assert_eq!((received.code, received.reason()), (Some(CloseCode::POLICY_VIOLATION), "banned"));
    }
    drop(alice);
    sleep(SECOND).await;
    assert_eq!(hub.sessions().len(), 1, "bob's");
    assert_eq!(hub.user("alice").close(CloseCode::NORMAL, ""), 0);
    drop(bob);
    until_empty(&hub).await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_counted_as_dropped_and_stops_nobody_else() {
    let hub = Hub::new();
    let narrow = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 2 }).build();
    let (_undriven, _client) = join(&hub, "alice", narrow).await;
    let mut other = listening(&hub, "alice").await;
    let counts = [2, 2, 1, 1].map(|queued| Delivery { sessions: 2, queued, dropped: 2 - queued, refused: 0 });
    for (number, expected) in counts.into_iter().enumerate() {
        assert_eq!(hub.user("alice").send(number.to_string()), expected);
        assert_eq!(other.recv().await, Some(number.to_string().into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_closing_refuses_messages() {
    let hub = Hub::new();
    let _silent = listening(&hub, "alice").await; // answers no Close, for nobody drives it
    hub.user("alice").close(CloseCode::NORMAL, "");
    assert_eq!(hub.user("alice").send("late"), Delivery { sessions: 1, refused: 1, ..Delivery::default() });
    until_empty(&hub).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_leaves_when_its_connection_has_ended_though_the_handler_goes_on() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    let (session, client) = join(&hub, "alice", Upgrader::default()).await;
    let run = tokio::spawn(session.run(|_tx, _rx| async {
        sleep(3600 * SECOND).await;
        Ok(())
    }));
    client.close(CloseCode::NORMAL, "").await;
    assert_eq!(story(&mut events, 1).await, ["alice connected", "alice ended: closed by the peer"]);
    assert_eq!(hub.sessions(), []);
    assert!(!run.is_finished(), "the handler is let finish");
    assert_eq!(run.await.unwrap().cause, Cause::ClosedByPeer);
    assert_eq!(story(&mut events, 1).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_session_leaves_however_it_ends_with_one_first_and_one_last_event() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    for (way, cause) in [
        ("panic", "the handler panicked: a bug"),
        ("panic before the first await", "the handler panicked: a bug"),
        ("error", "the handler failed: no"),
        ("return", "the handler returned"),
        ("cancel", "dropped here"),
        ("cancel unpolled", "dropped here"),
        ("drop unused", "dropped here"),
        ("client is gone", "the connection was lost without a close frame"),
    ] {
        let (session, mut client) = join(&hub, "alice", Upgrader::default()).await;
        client.send("hello").await.unwrap();
        let run = async |session: Session| {
            let handler = session.run(move |_tx, mut rx| {
                assert!(way != "panic before the first await", "a bug");
                async move {
                    assert_eq!(rx.recv().await, Some("hello".into()));
                    match way {
                        "panic" => panic!("a bug"),
                        "error" => Err("no".into()),
                        "return" => Ok(()),
                        _ => {
                            while rx.recv().await.is_some() {}
                            Ok(())
                        }
                    }
                }
            });
            timeout(SECOND, handler).await
        };
        match way {
            "cancel" => assert!(run(session).await.is_err()),
            "cancel unpolled" => drop(session.run(|_tx, _rx| async { Ok(()) })),
            "drop unused" => drop(session),
            "client is gone" => {
                drop(client);
                // It says Close when it is dropped; what it sent before is received first.
                let _ = run(session).await;
                assert_eq!(hub.sessions(), [], "{way}");
                let story = story(&mut events, 1).await;
                assert_eq!(story[..2], ["alice connected", "alice said 5"]);
                assert!(story.len() == 3 && story[2].starts_with("alice ended: "), "{cause}: {story:?}");
                continue;
            }
            _ => {
                let (report, end) = tokio::join!(run(session), client.recv());
                assert_eq!((report.unwrap().cause.to_string().as_str(), end), (cause, None));
            }
        }
        assert_eq!(hub.sessions(), [], "{way}");
        let story = story(&mut events, 1).await;
        let said = story.len() == 3 && story[1] == "alice said 5";
        assert!(said || story.len() == 2, "{way}: {story:?}");
        assert_eq!((story[0].as_str(), story.last().unwrap().as_str()), ("alice connected", &*format!("alice ended: {cause}")), "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_message_is_told_of_after_the_end() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    let (session, mut client) = join(&hub, "alice", Upgrader::default()).await;
    let run = tokio::spawn(session.run(|_tx, mut rx| async move {
        sleep(10 * SECOND).await; // a database
        while rx.recv().await.is_some() {}
        Ok(())
    }));
    for number in 0..3 {
        client.send(number.to_string()).await.unwrap();
    }
    client.close(CloseCode::NORMAL, "").await;
    run.await.unwrap();
    let story = story(&mut events, 1).await;
    assert_eq!(story.last().unwrap(), "alice ended: closed by the peer", "of {story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_lags_is_told_how_much_it_missed_and_holds_up_nobody() {
    let hub = Hub::new();
    let mut slow = hub.subscribe();
    let (session, mut client) = join(&hub, "alice", Upgrader::default()).await;
    tokio::spawn(session.run(|tx, mut rx| async move {
        while let Some(message) = rx.recv().await {
            tx.send(message).await?;
        }
        Ok(())
    }));
    let mut events = hub.subscribe();
    for number in 0..3000 {
        client.send(number.to_string()).await.unwrap();
        assert_eq!(client.recv().await, Some(number.to_string().into()), "the slow one is not waited for");
        assert!(matches!(events.next().await, Some(Ok(Event::Message { .. }))));
    }
    // Connected and 3,000 messages, of which 1,024 are kept.
    assert_eq!(slow.next().await.unwrap().unwrap_err(), Missed(1977));
    let first = slow.next().await.unwrap().unwrap();
    assert!(matches!(first, Event::Message { excerpt, .. } if excerpt == "1976".into()));
}

#[tokio::test(start_paused = true)]
async fn an_excerpt_is_at_most_a_kib_and_ends_between_characters() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    let mut client = listening(&hub, "alice").await;
    assert!(matches!(events.next().await, Some(Ok(Event::Connected(_)))));
    for (message, expected) in [
        (Message::text("a".repeat(1024)), Message::text("a".repeat(1024))),
        (Message::text("a".repeat(1025)), Message::text("a".repeat(1024))),
        (Message::text(format!("a{}", "ö".repeat(600))), Message::text(format!("a{}", "ö".repeat(511)))),
        (Message::text("🦍".repeat(50_000)), Message::text("🦍".repeat(256))),
        (Message::binary(vec![7; 100_000]), Message::binary(vec![7; 1024])),
    ] {
        let length = message.len();
        client.send(message).await.unwrap();
        let Some(Ok(Event::Message { size, excerpt, .. })) = events.next().await else { panic!("no event of it") };
        assert_eq!((size, excerpt), (length, expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_the_hub_and_its_sessions() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    let (session, _client) = join(&hub, "alice", Upgrader::default()).await;
    drop(hub);
    assert!(matches!(events.next().await, Some(Ok(Event::Connected(_)))));
    drop(session);
    assert!(matches!(events.next().await, Some(Ok(Event::Ended { .. }))));
    assert!(events.next().await.is_none());
}
