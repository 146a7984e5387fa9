//! The sessions that have ended, for whoever asks why.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Query, SessionId, Timeline};

/// How much is remembered of sessions that have ended. The oldest are forgotten first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedLimits {
    /// How many.
    pub entries: usize,
    /// In about how many bytes.
    pub bytes: usize,
}

impl Default for EndedLimits {
    /// 10,000 sessions in 16 MiB.
    fn default() -> Self {
        Self { entries: 10_000, bytes: 16 << 20 }
    }
}

/// Some of the sessions that have ended, the last to end first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedPage {
    /// Their lives.
    pub sessions: Vec<Arc<Timeline>>,
    /// Where to go on, if there is more. Sessions that end meanwhile change nothing about it.
    pub next: Option<EndedCursor>,
}

/// A place among the sessions that have ended: the number of an end in this hub, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedCursor(pub u64);

#[derive(Debug)]
pub(crate) struct Ended {
    limits: EndedLimits,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    /// With the bytes that each counts for.
    lives: VecDeque<(usize, Arc<Timeline>)>,
    bytes: usize,
    /// How many have ended ever.
    count: u64,
}

impl Ended {
    pub(crate) fn new(limits: EndedLimits) -> Self {
        Self { limits, ring: Mutex::default() }
    }

    pub(crate) fn push(&self, life: Timeline) {
        let (bytes, life) = (life.memory(), Arc::new(life));
        let mut forgotten = Vec::new(); // dropped behind the lock
        let mut ring = self.ring();
        ring.lives.push_back((bytes, life));
        ring.bytes += bytes;
        ring.count += 1;
        while ring.lives.len() > self.limits.entries || ring.bytes > self.limits.bytes {
            let Some(oldest) = ring.lives.pop_front() else { break };
            ring.bytes -= oldest.0;
            forgotten.push(oldest);
        }
        drop(ring);
    }

    /// The last to end first, from behind `before`.
    pub(crate) fn page(&self, query: &Query, before: Option<EndedCursor>, limit: usize) -> EndedPage {
        let ring = self.ring();
        let first = ring.count - ring.lives.len() as u64;
        let end = before.map_or(ring.count, |EndedCursor(number)| number.min(ring.count));
        let end = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut page = EndedPage { sessions: Vec::new(), next: None };
        let mut last = None;
        for (at, (_, life)) in ring.lives.range(..end).enumerate().rev().filter(|(_, (_, life))| query.is_met_by(&life.session)) {
            if page.sessions.len() == limit {
                page.next = last;
                break;
            }
            page.sessions.push(life.clone());
            last = Some(EndedCursor(first + at as u64));
        }
        page
    }

    pub(crate) fn session(&self, id: SessionId) -> Option<Arc<Timeline>> {
        let ring = self.ring();
        ring.lives.iter().rev().map(|(_, life)| life).find(|life| life.session.id == id).cloned()
    }

    /// What is done under this lock does not panic, so a poisoned one is as good as any.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
