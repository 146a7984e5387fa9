//! One task that writes what a fan-out has queued for the connections of a thread, instead of one wake-up for each of them.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::{Arc, Weak};
use std::vec;

use tokio::runtime::Handle;
use tokio::task::yield_now;

use crate::shared::Shared;
use crate::sync::{Mutex, lock};

/// So many connections in one poll, and then others on the thread get their turn.
const AT_A_TIME: usize = 32;

thread_local! {
    static HERE: RefCell<Weak<Flusher>> = const { RefCell::new(Weak::new()) };
}

/// Belongs to the drivers that have fallen asleep on a thread. Its task lives while there is something to do.
#[derive(Debug)]
pub(crate) struct Flusher {
    /// `None` in a model.
    runtime: Option<Handle>,
    list: Mutex<List>,
}

/// Connections that have something to be written.
#[derive(Debug, Default)]
struct List {
    due: Vec<Arc<Shared>>,
    is_served: bool,
}

impl Flusher {
    /// The one of this thread and its runtime; `None` outside a runtime.
    pub(crate) fn here() -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        HERE.try_with(|here| {
            let is_of = |flusher: &Arc<Self>| flusher.runtime.as_ref().is_some_and(|other| other.id() == runtime.id());
            let known = here.borrow().upgrade().filter(is_of);
            known.unwrap_or_else(|| {
                let new = Arc::new(Self::new(Some(runtime)));
                here.replace(Arc::downgrade(&new));
                new
            })
        })
        .ok()
    }

    fn new(runtime: Option<Handle>) -> Self {
        Self { runtime, list: Mutex::new(List::default()) }
    }

    /// Adds a connection. `true` when [`serve`](Self::serve) is to be called, outside every lock.
    #[must_use]
    pub(crate) fn add(&self, connection: Arc<Shared>) -> bool {
        let mut list = lock(&self.list);
        list.due.push(connection);
        !std::mem::replace(&mut list.is_served, true)
    }

    /// Writes for whoever is on the list and comes to it meanwhile.
    pub(crate) fn serve(self: Arc<Self>) {
        let Some(runtime) = self.runtime.clone() else { return };
        // Nobody waits for it: it ends when it has nothing to do, and with its runtime.
        drop(runtime.spawn(Round { flusher: self, due: Vec::new().into_iter(), is_over: false }.walk()));
    }

    fn take(&self) -> Vec<Arc<Shared>> {
        let mut list = lock(&self.list);
        list.is_served = !list.due.is_empty();
        std::mem::take(&mut list.due)
    }
}

/// The task. If it is dropped before its end, those who are left on the list write for themselves.
struct Round {
    flusher: Arc<Flusher>,
    due: vec::IntoIter<Arc<Shared>>,
    is_over: bool,
}

impl Round {
    async fn walk(mut self) {
        while self.begin() {
            while self.due.len() > 0 {
                // Memory is what is waited for most: asked for together, it comes together.
                self.due.as_slice().iter().take(AT_A_TIME).for_each(|connection| {
                    black_box(connection.round_trip());
                });
                self.due.by_ref().take(AT_A_TIME).for_each(|connection| connection.pass());
                yield_now().await;
            }
        }
    }

    fn begin(&mut self) -> bool {
        let mut due = self.flusher.take();
        self.is_over = due.is_empty();
        // In the order in which they lie in memory, as far as that goes.
        due.sort_unstable_by_key(|connection| Arc::as_ptr(connection) as usize);
        self.due = due.into_iter();
        !self.is_over
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        while !self.is_over {
            self.due.by_ref().for_each(|connection| connection.pass_over());
            let due = self.flusher.take();
            self.is_over = due.is_empty();
            self.due = due.into_iter();
        }
    }
}

#[cfg(all(test, silverback_loom))]
impl Flusher {
    pub(crate) fn modelled() -> Arc<Self> {
        Arc::new(Self::new(None))
    }

    /// What the task does.
    pub(crate) fn round(&self) {
        self.take().into_iter().for_each(|connection| connection.pass());
    }

    /// What it does when its runtime ends.
    pub(crate) fn give_up(self: &Arc<Self>) {
        drop(Round { flusher: self.clone(), due: Vec::new().into_iter(), is_over: false });
    }
}
