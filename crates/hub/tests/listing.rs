//! Finding sessions, page by page, while others come and go.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::collections::BTreeSet;

use pipes::join;
use serde_json::{Map, Value};
use silverback::WebSocket;
use silverback_hub::{Attributes, Hub, Identity, Query, Session, SessionId};

fn identity(number: usize) -> Identity {
    let attributes = Map::from_iter([("even".to_owned(), Value::from(number.is_multiple_of(2)))]);
    Identity::new(format!("user-{}", number / 3))
        .on_device(format!("device-{}", number % 3))
        .with_attributes(Attributes::new(attributes).unwrap())
}

async fn crowd(hub: &Hub, count: usize) -> Vec<(Session, WebSocket)> {
    let mut crowd = Vec::new();
    for number in 0..count {
        crowd.push(join(hub, identity(number)).await);
    }
    crowd
}

/// Everything that a query finds, in pages of this size.
fn found(hub: &Hub, query: &Query, limit: usize) -> Vec<SessionId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = hub.page(query, after, limit);
        assert!(page.sessions.len() <= limit);
        found.extend(page.sessions.iter().map(|session| session.id));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_of_any_size_make_the_whole_list_in_order() {
    let hub = Hub::new();
    let crowd = crowd(&hub, 300).await;
    let everybody: Vec<_> = crowd.iter().map(|(session, _)| session.info().id).collect();
    for limit in [1, 2, 7, 100, 299, 300, 301, usize::MAX] {
        assert_eq!(found(&hub, &Query::all(), limit), everybody, "in pages of {limit}");
    }
    assert_eq!(hub.page(&Query::all(), None, 300).next, None, "the last page says so");
}

#[tokio::test(start_paused = true)]
async fn a_query_finds_what_meets_all_of_it() {
    let hub = Hub::new();
    let crowd = crowd(&hub, 300).await;
    let meant = |is_meant: fn(usize) -> bool| -> Vec<SessionId> {
        let numbered = crowd.iter().enumerate().filter(|(number, _)| is_meant(*number));
        numbered.map(|(_, (session, _))| session.info().id).collect()
    };
    for limit in [1, 4, 1000] {
        assert_eq!(found(&hub, &Query::all().user("user-7"), limit), meant(|number| number / 3 == 7));
        assert_eq!(found(&hub, &Query::all().user("user-7").device("device-1"), limit), meant(|number| number == 22));
        assert_eq!(found(&hub, &Query::all().user("user"), limit), []);
        let prefixed = meant(|number| number / 3 == 7 || (70..80).contains(&(number / 3)));
        assert_eq!(found(&hub, &Query::all().user_prefix("user-7"), limit), prefixed);
        assert_eq!(found(&hub, &Query::all().device("device-2"), limit), meant(|number| number % 3 == 2));
        let even = meant(|number| number % 2 == 0 && number % 3 == 1);
        assert_eq!(found(&hub, &Query::all().attribute("even", true).device("device-1"), limit), even);
    }
}

#[tokio::test(start_paused = true)]
async fn who_stays_is_listed_once_whoever_comes_and_goes_meanwhile() {
    let hub = Hub::new();
    let mut crowd = crowd(&hub, 200).await;
    let staying: BTreeSet<_> = crowd.iter().step_by(2).map(|(session, _)| session.info().id).collect();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = hub.page(&Query::all(), after, 10);
        listed.extend(page.sessions.iter().map(|session| session.id).filter(|id| staying.contains(id)));
        if listed.len() < staying.len() / 2 {
            let leaving = crowd.iter().position(|(session, _)| !staying.contains(&session.info().id)).unwrap();
            drop(crowd.remove(leaving));
            crowd.push(join(&hub, Identity::new("newcomer")).await);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(listed.iter().eq(&staying));
}
