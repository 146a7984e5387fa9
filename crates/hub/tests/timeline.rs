//! Why was alice disconnected?
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::time::Duration;

use pipes::{SECOND, join, listen, listening, pair, until_empty};
use silverback::{Cause, CloseCode, QueueLimits, Upgrader};
use silverback_hub::{Asked, EndedLimits, Event, Hub, Identity, Query, What};
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_life_is_told_while_it_is_lived_and_when_it_is_over() {
    let hub = Hub::new();
    let (server, client) = pair(Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 1 }).build()).await;
    let identity = Identity::new("alice").from_source("cookie").with_handshake("a page of https://app.example.com");
    let session = hub.join(identity, server).unwrap();
    let (id, notes) = (session.info().id, session.notes());
    for _ in 0..3 {
        hub.user("alice").send("news");
    }
    sleep(SECOND).await;
    notes.add("warned of its token's end");
    let living = hub.timeline(id).unwrap();
    assert!(living.end.is_none());
    let moments: Vec<_> = living.moments.iter().map(|moment| (moment.after, moment.what.clone())).collect();
    assert_eq!(moments, [(Duration::ZERO, What::FirstDrop), (SECOND, What::Note("warned of its token's end".into()))]);
    assert_eq!((living.queue.messages, living.queue.peak_bytes, living.queue.dropped), (1, 4, 2));

    listen(session);
    assert_eq!(hub.user("alice").close(CloseCode::POLICY_VIOLATION, "banned"), 1);
    assert_eq!(hub.close_all(CloseCode::NORMAL, "again and again"), 0);
    pipes::told(client).await;
    until_empty(&hub).await;
    let life = hub.timeline(id).unwrap();
    assert_eq!((life.asked, life.moments.len()), (Some(Asked::Application), 3));
    let report = &life.end.as_ref().unwrap().report;
    assert!(matches!(report.cause, Cause::ClosedHere(_)) && report.is_clean());
    assert_eq!(hub.ended(&Query::all().user("alice"), None, 10).sessions, std::slice::from_ref(&life));
    assert_eq!(life.session.identity.handshake.as_deref(), Some("a page of https://app.example.com"));
    notes.add("too late");
    assert_eq!(hub.timeline(id).unwrap(), life);
}

#[tokio::test(start_paused = true)]
async fn whoever_hears_of_an_end_finds_it() {
    let hub = Hub::new();
    let mut events = hub.subscribe();
    drop(join(&hub, Identity::new("alice")).await);
    while let Some(Ok(event)) = events.next().await {
        if let Event::Ended { session, report } = event {
            assert_eq!(hub.timeline(session.id).unwrap().end.as_ref().unwrap().report, report);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ends_are_listed_the_last_first_and_new_ones_do_not_move_the_pages() {
    let hub = Hub::new();
    let mut ids = Vec::new();
    for number in 0..20 {
        let (session, _client) = join(&hub, Identity::new(if number % 2 == 0 { "alice" } else { "bob" })).await;
        ids.push(session.info().id);
    }
    let query = Query::all().user("alice");
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let page = hub.ended(&query, before, 3);
        found.extend(page.sessions.iter().map(|life| life.session.id));
        drop(join(&hub, Identity::new("alice")).await);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert!(found.iter().eq(ids.iter().step_by(2).rev()));
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_in_number_and_in_bytes() {
    for (limits, most) in [
        (EndedLimits { entries: 5, bytes: usize::MAX }, 5),
        (EndedLimits { entries: 100, bytes: 64 * 1024 }, 60),
        (EndedLimits { entries: 0, bytes: 0 }, 0),
    ] {
        let hub = Hub::builder().ended(limits).build();
        for number in 0..100 {
            let (session, _client) = join(&hub, Identity::new(format!("user-{number}"))).await;
            for _ in 0..100 {
                session.notes().add("ö".repeat(200));
            }
            let living = hub.timeline(session.info().id).unwrap();
            assert_eq!((living.moments.len(), living.forgotten), (24, 76));
            assert!(living.moments.iter().all(|moment| moment.what == What::Note("ö".repeat(100).into())));
        }
        let remembered = hub.ended(&Query::all(), None, usize::MAX).sessions;
        assert!(remembered.len() <= most && remembered.is_empty() == (most == 0), "{}", remembered.len());
        assert!(remembered.iter().all(|life| life.end.is_some()));
        assert_eq!(
            hub.timeline(
                remembered.first().map_or_else(|| "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), |life| life.session.id)
            )
            .is_some(),
            most > 0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_that_closes_is_not_said_to_be_closed() {
    let hub = Hub::new();
    let client = listening(&hub, Identity::new("alice")).await;
    client.close(CloseCode::NORMAL, "bye").await;
    until_empty(&hub).await;
    let life = &hub.ended(&Query::all(), None, 1).sessions[0];
    assert_eq!((life.asked, &life.end.as_ref().unwrap().report.cause), (None, &Cause::ClosedByPeer));
}
