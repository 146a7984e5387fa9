//! The section `[limits]`.

use bytesize::ByteSize;

use super::{Problem, section};

section! {
    /// What clients may cost.
    pub(crate) struct Limits {
        /// The largest message, from a client (inflated) or for one.
        pub(crate) message: ByteSize = ByteSize::mib(1);
    }
}

impl Limits {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let is_nothing = self.message.as_u64() == 0;
        is_nothing.then(|| Problem::of("limits.message", "must be above 0")).into_iter().collect()
    }

    pub(crate) fn message(&self) -> usize {
        bytes(self.message)
    }
}

pub(super) fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
