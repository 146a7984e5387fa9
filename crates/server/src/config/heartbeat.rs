//! The section `[heartbeat]`.

use std::time::Duration;

use silverback::Heartbeat;

use super::{Problem, section};

section! {
    /// When a silent client is asked whether it lives, and when it is gone.
    #[derive(Copy)]
    pub(crate) struct HeartbeatTimes {
        /// Silence before a client is asked.
        pub(crate) ping_after: Duration = Heartbeat::default().ping_after;
        /// Silence before it is gone.
        pub(crate) dead_after: Duration = Heartbeat::default().dead_after;
    }
}

impl HeartbeatTimes {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let Self { ping_after, dead_after } = *self;
        if !ping_after.is_zero() && dead_after > ping_after {
            return Vec::new();
        }
        let times = format!("{} after a ping at {}", humantime::format_duration(dead_after), humantime::format_duration(ping_after));
        vec![Problem::of("heartbeat.dead_after", format!("({times}) must be longer than heartbeat.ping_after, which must be above 0"))]
    }

    pub(super) fn heartbeat(self) -> Heartbeat {
        Heartbeat { ping_after: self.ping_after, dead_after: self.dead_after }
    }
}
