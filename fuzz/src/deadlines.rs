//! Times that end a connection, or make it speak.

use std::time::Duration;

use arbitrary::Arbitrary;
use silverback_wire::{Config, Keepalive};

/// What a connection says of itself, where it is to.
pub const KEEPALIVE: &str = "{\"type\":\"heartbeat\"}";

/// In one byte, from the lowest bit: an end to idleness, to age, chance in that, and a message that keeps alive.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Deadlines {
    flags: u8,
}

impl Deadlines {
    /// Sets those that are wanted.
    pub fn set(self, config: &mut Config) {
        let after = |bit: u8, seconds: u64| (self.flags & bit != 0).then_some(Duration::from_secs(seconds));
        config.idle_timeout = after(1, 25);
        config.max_age = after(2, 60);
        config.max_age_jitter = after(4, 10).unwrap_or_default();
        config.keepalive = after(8, 15).map(|every| Keepalive { every, message: KEEPALIVE.into() });
    }
}
