//! How many there are, and how many there may be.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::descriptors;
use super::memory::Memory;
use super::refusals;
use super::seats::Seats;
use super::settings::Limits;
use super::turns::{Turn, Turns};
use crate::log_rate::LogRate;

/// What is counted of all clients together, and of those of a table of descriptors. Clones count the same.
#[derive(Clone)]
pub(crate) struct Bounds(Arc<Table>);

/// A table of descriptors. Most processes have one.
struct Table {
    sockets: AtomicUsize,
    plain: AtomicUsize,
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    /// How many files may be open in a table.
    descriptors: usize,
    /// How many tables there are.
    tables: usize,
    turns: Turns,
    pub(super) seats: Seats,
    pub(super) memory: Memory,
}

/// A socket of a client, from when it was accepted.
pub(crate) struct Socket(Bounds);

/// A connection of plain HTTP.
pub(crate) struct Plain {
    bounds: Bounds,
    /// Whether there is room for it to wait for more requests after its first.
    pub(crate) may_wait: bool,
}

/// How often memory is looked at. A look is a small file of the kernel's.
const LOOK: Duration = Duration::from_millis(250);

static DROPPED: LogRate = LogRate::every(Duration::from_secs(1));

impl Bounds {
    /// So many files may be open in each of so many tables of descriptors. This one counts what is in the first.
    pub(crate) fn new(descriptors: usize, tables: usize) -> Self {
        let (turns, seats, memory) = (Turns::default(), Seats::default(), Memory::default());
        Self::of_table(Arc::new(Inner { descriptors, tables, turns, seats, memory }))
    }

    /// The same bounds, and what is in another table.
    pub(crate) fn of_another_table(&self) -> Self {
        Self::of_table(self.0.inner.clone())
    }

    fn of_table(inner: Arc<Inner>) -> Self {
        Self(Arc::new(Table { sockets: AtomicUsize::new(0), plain: AtomicUsize::new(0), inner }))
    }

    /// Looks after memory, and tells of refusals that were not logged, until the server stops.
    pub(crate) async fn keep(self, memory_limit: impl Fn() -> Option<u64>, stopping: CancellationToken) {
        let mut looks = interval(LOOK);
        let again = async {
            loop {
                looks.tick().await;
                self.inner().memory.watch(memory_limit());
                refusals::tell_the_rest(LogRate::rest);
            }
        };
        stopping.run_until_cancelled(again).await;
        refusals::tell_the_rest(LogRate::all_the_rest);
    }

    /// Counts a socket that was accepted. `None` where there are so many that the process would soon have no descriptor left; then the socket is to be
    /// dropped, since there is not even one to answer with.
    pub(crate) fn socket(&self) -> Option<Socket> {
        let socket = self.one_more_socket();
        if self.0.sockets.load(Ordering::Relaxed) <= descriptors::sockets(self.inner().descriptors) {
            return Some(socket);
        }
        metrics::counter!("silverback_connections_dropped_total", "cause" => "descriptors").increment(1);
        if let Some(left_out) = DROPPED.allows() {
            let descriptors = self.inner().descriptors;
            tracing::warn!(descriptors, left_out, "a connection was dropped: raise the limit of open files (LimitNOFILE in systemd)");
        }
        None
    }

    /// Counts a socket whatever the bound, such as one that is already there.
    pub(super) fn one_more_socket(&self) -> Socket {
        self.0.sockets.fetch_add(1, Ordering::Relaxed);
        Socket(self.clone())
    }

    /// A connection's time for its first request.
    pub(crate) fn turn(&self, limits: &Limits) -> Turn {
        let most = descriptors::sockets(self.inner().descriptors) / 4;
        self.inner().turns.next(limits.unfinished.get().min(most))
    }

    /// Counts a connection of plain HTTP, which is never refused: where there are many, it has one request.
    pub(crate) fn plain(&self) -> Plain {
        let before = self.0.plain.fetch_add(1, Ordering::Relaxed);
        Plain { bounds: self.clone(), may_wait: before < descriptors::kept_alive(self.inner().descriptors) }
    }

    /// How many clients may be connected.
    pub(crate) fn most_connections(&self, limits: &Limits) -> usize {
        let derived = || descriptors::connections(self.inner().descriptors, limits.unfinished.get()) * self.inner().tables;
        limits.connections.map_or_else(derived, NonZeroUsize::get)
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0.inner
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.0.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.bounds.0.plain.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_plain_http_wait_for_more_requests_while_there_are_few() {
        let bounds = Bounds::new(64 + 16, 1);
        let (first, second, third) = (bounds.plain(), bounds.plain(), bounds.plain());
        assert_eq!([first.may_wait, second.may_wait, third.may_wait], [true, true, false]);
        drop((first, second));
        assert!(bounds.plain().may_wait);
    }

    #[test]
    fn sockets_are_taken_up_to_what_the_descriptors_leave() {
        let bounds = Bounds::new(67, 1);
        let mut taken: Vec<_> = (0..3).map(|_| bounds.socket()).collect();
        assert!(taken.iter().all(Option::is_some), "64 of 67 are for the process itself");
        assert!(bounds.socket().is_none());
        assert!(bounds.socket().is_none(), "one that was not taken does not count");
        taken.pop();
        assert!(bounds.socket().is_some());
    }

    #[test]
    fn each_table_takes_sockets_of_its_own_and_clients_are_as_many_as_all_of_them_take() {
        let first = Bounds::new(66, 3);
        let second = first.of_another_table();
        let _taken = [first.socket().unwrap(), first.socket().unwrap(), second.socket().unwrap()];
        assert!(first.socket().is_none() && second.socket().is_some());
        let one = Bounds::new(20_000, 1).most_connections(&Limits::default());
        assert_eq!(Bounds::new(20_000, 58).most_connections(&Limits::default()), 58 * one);
    }

    #[test]
    fn the_number_of_connections_follows_from_the_descriptors_unless_it_is_set() {
        let bounds = Bounds::new(20_000, 1);
        assert_eq!(bounds.most_connections(&Limits::default()), 18_656);
        let limits = Limits { connections: NonZeroUsize::new(7), ..Limits::default() };
        assert_eq!(bounds.most_connections(&limits), 7);
    }
}
