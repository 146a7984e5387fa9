//! The memory that is held, counted by the allocator.

use std::alloc::System;

use cap::Cap;

#[global_allocator]
static COUNTED: Cap<System> = Cap::new(System, usize::MAX);

/// How many bytes are allocated now.
pub(crate) fn held() -> usize {
    COUNTED.allocated()
}
