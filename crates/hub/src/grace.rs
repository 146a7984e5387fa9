//! Ends that are held back, in case it was only a page that was loaded again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::{Event, SessionInfo};

/// A year. What is added to the clock must stay a time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A user and a device.
type Who = (Arc<str>, Option<Arc<str>>);

#[derive(Debug)]
pub(crate) struct Grace {
    period: Duration,
    /// How many are held back at most; beyond, the oldest is told early.
    most: usize,
    /// Numbered in order, each with the time when it is told.
    held: BTreeMap<u64, (Instant, Event)>,
    of: HashMap<Who, VecDeque<u64>>,
    count: u64,
}

impl Grace {
    pub(crate) fn new(period: Duration, most: usize) -> Self {
        Self { period: period.min(LONGEST), most, held: BTreeMap::new(), of: HashMap::new(), count: 0 }
    }

    /// Takes what has happened, and gives what is to be told now.
    pub(crate) fn take(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Connected(session) if self.has_come_back(session) => None,
            Event::Ended { session, .. } => {
                self.count += 1;
                self.of.entry(who(session)).or_default().push_back(self.count);
                self.held.insert(self.count, (Instant::now() + self.period, event));
                if self.held.len() > self.most { self.release() } else { None }
            }
            _ => Some(event),
        }
    }

    /// When the next is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, (due, _))| *due)
    }

    /// The oldest that is held back.
    pub(crate) fn release(&mut self) -> Option<Event> {
        let (number, (_, event)) = self.held.pop_first()?;
        if let Event::Ended { session, .. } = &event {
            self.forget(who(session), number);
        }
        Some(event)
    }

    /// Whether an earlier session of the same user and device has just ended; then it has not.
    fn has_come_back(&mut self, session: &SessionInfo) -> bool {
        let who = who(session);
        let Some(number) = self.of.get(&who).and_then(VecDeque::front).copied() else { return false };
        let is_earlier =
            |(_, event): &(Instant, Event)| matches!(event, Event::Ended { session: ended, .. } if ended.epoch < session.epoch);
        let has_come_back = self.held.get(&number).is_some_and(is_earlier);
        if has_come_back {
            self.held.remove(&number);
            self.forget(who, number);
        }
        has_come_back
    }

    fn forget(&mut self, who: Who, number: u64) {
        if let Some(numbers) = self.of.get_mut(&who) {
            numbers.retain(|other| *other != number);
            if numbers.is_empty() {
                self.of.remove(&who);
            }
        }
    }
}

fn who(session: &SessionInfo) -> Who {
    (session.identity.user.clone(), session.identity.device.clone())
}
