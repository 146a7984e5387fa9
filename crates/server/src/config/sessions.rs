//! The section `[sessions]`.

use std::num::NonZeroUsize;

use silverback_hub::Policy;

use super::{section, words};

section! {
    /// How many sessions a user may have.
    pub(crate) struct Sessions {
        /// How many a user may have at once. Unset: any number.
        pub(crate) max_per_user: Option<NonZeroUsize> = None, like "5";
        /// Whether a device (`auth.claims.device`) has one session at most.
        pub(crate) one_per_device: bool = false;
        /// Who gives way: `close-oldest` ends the oldest with 4409, `refuse-new` answers the new handshake with 429, or 409 for a device.
        pub(crate) when_full: WhenFull = WhenFull::CloseOldest;
    }
}

/// Who gives way when a user has as many sessions as it may.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WhenFull {
    CloseOldest,
    RefuseNew,
}

words!(WhenFull, "write \"close-oldest\" or \"refuse-new\"", { "close-oldest" => Self::CloseOldest, "refuse-new" => Self::RefuseNew });

impl Sessions {
    pub(crate) fn policy(&self) -> Policy {
        let when_full = match self.when_full {
            WhenFull::CloseOldest => silverback_hub::WhenFull::close_oldest(),
            WhenFull::RefuseNew => silverback_hub::WhenFull::RefuseNew,
        };
        Policy { max_sessions: self.max_per_user, one_per_device: self.one_per_device, when_full }
    }
}
