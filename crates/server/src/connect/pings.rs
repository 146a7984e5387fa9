//! Pings that a person asked for, and how long their pongs took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::tap::Wire;

/// So many are waited for; the oldest is forgotten first.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Pings {
    count: u64,
    waiting: VecDeque<(Bytes, Instant)>,
}

impl Pings {
    /// Sends one with this text, or with its number. Whether there is room for it.
    pub(super) fn send(&mut self, wire: &Wire, text: &str) -> bool {
        self.count += 1;
        let payload = Bytes::from(if text.is_empty() { format!("ping {}", self.count) } else { text.to_owned() });
        if !wire.ping(payload.clone()) {
            return false;
        }
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back((payload, Instant::now()));
        true
    }

    /// How long the ping took that this pong answers. A pong answers for those before it too (RFC 6455, 5.5.3).
    pub(super) fn answered(&mut self, payload: &[u8], at: Instant) -> Option<Duration> {
        let place = self.waiting.iter().position(|(waiting, _)| waiting == payload)?;
        let (_, sent) = self.waiting.drain(..=place).next_back()?;
        Some(at.saturating_duration_since(sent))
    }

    /// For how long the oldest has waited.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.waiting.front().map(|(_, sent)| sent.elapsed())
    }
}
