//! The section `[limits]`.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytesize::ByteSize;
use silverback::QueueLimits;

use crate::config::{Problem, section, words};

/// What every request fits into, and hyper needs.
const LEAST_HEAD: u64 = 8 * 1024;

section! {
    /// What clients may cost: docs/limits.md.
    pub(crate) struct Limits {
        /// The largest message, from a client (inflated) or for one.
        pub(crate) message: ByteSize = ByteSize::mib(1);
        /// The largest head of a request, at least 8KiB.
        pub(crate) head: ByteSize = ByteSize::kib(16);
        /// How much may wait for a client that does not read. A message that finds nothing waiting is taken whatever its size.
        pub(crate) queue: ByteSize = ByteSize::mib(1);
        /// How many messages may wait for it.
        pub(crate) queue_messages: NonZeroUsize = NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN);
        /// How many clients may be connected. Unset: as many as the process may have files open, less some for everything else.
        pub(crate) connections: Option<NonZeroUsize> = None, like "10000";
        /// How many may be connected from one address; of IPv6, from one /64. Unset: any number.
        pub(crate) connections_per_address: Option<NonZeroUsize> = None, like "100";
        /// How many connections may be at their first request at once. When there are more, the one that has been at it longest has to go.
        pub(crate) unfinished: NonZeroUsize = NonZeroUsize::new(1024).unwrap_or(NonZeroUsize::MIN);
        /// How long a request's head may take, and its answer.
        pub(crate) handshake_timeout: Duration = Duration::from_secs(10);
        /// How many handshakes are judged in a second. Unset: any number.
        pub(crate) handshakes_per_second: Option<NonZeroUsize> = None, like "500";
        /// How many from one address; of IPv6, from one /64. Unset: any number.
        pub(crate) handshakes_per_second_per_address: Option<NonZeroUsize> = None, like "10";
        /// How many messages a session may send in a second. Unset: any number.
        pub(crate) messages_per_second: Option<NonZeroUsize> = None, like "50";
        /// How many bytes of messages a session may send in a second. Unset: any number.
        pub(crate) bytes_per_second: Option<ByteSize> = None, like "\"256KiB\"";
        /// What becomes of a session that sends faster: `wait` reads on later, so that it is slowed down; `close` ends it with 1008.
        pub(crate) when_too_fast: WhenTooFast = WhenTooFast::Wait;
        /// How much memory the process may use before new clients are refused with 503; 0B is any amount. Unset: nine tenths of what the machine
        /// or its control group (cgroup v2) has.
        pub(crate) memory: Option<ByteSize> = None, like "\"2GiB\"";
    }
}

/// What becomes of a session that sends too fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenTooFast {
    Wait,
    Close,
}

words!(WhenTooFast, "write \"wait\" or \"close\"", { "wait" => Self::Wait, "close" => Self::Close });

impl Limits {
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let is_nothing = |size: Option<ByteSize>| size.is_some_and(|size| size.as_u64() == 0);
        let checks = [
            (is_nothing(Some(self.message)), "limits.message", "must be above 0"),
            (self.head.as_u64() < LEAST_HEAD, "limits.head", "must be at least 8KiB"),
            (is_nothing(Some(self.queue)), "limits.queue", "must be above 0"),
            (is_nothing(self.bytes_per_second), "limits.bytes_per_second", "must be above 0: take it out to have no limit"),
            (self.handshake_timeout.is_zero(), "limits.handshake_timeout", "must be above 0"),
        ];
        checks.into_iter().filter(|(is_wrong, ..)| *is_wrong).map(|(_, key, text)| Problem::of(key, text)).collect()
    }

    pub(crate) fn message(&self) -> usize {
        bytes(self.message)
    }

    pub(crate) fn head(&self) -> usize {
        bytes(self.head)
    }

    pub(crate) fn queue(&self) -> QueueLimits {
        QueueLimits { bytes: bytes(self.queue), messages: self.queue_messages.get() }
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
