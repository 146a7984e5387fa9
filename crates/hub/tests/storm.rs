//! Everybody at once, and the worst of ends.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::future::{Future, pending, poll_fn};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pipes::{join, listening, pair, told, until_empty};
use silverback::{Upgrader, WebSocket};
use silverback_hub::{Event, Hub, Identity, Policy, SessionReceiver, WhenFull};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

const LOG_INS: usize = 5000;
const DEADLINE: Duration = Duration::from_secs(60);

fn one_session(when_full: WhenFull) -> Hub {
    Hub::builder().policy(Policy { max_sessions: NonZeroUsize::new(1), one_per_device: false, when_full }).build()
}

/// What each of 5,000 clients of one user was told, who all came at the same moment; the last one that stays is told nothing.
async fn storm(hub: &Hub) -> Vec<(u16, String)> {
    let start = Arc::new(Barrier::new(LOG_INS));
    let most = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..LOG_INS {
        let (hub, start, most) = (hub.clone(), start.clone(), most.clone());
        clients.spawn(async move {
            let (server, client) = pair(Upgrader::default()).await;
            start.wait().await;
            tokio::spawn(log_in(hub, server, most));
            told(client).await
        });
    }
    let mut all_told = Vec::new();
    while all_told.len() < LOG_INS - 1 {
        all_told.push(timeout(DEADLINE, clients.join_next()).await.expect("all but one are told").unwrap().unwrap());
    }
    assert_eq!(most.load(Ordering::Relaxed), 1, "the bound was broken");
    let winner = hub.user("alice").sessions();
    assert_eq!((winner.len(), hub.len(), hub.sessions()), (1, 1, winner));
    assert_eq!(hub.user("alice").send("hello").queued, 1, "whoever has won is alive");
    clients.shutdown().await;
    until_empty(hub).await;
    all_told
}

async fn log_in(hub: Hub, server: WebSocket, most: Arc<AtomicUsize>) {
    let session = match hub.join(Identity::new("alice"), server) {
        Ok(session) => session,
        Err(not_joined) => {
            not_joined.close().await;
            return;
        }
    };
    most.fetch_max(session.of_user(), Ordering::Relaxed);
    session
        .run(|_tx, mut rx| async move {
            while rx.recv().await.is_some() {}
            Ok(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_thousand_log_ins_at_once_the_last_stays_and_all_others_are_told_why() {
    let told = storm(&one_session(WhenFull::close_oldest())).await;
    assert!(told.iter().all(|told| *told == (4409, "opened elsewhere".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_thousand_log_ins_at_once_the_first_stays_and_all_others_are_told_why() {
    let told = storm(&one_session(WhenFull::RefuseNew)).await;
    let reason = "there is no room for another session of this user (at most 1): close one first";
    assert!(told.iter().all(|told| *told == (4429, reason.to_owned())), "{:?}", told.first());
}

/// Some of 5,000 reservations are given up, and yet somebody always wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_five_thousand_reservations_at_once_one_is_granted() {
    let hub = one_session(WhenFull::RefuseNew);
    let mut tasks = JoinSet::new();
    let start = Arc::new(Barrier::new(LOG_INS));
    for _ in 0..LOG_INS {
        let (hub, start) = (hub.clone(), start.clone());
        tasks.spawn(async move {
            start.wait().await;
            hub.reserve(Identity::new("alice"))
        });
    }
    let reserved = tasks.join_all().await;
    assert_eq!(reserved.iter().filter(|reserved| reserved.is_ok()).count(), 1);
    drop(reserved);
    assert!(hub.reserve(Identity::new("alice")).is_ok());
}

#[test]
fn a_runtime_that_is_dropped_leaves_nobody() {
    let hub = Hub::new();
    let (mut connected, mut ended) = (0, 0);
    let runtime = Runtime::new().unwrap();
    let mut events = hub.subscribe();
    let clients = runtime.block_on(async {
        let mut clients = Vec::new();
        for user in 0..200 {
            clients.push(listening(&hub, Identity::new(format!("user-{user}"))).await);
        }
        yield_now().await;
        clients
    });
    assert_eq!(hub.len(), 200);
    drop(runtime);
    assert_eq!((hub.len(), hub.sessions()), (0, vec![]));
    drop(clients);
    drop(hub);
    let runtime = Runtime::new().unwrap();
    while let Some(event) = runtime.block_on(events.next()) {
        match event.unwrap() {
            Event::Connected(_) => connected += 1,
            Event::Ended { report, .. } => {
                assert_eq!(report.cause.to_string(), "dropped here");
                ended += 1;
            }
            _ => {}
        }
    }
    assert_eq!((connected, ended), (200, 200));
}

/// Drops what it polls after so many polls.
struct DroppedAfter<F>(usize, Option<Pin<Box<F>>>);

impl<F: Future> Future for DroppedAfter<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polls = self.0;
        let is_over = match (&mut self.1, polls) {
            (None, _) | (_, 0) => true,
            (Some(future), _) => future.as_mut().poll(cx).is_ready(),
        };
        if is_over {
            self.1 = None;
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}

async fn chat(mut rx: SessionReceiver) {
    while let Some(message) = rx.recv().await {
        if message == "panic".into() {
            panic!("on purpose");
        }
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_life_may_be_dropped_at_each_of_its_awaits() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    for after in 0..40 {
        let (session, mut client) = join(&hub, Identity::new("alice")).await;
        let run = session.run(|tx, rx| async move {
            tx.send("hello").await?;
            chat(rx).await;
            Ok(())
        });
        let task = tokio::spawn(DroppedAfter(after, Some(Box::pin(run))));
        for message in ["one", "two", "panic"] {
            let _ = client.send(message).await;
        }
        let _ = timeout(DEADLINE, client.close(silverback::CloseCode::NORMAL, "")).await;
        let _ = task.await;
        assert_eq!((hub.len(), hub.sessions()), (0, vec![]), "after {after} polls");
        let (mut connected, mut ended) = (0, 0);
        while let Ok(Some(event)) = timeout(Duration::from_millis(1), events.next()).await {
            match event.unwrap() {
                Event::Connected(_) => connected += 1,
                Event::Ended { .. } => ended += 1,
                _ => assert_eq!((connected, ended), (1, 0)),
            }
        }
        assert_eq!((connected, ended), (1, 1), "after {after} polls");
    }
}

/// In its handler's future.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_while_it_is_dropped_leaves_no_entry() {
    let hub = Hub::new();
    let (session, _client) = join(&hub, Identity::new("alice")).await;
    let run = tokio::spawn(session.run(|_tx, _rx| async {
        let _guard = PanicsWhenDropped;
        pending::<()>().await;
        Ok(())
    }));
    yield_now().await;
    run.abort();
    assert!(run.await.unwrap_err().is_panic());
    until_empty(&hub).await;
}

#[tokio::test(start_paused = true)]
async fn subscribers_that_panic_or_vanish_change_nothing() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    let panics = {
        let mut events = hub.subscribe();
        tokio::spawn(async move {
            let event = events.next().await;
            panic!("on purpose: {event:?}");
        })
    };
    let has_waited = AtomicBool::new(false);
    let mut vanishes = hub.subscribe();
    {
        let mut next = pin!(vanishes.next());
        poll_fn(|cx| {
            assert!(next.as_mut().poll(cx).is_pending());
            has_waited.store(true, Ordering::Relaxed);
            Poll::Ready(())
        })
        .await;
    }
    drop(vanishes);
    let (session, client) = join(&hub, Identity::new("alice")).await;
    assert!(panics.await.unwrap_err().is_panic());
    drop((session, client));
    assert_eq!(hub.sessions(), []);
    assert!(matches!(events.next().await, Some(Ok(Event::Connected(_)))));
    assert!(matches!(events.next().await, Some(Ok(Event::Ended { .. }))));
}
