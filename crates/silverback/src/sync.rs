//! The locks that connections share, which a model checker can watch: `RUSTFLAGS="--cfg silverback_loom"`.

#[cfg(silverback_loom)]
use loom::sync;
#[cfg(not(silverback_loom))]
use std::sync;

pub(crate) use sync::atomic::AtomicBool;
pub(crate) use sync::{Mutex, MutexGuard};

/// No code that can panic runs under these locks, so a poisoned one is as good as any.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
