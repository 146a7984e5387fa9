//! What happens in a hub, for those who watch it.

use std::sync::Arc;
use std::time::Duration;

use silverback::{CloseReport, Message};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep_until};

use crate::grace::Grace;
use crate::{SessionInfo, meter};

/// The largest backlog: its slots are made at once.
const MOST_BACKLOG: usize = 1 << 20;

/// For each event of the backlog so many ends are held back for a subscriber with grace.
const HELD: usize = 16;

/// How much of a message an event carries, in bytes.
const EXCERPT: usize = 1024;

/// Something that happened to a session. For each session `Connected` comes first and `Ended` last, once each.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A session joined.
    Connected(Arc<SessionInfo>),
    /// A session's handler received a message.
    Message {
        /// Whose message it is.
        session: Arc<SessionInfo>,
        /// Its length in bytes.
        size: usize,
        /// The message, or its beginning if it is longer than 1 KiB: what waits for a slow subscriber stays small.
        excerpt: Message,
    },
    /// A session left.
    Ended {
        /// Which one.
        session: Arc<SessionInfo>,
        /// How its connection ended.
        report: Arc<CloseReport>,
    },
}

/// So many events came faster than they were taken, and are lost to this subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed(pub u64);

/// Receives the events of a hub. Its queue is bounded: a slow subscriber misses the oldest events, is told how many, and holds up nobody.
///
/// ```
/// # async fn example(hub: silverback_hub::Hub) {
/// use std::time::Duration;
/// use silverback_hub::{Event, Missed};
///
/// let mut events = hub.subscribe_with(Duration::from_secs(5)); // a page that is loaded again was never gone
/// while let Some(event) = events.next().await {
///     match event {
///         Ok(Event::Connected(session)) => println!("{} is there", session.identity.user),
///         Ok(Event::Ended { session, report }) => println!("{} is gone: {report}", session.identity.user),
///         Ok(_) => {}
///         Err(Missed(count)) => println!("{count} events came too fast: ask who is there with `hub.page`"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Event>,
    grace: Option<Grace>,
}

impl Subscription {
    /// The next event, or how many were missed; `None` when the hub is gone.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Event, Missed>> {
        loop {
            let due = self.grace.as_ref().and_then(Grace::due);
            let event = tokio::select! {
                biased; // however much happens, an end is not held back for longer
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return self.released(),
                event = self.events.recv() => event,
            };
            match event {
                Ok(event) => match &mut self.grace {
                    None => return Some(Ok(event)),
                    Some(grace) => {
                        if let Some(event) = grace.take(event) {
                            return Some(Ok(event));
                        }
                    }
                },
                Err(RecvError::Lagged(count)) => {
                    meter::missed(count);
                    return Some(Err(Missed(count)));
                }
                Err(RecvError::Closed) => return self.released(), // nobody comes back to a hub that is gone
            }
        }
    }

    fn released(&mut self) -> Option<Result<Event, Missed>> {
        self.grace.as_mut()?.release().map(Ok)
    }
}

#[derive(Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Event>,
    backlog: usize,
}

impl Events {
    /// With room for so many events that a subscriber has not taken.
    pub(crate) fn new(backlog: usize) -> Self {
        let backlog = backlog.clamp(1, MOST_BACKLOG);
        Self { sender: broadcast::Sender::new(backlog), backlog }
    }

    /// Tells the subscribers, if there are any.
    pub(crate) fn publish(&self, event: impl FnOnce() -> Event) {
        if self.sender.receiver_count() > 0 {
            let _ = self.sender.send(event()); // an error means that the last subscriber has just left
        }
    }

    pub(crate) fn subscribe(&self, grace: Option<Duration>) -> Subscription {
        let grace = grace.map(|period| Grace::new(period, self.backlog * HELD));
        Subscription { events: self.sender.subscribe(), grace }
    }
}

/// The beginning of a message, not sharing its memory unless it is all of it.
pub(crate) fn excerpt(message: &Message) -> Message {
    if message.len() <= EXCERPT {
        return message.clone();
    }
    match message {
        Message::Text(text) => Message::text(&text[..text.floor_char_boundary(EXCERPT)]),
        Message::Binary(bytes) => Message::binary(bytes[..EXCERPT].to_vec()),
    }
}
