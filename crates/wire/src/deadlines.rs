//! The times of a connection beside its heartbeat: idleness, age, writes without progress, and messages that say that we live.

use std::time::{Duration, Instant};

use crate::Config;
use crate::config::{SHORTEST, deadline};

/// Kept in a box that is made when it is first needed: with the defaults, when a write stalls.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// When the last message arrived.
    message_at: Instant,
    expires_at: Option<Instant>,
    stall: Option<Stall>,
    /// When a keep-alive message is due, and how many messages had been sent when that was settled.
    keepalive: Option<(Instant, u64)>,
}

/// The transport takes nothing.
#[derive(Debug, Clone, Copy)]
struct Stall {
    since: Instant,
    taken: u64,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Idle,
    Expired,
    Stalled,
    KeepAlive,
}

impl Deadlines {
    pub(crate) fn new(config: &Config, opened: Instant) -> Self {
        let jitter = config.max_age_jitter.mul_f64(rand::random());
        Self {
            message_at: opened,
            expires_at: config.max_age.map(|age| deadline(opened, age.saturating_add(jitter))),
            stall: None,
            keepalive: config.keepalive.as_ref().map(|keepalive| (deadline(opened, keepalive.every), 0)),
        }
    }

    /// Whether this configuration needs them from the beginning.
    pub(crate) fn are_needed(config: &Config) -> bool {
        config.idle_timeout.is_some() || config.max_age.is_some() || config.keepalive.is_some()
    }

    pub(crate) fn message_arrived(&mut self, now: Instant) {
        self.message_at = now;
    }

    /// The transport takes everything.
    pub(crate) fn flowing(&mut self) {
        self.stall = None;
    }

    /// The transport has taken so many bytes in all and takes no more now.
    pub(crate) fn blocked(&mut self, taken: u64, now: Instant) {
        match self.stall {
            Some(stall) if stall.taken == taken => {}
            _ => self.stall = Some(Stall { since: now, taken }),
        }
    }

    /// Nobody reads: no message can arrive. Idleness begins anew.
    pub(crate) fn resumed(&mut self, now: Instant) {
        self.message_at = now;
    }

    pub(crate) fn next(&self, config: &Config, view: View) -> Option<Instant> {
        [Due::Idle, Due::Expired, Due::Stalled, Due::KeepAlive].into_iter().filter_map(|due| self.at(due, config, view)).min()
    }

    /// The first of what is due at `now`.
    pub(crate) fn due(&self, config: &Config, view: View, now: Instant) -> Option<Due> {
        let all = [Due::Stalled, Due::Expired, Due::Idle, Due::KeepAlive];
        all.into_iter().find(|due| self.at(*due, config, view).is_some_and(|at| at <= now))
    }

    fn at(&self, due: Due, config: &Config, view: View) -> Option<Instant> {
        match due {
            Due::Idle => config.idle_timeout.filter(|_| view.is_reading).map(|timeout| deadline(self.message_at, timeout)),
            Due::Expired => self.expires_at,
            Due::Stalled => {
                let stall = self.stall.filter(|stall| stall.taken == view.taken)?;
                config.write_timeout.map(|timeout| deadline(stall.since, timeout))
            }
            Due::KeepAlive => self.keepalive.map(|(at, _)| at),
        }
    }

    /// Whether no message was sent since the last time that this was settled.
    pub(crate) fn is_keepalive_wanted(&self, sent: u64) -> bool {
        self.keepalive.is_some_and(|(_, before)| before == sent)
    }

    /// Settles when the next keep-alive message is due.
    pub(crate) fn settle_keepalive(&mut self, every: Duration, sent: u64, now: Instant) {
        self.keepalive = Some((deadline(now, every.max(SHORTEST)), sent));
    }
}

/// What the deadlines need to know of their connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) is_reading: bool,
    pub(crate) taken: u64,
}
