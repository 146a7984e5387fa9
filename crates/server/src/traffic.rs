//! How many messages went which way since the process began. A message costs one addition to a number that its thread has for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use silverback_hub::Delivery;

/// More threads than this share their numbers, which is right but slower.
const STRIPES: usize = 16;

thread_local! {
    static STRIPE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

/// Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Traffic(Arc<[Stripe; STRIPES]>);

/// A cache line of its own: two, because processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    messages_in: AtomicU64,
    bytes_in: AtomicU64,
    messages_out: AtomicU64,
    bytes_out: AtomicU64,
    dropped: AtomicU64,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) messages_in: u64,
    pub(crate) bytes_in: u64,
    pub(crate) messages_out: u64,
    pub(crate) bytes_out: u64,
    pub(crate) dropped: u64,
}

impl Traffic {
    /// A client has said something.
    pub(crate) fn came(&self, bytes: usize) {
        let stripe = self.stripe();
        stripe.messages_in.fetch_add(1, Ordering::Relaxed);
        stripe.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A message of so many bytes was to go to some sessions.
    pub(crate) fn went(&self, bytes: usize, delivery: &Delivery) {
        let (queued, dropped) = (delivery.queued as u64, delivery.dropped as u64);
        let stripe = self.stripe();
        stripe.messages_out.fetch_add(queued, Ordering::Relaxed);
        stripe.bytes_out.fetch_add(queued.saturating_mul(bytes as u64), Ordering::Relaxed);
        stripe.dropped.fetch_add(dropped, Ordering::Relaxed);
    }

    /// A message of so many bytes went to one session.
    pub(crate) fn went_to_one(&self, bytes: usize) {
        let stripe = self.stripe();
        stripe.messages_out.fetch_add(1, Ordering::Relaxed);
        stripe.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Counted {
        let sum = |of: fn(&Stripe) -> &AtomicU64| self.0.iter().map(|stripe| of(stripe).load(Ordering::Relaxed)).sum();
        Counted {
            messages_in: sum(|stripe| &stripe.messages_in),
            bytes_in: sum(|stripe| &stripe.bytes_in),
            messages_out: sum(|stripe| &stripe.messages_out),
            bytes_out: sum(|stripe| &stripe.bytes_out),
            dropped: sum(|stripe| &stripe.dropped),
        }
    }

    fn stripe(&self) -> &Stripe {
        STRIPE.with(|number| &self.0[*number])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_is_counted_together() {
        let traffic = Traffic::default();
        std::thread::scope(|scope| {
            for _ in 0..STRIPES + 3 {
                scope.spawn(|| (0..100).for_each(|_| traffic.came(3)));
            }
        });
        let mut delivery = Delivery::default();
        (delivery.sessions, delivery.queued, delivery.dropped) = (7, 5, 2);
        traffic.went(10, &delivery);
        let came = 100 * (STRIPES as u64 + 3);
        let counted = Counted { messages_in: came, bytes_in: 3 * came, messages_out: 5, bytes_out: 50, dropped: 2 };
        assert_eq!(traffic.now(), counted);
    }
}
