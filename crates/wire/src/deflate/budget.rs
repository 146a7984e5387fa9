//! A bound on the memory that context takeover holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much memory all connections under one policy may hold for context takeover together. Clones share it. When it is used up, further
/// connections are made without context takeover, which holds nothing.
///
/// ```
/// use silverback_wire::deflate::{Budget, Options};
/// use silverback_wire::handshake::client::Offer;
///
/// let budget = Budget::new(64 << 20);
/// let options = Options::default().context_takeover(budget.clone());
/// let offer = Offer::new(&"ws://example.com/".parse()?, http::HeaderMap::new())?.with_deflate(Some(&options));
/// assert!(budget.used() > 0 && budget.used() < budget.limit());
///
/// drop(offer); // no connection comes of it
/// assert_eq!(budget.used(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Shares { limit: bytes, used: AtomicUsize::new(0) }))
    }

    /// The bytes in all.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// The bytes that open connections have reserved now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Reservation { budget: self.clone(), bytes })
    }
}

/// A share of a budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_lent_to_its_last_byte_and_given_back() {
        let budget = Budget::new(100);
        let first = budget.reserve(60);
        assert!(first.is_some() && budget.reserve(41).is_none());
        let second = budget.reserve(40);
        assert!(second.is_some());
        assert_eq!((budget.used(), budget.limit()), (100, 100));
        drop((first, second));
        assert_eq!(budget.used(), 0);
        assert!(budget.reserve(usize::MAX).is_none());
    }
}
