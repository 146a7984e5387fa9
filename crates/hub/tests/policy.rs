//! How many sessions a user has, and what one too many is told.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::num::NonZeroUsize;

use pipes::{SECOND, join, listen, listening, pair, story, told, try_join, until_empty};
use silverback::{CloseCode, Upgrader};
use silverback_hub::{Asked, Hub, Identity, JoinRefused, Policy, WhenFull};
use tokio::time::sleep;

fn at_most(sessions: usize, when_full: WhenFull) -> Hub {
    Hub::builder().policy(Policy { max_sessions: NonZeroUsize::new(sessions), one_per_device: false, when_full }).build()
}

fn one_per_device(when_full: WhenFull) -> Hub {
    Hub::builder().policy(Policy { max_sessions: None, one_per_device: true, when_full }).build()
}

fn alice() -> Identity {
    Identity::new("alice")
}

#[tokio::test(start_paused = true)]
async fn the_oldest_goes_at_once_and_is_told_why() {
    let hub = at_most(2, WhenFull::close_oldest());
    let (first, first_client) = join(&hub, alice()).await;
    let (second, _second_client) = join(&hub, alice()).await;
    assert_eq!((first.of_user(), second.of_user()), (1, 2));
    let oldest = first.info().id;
    listen(first);
    let (third, _third_client) = join(&hub, alice()).await;
    assert_eq!(third.of_user(), 2);
    assert_eq!(hub.user("alice").sessions(), [second.info().clone(), third.info().clone()], "before the old connection has ended");
    assert!(hub.session(oldest).sessions().is_empty());
    assert_eq!(told(first_client).await, (4409, "opened elsewhere".to_owned()));
    sleep(SECOND).await;
    let life = hub.timeline(oldest).unwrap();
    assert_eq!(life.asked, Some(Asked::Displaced { by: third.info().id }));
    assert_eq!(hub.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_old_session_may_be_told_something_else() {
    let code = CloseCode::new(4000).unwrap();
    let hub = at_most(1, WhenFull::CloseOldest { code, reason: "elsewhere".into() });
    let old = listening(&hub, alice()).await;
    let _new = listening(&hub, alice()).await;
    assert_eq!(told(old).await, (4000, "elsewhere".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_new_one_is_refused_until_there_is_room() {
    let hub = at_most(1, WhenFull::RefuseNew);
    let (first, _client) = join(&hub, alice()).await;
    let _bob = listening(&hub, Identity::new("bob")).await;
    let (second, client) = try_join(&hub, alice()).await;
    let not_joined = second.unwrap_err();
    assert_eq!(not_joined.refused, JoinRefused::TooManySessions { user: "alice".into(), limit: NonZeroUsize::MIN });
    let (_, (code, reason)) = tokio::join!(not_joined.close(), told(client));
    assert_eq!((code, reason.contains("close one first")), (4429, true), "{reason}");
    drop(first);
    assert!(try_join(&hub, alice()).await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_reservation_keeps_a_place_until_it_is_dropped() {
    let hub = at_most(1, WhenFull::RefuseNew);
    let reserved = hub.reserve(alice()).unwrap();
    assert!(hub.reserve(alice()).is_err());
    assert!(hub.is_empty() && hub.user("alice").sessions().is_empty(), "a place is no session");
    drop(reserved);
    let reserved = hub.reserve(alice()).unwrap();
    let (server, _client) = pair(Upgrader::default()).await;
    let session = reserved.join(server);
    assert!(hub.reserve(alice()).is_err());
    drop(session);
    assert!(hub.reserve(alice()).is_ok());
    until_empty(&hub).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_takes_its_own_place_and_leaves_the_others() {
    let hub = at_most(2, WhenFull::RefuseNew);
    let (first, second) = (hub.reserve(alice()).unwrap(), hub.reserve(alice()).unwrap());
    let (server, _client) = pair(Upgrader::default()).await;
    let session = first.join(server);
    assert!(hub.reserve(alice()).is_err(), "the second place is still kept");
    drop(second);
    assert!(hub.reserve(alice()).is_ok());
    drop(session);
}

#[tokio::test(start_paused = true)]
async fn a_reservation_displaces_nobody_before_it_joins() {
    let hub = at_most(1, WhenFull::close_oldest());
    let mut events = hub.subscribe();
    let _old = listening(&hub, alice()).await;
    let reserved = [hub.reserve(alice()).unwrap(), hub.reserve(alice()).unwrap()];
    assert_eq!(story(&mut events, 1).await, ["alice connected"]);
    drop(reserved);
    assert_eq!(story(&mut events, 1).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn each_device_has_one_session_and_what_has_no_name_is_no_device() {
    let hub = one_per_device(WhenFull::close_oldest());
    let phone = listening(&hub, alice().on_device("phone")).await;
    let _tablet = listening(&hub, alice().on_device("tablet")).await;
    let _bobs = listening(&hub, Identity::new("bob").on_device("phone")).await;
    let _unknown = [listening(&hub, alice()).await, listening(&hub, alice()).await];
    assert_eq!(hub.user("alice").sessions().len(), 4);
    let _newer = listening(&hub, alice().on_device("phone")).await;
    assert_eq!(told(phone).await.0, 4409);
    assert_eq!(hub.user("alice").sessions().len(), 4);

    let hub = one_per_device(WhenFull::RefuseNew);
    let _phone = listening(&hub, alice().on_device("phone")).await;
    let refused = hub.reserve(alice().on_device("phone")).unwrap_err();
    assert_eq!(refused, JoinRefused::DeviceConnected { user: "alice".into(), device: "phone".into() });
    let _place = hub.reserve(alice().on_device("tablet")).unwrap();
    assert!(hub.reserve(alice().on_device("tablet")).is_err(), "a place counts");
    assert!(hub.reserve(alice()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stricter_policy_holds_from_the_next_join_on() {
    let hub = Hub::new();
    let mut old = Vec::new();
    for _ in 0..4 {
        old.push(listening(&hub, alice()).await);
    }
    hub.set_policy(Policy { max_sessions: NonZeroUsize::new(2), ..Policy::default() });
    assert_eq!(hub.len(), 4);
    let (session, _client) = join(&hub, alice()).await;
    assert_eq!((session.of_user(), hub.len()), (2, 2));
    for client in old.drain(..3) {
        assert_eq!(told(client).await.0, 4409);
    }
}

#[tokio::test(start_paused = true)]
async fn epochs_of_a_user_grow_though_the_user_is_forgotten_in_between() {
    let hub = Hub::new();
    let mut last = 0;
    for _ in 0..3 {
        let (session, _client) = join(&hub, alice()).await;
        assert!(session.info().epoch > last);
        last = session.info().epoch;
    }
    let (session, _client) = join(&Hub::new(), alice()).await;
    assert!(session.info().epoch > last && session.info().epoch < 1 << 53, "a hub that is started again goes on above");
}
