//! Connections that are at their first request. When there are too many, the one that has been at it longest has to go: whoever asks at once
//! gets through however many there are that never do.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: u64,
    /// In the order in which they came.
    connections: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection's time for its first request.
pub(crate) struct Turn {
    number: u64,
    turns: Turns,
    over: oneshot::Receiver<()>,
}

impl Turns {
    /// One more, and if that is one too many, the first has to go.
    pub(super) fn next(&self, bound: usize) -> Turn {
        let (tell, over) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(number, tell);
        while waiting.connections.len() > bound.max(1) {
            let Some((_, tell)) = waiting.connections.pop_first() else { break };
            let _ = tell.send(()); // it may have ended just now
        }
        drop(waiting);
        Turn { number, turns: self.clone(), over }
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).connections.len()
    }
}

impl Turn {
    /// Waits until it has to go, if it ever has to.
    ///
    /// Cancel-safe.
    pub(crate) async fn is_over(&mut self) {
        if (&mut self.over).await.is_err() {
            pending::<()>().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.0.lock().unwrap_or_else(PoisonError::into_inner).connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_first_has_to_go_when_there_is_one_too_many() {
        let turns = Turns::default();
        let (mut first, mut second, mut third) = (turns.next(3), turns.next(3), turns.next(3));
        assert!(first.is_over().now_or_never().is_none(), "there are three, and three may be");
        let mut fourth = turns.next(3);
        assert!(first.is_over().now_or_never().is_some());
        for turn in [&mut second, &mut third, &mut fourth] {
            assert!(turn.is_over().now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn who_has_gone_counts_no_more() {
        let turns = Turns::default();
        let mut first = turns.next(2);
        drop(turns.next(2));
        let _third = turns.next(2);
        assert!(first.is_over().now_or_never().is_none());
        drop((first, _third));
        assert_eq!(turns.count(), 0);
    }
}
