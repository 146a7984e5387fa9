//! 200,000 joins and ends in random order, by random causes, under each policy.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "lives/mod.rs"]
mod lives;

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lives::{be_quiet_about_panics_on_purpose, live, pairs, resident_kib};
use silverback_hub::{Asked, EndedLimits, Hub, Policy, Query, WhenFull};
use tokio::sync::watch;
use tokio::time::timeout;

/// Half of them under each policy.
const LIVES: usize = 200_000;
const ROUNDS: usize = 4;
/// By so much the second half of the rounds may grow the process. What 50,000 sessions would leave behind is more than 100 MiB.
const GROWTH_KIB: usize = 8 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_lives_leave_nothing_behind_and_break_no_bound() {
    be_quiet_about_panics_on_purpose();
    for when_full in [WhenFull::close_oldest(), WhenFull::RefuseNew] {
        let policy = Policy { max_sessions: NonZeroUsize::new(2), one_per_device: true, when_full };
        let remembered = EndedLimits { entries: 1000, bytes: 1 << 20 };
        let hub = Hub::builder().policy(policy.clone()).event_backlog(1 << 16).ended(remembered).build();
        let (count, mut counted) = watch::channel(0);
        let counting = tokio::spawn(pairs(hub.subscribe(), count));
        let (mut joined, mut refused, mut memory) = (0, 0, 0);
        for round in 0..ROUNDS {
            let tally = live(&hub, LIVES / 2 / ROUNDS).await;
            assert!(tally.most_of_user.into_inner() <= 2, "the bound was broken");
            joined += tally.joined.load(Ordering::Relaxed);
            refused += tally.refused.load(Ordering::Relaxed);
            assert_eq!((hub.len(), hub.sessions().len()), (0, 0));
            // The events of one round fit into the backlog, however busy the machine is.
            let all = timeout(Duration::from_secs(60), counted.wait_for(|counted| *counted == joined)).await;
            assert!(all.is_ok(), "{joined} sessions have joined and not all are told to have ended");
            if round == ROUNDS / 2 {
                memory = resident_kib();
            }
        }
        let growth = resident_kib().saturating_sub(memory);
        assert!(growth < GROWTH_KIB, "{growth} KiB more than after half of the lives");
        let remembered = hub.ended(&Query::all(), None, usize::MAX).sessions;
        assert!(!remembered.is_empty() && remembered.len() <= 1000);
        let has_displaced = remembered.iter().any(|life| matches!(life.asked, Some(Asked::Displaced { .. })));
        assert_eq!(has_displaced, matches!(policy.when_full, WhenFull::CloseOldest { .. }));
        assert_eq!(joined + refused, LIVES / 2);
        assert_eq!(refused > 0, matches!(policy.when_full, WhenFull::RefuseNew));
        drop(hub);
        assert_eq!(counting.await.unwrap(), joined, "one first and one last event for each");
    }
}
