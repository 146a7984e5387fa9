//! The life signs of one peer.

use std::time::{Duration, Instant};

use crate::Heartbeat;

/// When the peer was last heard, and what was asked since. Hearing from it stores a time and touches no timer: the next deadline
/// is worked out when somebody asks.
#[derive(Debug)]
pub(crate) struct Pulse {
    heard: Instant,
    ping: Ping,
    is_suspended: bool,
    count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    NotNeeded,
    /// Sent at this time, and not yet answered by its Pong.
    Sent(Instant),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// Send a Ping with this payload.
    Ask([u8; 4]),
    /// The peer was silent for this long.
    Dead(Duration),
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self { heard: now, ping: Ping::NotNeeded, is_suspended: false, count: 0 }
    }

    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// A Pong came: how long it took, if it answers the Ping that was sent last.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        match self.ping {
            Ping::Sent(at) if payload == self.count.to_be_bytes() => {
                self.ping = Ping::NotNeeded;
                Some(now.saturating_duration_since(at))
            }
            _ => None,
        }
    }

    /// Nobody reads: silence says nothing about the peer.
    pub(crate) fn suspend(&mut self) {
        self.is_suspended = true;
    }

    pub(crate) fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.is_suspended) {
            self.heard = now;
        }
    }

    pub(crate) fn deadline(&self, heartbeat: Heartbeat) -> Option<Instant> {
        if self.is_suspended {
            return None;
        }
        let wait = if self.has_asked() { heartbeat.dead_after } else { heartbeat.ping_after.min(heartbeat.dead_after) };
        Some(self.heard + wait)
    }

    pub(crate) fn check(&mut self, heartbeat: Heartbeat, now: Instant) -> Verdict {
        let silence = now.saturating_duration_since(self.heard);
        if self.is_suspended || silence < heartbeat.ping_after.min(heartbeat.dead_after) {
            return Verdict::Alive;
        }
        if silence >= heartbeat.dead_after {
            return Verdict::Dead(silence);
        }
        if self.has_asked() {
            return Verdict::Alive;
        }
        self.count = self.count.wrapping_add(1);
        self.ping = Ping::Sent(now);
        Verdict::Ask(self.count.to_be_bytes())
    }

    /// Whether a Ping went out in this silence. One from before the peer was last heard asked about an earlier silence.
    fn has_asked(&self) -> bool {
        matches!(self.ping, Ping::Sent(at) if at >= self.heard)
    }
}
