//! What is counted.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use pipes::{SECOND, join, listening, until_empty};
use silverback::CloseCode;
use silverback_hub::{Hub, Identity, Policy, Request, WhenFull};
use tokio::time::sleep;

/// Every value of the hub's by its name and labels, added up over all looks; of a histogram, how many values it has.
fn look(snapshotter: &Snapshotter, sums: &mut BTreeMap<String, f64>) {
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let (_, key) = key.into_parts();
        let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
        let name = format!("{} {}", key.name(), labels.join(" ")).trim().to_owned();
        *sums.entry(name).or_default() += match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(change) => *change, // each look sets it back
            DebugValue::Histogram(values) => values.len() as f64,
        };
    }
}

/// One test, since there is one recorder in a thread's life.
#[test]
fn a_session_is_counted_from_its_joining_to_its_end() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mut sums = BTreeMap::new();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let hub = Hub::builder().policy(Policy { max_sessions: NonZeroUsize::new(2), ..Policy::default() }).event_backlog(1).build();
            let mut slow = hub.subscribe();
            let mut clients = Vec::new();
            for user in ["alice", "alice", "alice", "bob"] {
                clients.push(listening(&hub, Identity::new(user)).await);
            }
            drop(clients.remove(0)); // has been displaced
            sleep(SECOND).await;
            look(&snapshotter, &mut sums);
            assert_eq!((sums["silverback_sessions"], sums["silverback_users"]), (3.0, 2.0));
            hub.everyone().send("news");
            let _ = hub.user("bob").request(&Request::new(1), SECOND).await;
            hub.set_policy(Policy { max_sessions: Some(NonZeroUsize::MIN), when_full: WhenFull::RefuseNew, ..Policy::default() });
            assert!(hub.reserve(Identity::new("bob")).is_err());
            hub.user("alice").close(CloseCode::NORMAL, "");
            assert_eq!(hub.user("alice").send("late").refused, 2);
            for client in clients {
                client.close(CloseCode::NORMAL, "").await;
            }
            until_empty(&hub).await;
            drop(join(&hub, Identity::new("carol")).await);
            assert!(slow.next().await.unwrap().is_err());
        });
    });
    look(&snapshotter, &mut sums);
    let expected = [
        ("silverback_sessions", 0.0),
        ("silverback_users", 0.0),
        ("silverback_joins_total joined", 5.0),
        ("silverback_joins_total too_many_sessions", 1.0),
        ("silverback_session_ends_total displaced", 1.0),
        ("silverback_session_ends_total closed_by_application", 2.0),
        ("silverback_session_ends_total closed_by_peer", 1.0),
        ("silverback_session_ends_total closed_here", 1.0),
        ("silverback_session_seconds", 5.0),
        ("silverback_deliveries_total queued", 4.0),
        ("silverback_deliveries_total refused", 2.0),
        ("silverback_requests_total timed_out", 1.0),
        ("silverback_events_missed_total", 9.0),
    ];
    for (name, value) in expected {
        assert_eq!(sums.get(name), Some(&value), "{name} in {sums:#?}");
    }
}
