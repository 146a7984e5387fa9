//! The life signs of one peer.

use std::time::{Duration, Instant};

use crate::Heartbeat;
use crate::config::{SHORTEST, deadline};

/// When the peer was last heard, and what was asked since. Hearing from it stores a time and touches no timer: the next deadline
/// is worked out when somebody asks.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard: Instant,
    ping: Ping,
    is_suspended: bool,
    count: u32,
    answered: u32,
    pauses: u32,
    /// In microseconds; 0 is none.
    round_trip: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    NotNeeded,
    /// Sent at this time, and not yet answered by its Pong. The transport had then taken so many bytes.
    Sent {
        at: Instant,
        taken: u64,
    },
}

/// A Ping of ours, masked. That it was taken says nothing about the peer.
const PING_FRAME: u64 = 10;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// Send a Ping with this payload.
    Ask([u8; 4]),
    /// Send a Pong that nobody has asked for (RFC 6455, 5.5.3).
    Reassure,
    /// The peer was silent for this long.
    Dead(Duration),
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, ping: Ping::NotNeeded, is_suspended: false, count: 0, answered: 0, pauses: 0, round_trip: 0 }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A Pong came: how long it took, if it answers the Ping that was sent last.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        match self.ping {
            Ping::Sent { at, .. } if payload == self.count.to_be_bytes() => {
                self.ping = Ping::NotNeeded;
                self.answered += 1;
                let took = now.saturating_duration_since(at);
                self.round_trip = u32::try_from(took.as_micros()).unwrap_or(u32::MAX).max(1);
                Some(took)
            }
            _ => None,
        }
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.round_trip > 0).then(|| Duration::from_micros(self.round_trip.into()))
    }

    /// Nobody reads: silence says nothing about the peer. But the peer's Pings are not read either, and it may take us for dead: it is told from
    /// time to time that we are not.
    pub(crate) fn suspend(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.is_suspended, true) {
            self.heard = now;
            self.pauses += 1;
        }
    }

    /// Pings sent, those of them that were answered by their Pong, and how often nobody read.
    pub(crate) fn counts(&self) -> (u32, u32, u32) {
        (self.count, self.answered, self.pauses)
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// Whether it was suspended.
    pub(crate) fn resume(&mut self, now: Instant) -> bool {
        let was_suspended = std::mem::take(&mut self.is_suspended);
        if was_suspended {
            self.heard = now;
        }
        was_suspended
    }

    pub(crate) fn deadline(&self, heartbeat: Heartbeat) -> Instant {
        if self.is_suspended {
            return deadline(self.heard, heartbeat.ping_after.max(SHORTEST));
        }
        match self.asked_at() {
            Some(at) => deadline(at, heartbeat.dead_after.saturating_sub(heartbeat.ping_after).max(SHORTEST)),
            None => deadline(self.heard, heartbeat.ping_after.max(SHORTEST)),
        }
    }

    /// A peer is dead only when it was asked and had its time to answer, counted from the question: if nobody looked for a minute, that
    /// minute is ours and not the peer's.
    ///
    /// Nor is it dead while it takes what is written to it, `taken` bytes so far: it may be slow to come to the Ping behind that.
    pub(crate) fn check(&mut self, heartbeat: Heartbeat, taken: u64, now: Instant) -> Verdict {
        if self.deadline(heartbeat) > now {
            return Verdict::Alive;
        }
        if self.is_suspended {
            self.heard = now;
            return Verdict::Reassure;
        }
        match self.ping {
            Ping::Sent { at, taken: before } if at >= self.heard && taken.saturating_sub(before) <= PING_FRAME => {
                return Verdict::Dead(now.saturating_duration_since(self.heard));
            }
            Ping::Sent { at, .. } if at >= self.heard => {
                self.ping = Ping::Sent { at: now, taken }; // one question at a time
                return Verdict::Alive;
            }
            _ => {}
        }
        self.count = self.count.wrapping_add(1);
        self.ping = Ping::Sent { at: now, taken };
        Verdict::Ask(self.count.to_be_bytes())
    }

    /// When a Ping went out in this silence. One from before the peer was last heard asked about an earlier silence.
    fn asked_at(&self) -> Option<Instant> {
        match self.ping {
            Ping::Sent { at, .. } if at >= self.heard => Some(at),
            _ => None,
        }
    }
}
