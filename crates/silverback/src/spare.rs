//! Queues that are empty, kept by the thread for whichever connection needs one next, so that a quiet connection holds none and a busy
//! one does not make one anew each time it wakes.

use std::cell::Cell;
use std::collections::VecDeque;

use silverback_wire::Part;

use crate::items::Item;

/// A larger one was for a rare burst.
const LARGEST: usize = 1024;

thread_local! {
    static PARTS: Cell<VecDeque<Part>> = const { Cell::new(VecDeque::new()) };
    static ITEMS: Cell<VecDeque<Item>> = const { Cell::new(VecDeque::new()) };
}

/// What a thread keeps a spare queue of.
pub(crate) trait Spare: Sized + 'static {
    /// An empty queue, whose memory may have been another's.
    fn queue() -> VecDeque<Self>;

    /// Takes an empty queue back.
    fn keep(queue: VecDeque<Self>);
}

macro_rules! spare {
    ($($type:ty => $kept:ident),*) => {$(
        impl Spare for $type {
            fn queue() -> VecDeque<Self> {
                $kept.try_with(Cell::take).unwrap_or_default() // a thread that ends keeps nothing
            }

            fn keep(queue: VecDeque<Self>) {
                debug_assert!(queue.is_empty(), "a spare queue holds nothing");
                if (1..=LARGEST).contains(&queue.capacity()) {
                    let _ = $kept.try_with(|kept| kept.set(queue));
                }
            }
        }
    )*};
}
spare!(Part => PARTS, Item => ITEMS);
