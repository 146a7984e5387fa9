//! The handshakes that were refused lately, for whoever asks why somebody cannot connect. What is kept is bounded in number and size, and a flood
//! of one cause pushes no other out.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use http::header::{HeaderMap, HeaderValue, ORIGIN, USER_AGENT};
use silverback::Refusal;
use tokio::sync::broadcast;

use crate::limits::{Refused, refused};
use crate::listening::Remote;

/// How many are kept.
const KEPT: usize = 1000;

/// How many a subscriber may lag behind. There are ten a second of each cause, at most.
const BACKLOG: usize = 256;

/// The most bytes of what a client said.
const LONGEST: usize = 300;

/// Clones are the same.
#[derive(Clone)]
pub(crate) struct Handshakes {
    ring: Arc<Mutex<Ring>>,
    told: broadcast::Sender<Arc<RefusedHandshake>>,
}

#[derive(Default)]
struct Ring {
    /// The oldest first.
    kept: VecDeque<Arc<RefusedHandshake>>,
    /// What there was of each cause. A cause is a name of ours, so there are few.
    causes: HashMap<&'static str, Count>,
    last: u64,
}

#[derive(Default, Clone, Copy)]
struct Count {
    ever: u64,
    kept: usize,
    /// How many there were when the last of them was kept.
    at_last: u64,
}

/// A handshake that was refused, or a request that might have become one.
pub(crate) struct RefusedHandshake {
    /// Its place in the order of all that were kept.
    pub(crate) number: u64,
    pub(crate) at: SystemTime,
    pub(crate) remote: Remote,
    pub(crate) refusal: Refusal,
    /// The page that it came from, as the browser says.
    pub(crate) origin: Option<String>,
    pub(crate) user_agent: Option<String>,
    /// How many others of its cause came just before it and are not kept.
    pub(crate) left_out: u64,
}

/// Who asked, as the request says. Cheap to make: it shares the request's memory.
#[derive(Default)]
pub(crate) struct Asker {
    origin: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
}

/// Some of them, the last first.
pub(crate) struct Page {
    pub(crate) refused: Vec<Arc<RefusedHandshake>>,
    pub(crate) next: Option<u64>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self { ring: Arc::default(), told: broadcast::Sender::new(BACKLOG) }
    }
}

impl Handshakes {
    /// Tells the operator, the subscribers, and those who ask later.
    pub(crate) fn refused(&self, what: Refused, remote: Remote, asker: &Asker, refusal: &Refusal) {
        let is_told = refused(what, remote, refusal);
        let mut ring = self.ring();
        let count = ring.causes.entry(refusal.cause()).or_default();
        count.ever += 1;
        if !is_told {
            return;
        }
        let left_out = count.ever - count.at_last - 1;
        count.at_last = count.ever;
        ring.last += 1;
        let one = Arc::new(RefusedHandshake {
            number: ring.last,
            at: SystemTime::now(),
            remote,
            refusal: refusal.clone(),
            origin: shortened(asker.origin.as_ref()),
            user_agent: shortened(asker.user_agent.as_ref()),
            left_out,
        });
        ring.keep(one.clone());
        drop(ring);
        let _ = self.told.send(one); // an error means that nobody listens
    }

    /// The last first, from behind `before`; of one cause, or of all.
    pub(crate) fn page(&self, cause: Option<&str>, before: Option<u64>, limit: usize) -> Page {
        let ring = self.ring();
        let end = before.map_or(ring.kept.len(), |before| ring.kept.partition_point(|one| one.number < before));
        let meant = |one: &&Arc<RefusedHandshake>| cause.is_none_or(|cause| one.refusal.cause() == cause);
        let mut refused: Vec<_> = ring.kept.range(..end).rev().filter(meant).take(limit.saturating_add(1)).cloned().collect();
        let has_more = refused.len() > limit;
        refused.truncate(limit);
        Page { next: refused.last().filter(|_| has_more).map(|last| last.number), refused }
    }

    /// How many were refused ever, of each cause, the most frequent first.
    pub(crate) fn causes(&self) -> Vec<(&'static str, u64)> {
        let mut causes: Vec<_> = self.ring().causes.iter().map(|(cause, count)| (*cause, count.ever)).collect();
        causes.sort_unstable_by_key(|(cause, count)| (std::cmp::Reverse(*count), *cause));
        causes
    }

    /// How many were refused ever.
    pub(crate) fn total(&self) -> u64 {
        self.ring().causes.values().map(|count| count.ever).sum()
    }

    /// Those that are refused from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<RefusedHandshake>> {
        self.told.subscribe()
    }

    /// What is done under this lock does not panic, so a poisoned one is as good as any.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Where there is no room, the oldest goes of the cause that has most.
    fn keep(&mut self, one: Arc<RefusedHandshake>) {
        self.causes.entry(one.refusal.cause()).or_default().kept += 1;
        self.kept.push_back(one);
        if self.kept.len() <= KEPT {
            return;
        }
        let most = self.causes.iter().max_by_key(|(_, count)| count.kept).map(|(cause, _)| *cause);
        let at = self.kept.iter().position(|one| Some(one.refusal.cause()) == most).unwrap_or_default();
        if let Some(gone) = self.kept.remove(at) {
            self.causes.entry(gone.refusal.cause()).or_default().kept -= 1;
        }
    }
}

impl Asker {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self { origin: headers.get(ORIGIN).cloned(), user_agent: headers.get(USER_AGENT).cloned() }
    }
}

fn shortened(line: Option<&HeaderValue>) -> Option<String> {
    let text = line?.to_str().ok()?;
    Some(text[..text.floor_char_boundary(LONGEST)].to_owned())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn one(number: u64, cause: &'static str) -> Arc<RefusedHandshake> {
        let refusal = Refusal::new(StatusCode::FORBIDDEN, cause, "no");
        let (origin, user_agent) = (None, None);
        Arc::new(RefusedHandshake { number, at: SystemTime::now(), remote: Remote::Unix, refusal, origin, user_agent, left_out: 0 })
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.refused.iter().map(|one| one.number).collect()
    }

    #[test]
    fn a_flood_of_one_cause_pushes_no_other_out() {
        let handshakes = Handshakes::default();
        let mut ring = handshakes.ring();
        ring.keep(one(1, "rare"));
        (2..5000).for_each(|number| ring.keep(one(number, "flood")));
        assert_eq!(ring.kept.len(), KEPT);
        drop(ring);
        assert_eq!(numbers(&handshakes.page(Some("rare"), None, 10)), [1]);
        let page = handshakes.page(None, None, 2);
        assert_eq!((numbers(&page), page.next), (vec![4999, 4998], Some(4998)));
    }

    #[test]
    fn pages_follow_each_other_to_the_oldest() {
        let handshakes = Handshakes::default();
        (1..=5).for_each(|number| handshakes.ring().keep(one(number, if number % 2 == 0 { "even" } else { "odd" })));
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = handshakes.page(Some("odd"), before, 1);
            all.extend(numbers(&page));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(all, [5, 3, 1]);
    }

    #[test]
    fn what_a_client_says_is_kept_in_few_bytes_and_what_is_left_out_is_counted() {
        let handshakes = Handshakes::default();
        let mut told = handshakes.subscribe();
        let agent = HeaderValue::from_bytes(&[b'x'; 4000]).unwrap();
        let asker = Asker::of(&HeaderMap::from_iter([(USER_AGENT, agent)]));
        let refusal = Refusal::new(StatusCode::FORBIDDEN, "a-cause-of-this-test", "no");
        (0..50).for_each(|_| handshakes.refused(Refused::Handshake, Remote::Unix, &asker, &refusal));
        assert_eq!((handshakes.total(), handshakes.causes()), (50, vec![("a-cause-of-this-test", 50)]));
        let page = handshakes.page(None, None, 100);
        assert!(page.refused.len() < 50, "so many of a cause are kept in a second: {}", page.refused.len());
        assert_eq!(page.refused[0].user_agent.as_ref().unwrap().len(), LONGEST);
        assert_eq!(told.try_recv().unwrap().number, 1);
    }
}
