//! The section `[runtime]`.

use std::num::NonZeroUsize;

use super::section;

section! {
    /// What the server runs on: docs/limits.md.
    #[derive(Copy)]
    pub(crate) struct Runtime {
        /// How many threads serve connections. Unset: one for each processor.
        pub(crate) threads: Option<NonZeroUsize> = None, like "4" => restart;
        /// Whether each of them has a table of descriptors of its own, so that the limit of open files is one for each thread and not for all
        /// (Linux).
        pub(crate) own_descriptors: bool = false => restart;
    }
}
