//! The threads that connections live on: one for each processor unless it is configured, each with a runtime of its own.
//!
//! A connection stays on the thread that it is given at the beginning, so its driver, its handler and what it wakes are near each other,
//! and nothing is stolen or locked between threads on the way of a message. Measured against tokio's work-stealing runtime in
//! `bench/NOTES.md`. The first runtime is the one of the process' first thread, and takes its share.
//!
//! ```text
//!   one table     a listener ─▶ the first thread accepts ─▶ each thread in turn
//!   own tables    on each thread: a listener of its own (SO_REUSEPORT) ─▶ it accepts, and keeps what it accepted
//! ```
//!
//! A thread that has a table of descriptors of its own has the limit of open files for itself, and its descriptors mean nothing, or something
//! else, on any other thread. So whatever has one is made, used and dropped on one thread: what is spawned on a runtime stays there, and nothing
//! that has a descriptor is sent to another. What wakes a runtime is a descriptor, too, and is used by all threads: so every runtime is made before
//! the first thread gets its table, which begins as a copy with all of them in it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, unshare};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Runtime;

/// What a runtime of tokio's has open: an epoll instance twice, what wakes it, and the end of a pipe for signals.
const DESCRIPTORS: usize = 4;

/// Dropped, it ends the runtimes but the first, and what still runs on them.
#[derive(Debug)]
pub(crate) struct Shards {
    /// The runtimes besides the first.
    others: Vec<Handle>,
    has_own_tables: bool,
    next: AtomicUsize,
    threads: Vec<JoinHandle<()>>,
    is_over: CancellationToken,
}

/// Why there are not as many threads as there are to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShardsError {
    #[error("a thread could not be started")]
    Thread(#[from] io::Error),
    #[error(
        "a thread was not given a table of descriptors of its own (unshare(CLONE_FILES): {0}): a container's seccomp profile may not allow it; allow \
         `unshare` there, or take runtime.own_descriptors out"
    )]
    Table(nix::errno::Errno),
}

impl Runtime {
    /// How many threads serve connections.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// How many descriptors the runtimes but the first have themselves, in every table.
    pub(crate) fn descriptors(&self) -> usize {
        DESCRIPTORS * (self.threads() - 1)
    }

    /// How many tables of descriptors there are.
    pub(crate) fn tables(&self) -> usize {
        if self.own_descriptors { self.threads() } else { 1 }
    }
}

impl Shards {
    /// The current runtime is one of them. Threads with tables of their own begin with what is open now.
    pub(crate) fn start(runtime: Runtime) -> Result<Self, ShardsError> {
        let (has_own_tables, is_over) = (runtime.own_descriptors, CancellationToken::new());
        let mut shards = Self { others: Vec::new(), has_own_tables, next: AtomicUsize::new(0), threads: Vec::new(), is_over };
        let runtimes: Vec<_> =
            (1..runtime.threads()).map(|_| Builder::new_current_thread().enable_all().build()).collect::<Result<_, _>>()?;
        for (number, runtime) in (1..).zip(runtimes) {
            shards.others.push(runtime.handle().clone());
            let (tell, told) = sync_channel(1);
            let is_over = shards.is_over.clone();
            let thread = thread::Builder::new().name(format!("silverback-{number}"));
            shards.threads.push(thread.spawn(move || live(&runtime, has_own_tables, &tell, &is_over))?);
            told.recv().unwrap_or(Ok(())).map_err(ShardsError::Table)?;
        }
        Ok(shards)
    }

    /// The other runtimes, where they accept connections themselves.
    pub(crate) fn with_own_tables(&self) -> impl Iterator<Item = &Handle> {
        self.others.iter().filter(|_| self.has_own_tables)
    }

    /// Whether a listener may have others beside it.
    pub(crate) fn have_own_tables(&self) -> bool {
        self.has_own_tables
    }

    /// Serves a connection on the runtime whose turn it is; where threads have tables of their own, on this one.
    pub(crate) fn spawn<F>(&self, tasks: &TaskTracker, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = if self.has_own_tables { 0 } else { self.next.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1) };
        let Some(other) = turn.checked_sub(1).and_then(|turn| self.others.get(turn)) else {
            tasks.spawn(serve(stream));
            return;
        };
        let moved = stream.into_std(); // which this runtime watches no more
        let on_its_runtime = async move {
            match moved.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "a connection could not be moved to its thread"),
            }
        };
        tasks.spawn_on(on_its_runtime, other);
    }
}

impl Drop for Shards {
    fn drop(&mut self) {
        self.is_over.cancel();
        let own = thread::current().id(); // a door that is dropped late may be the last to hold this, on one of them
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != own) {
            let _ = thread.join();
        }
    }
}

/// The life of a thread.
fn live(runtime: &tokio::runtime::Runtime, has_own_table: bool, tell: &SyncSender<nix::Result<()>>, is_over: &CancellationToken) {
    let table = if has_own_table { unshare(CloneFlags::CLONE_FILES) } else { Ok(()) };
    let is_good = table.is_ok();
    if tell.send(table).is_ok() && is_good {
        runtime.block_on(is_over.cancelled());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::num::NonZeroUsize;
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn every_runtime_gets_its_share_and_none_outlives_them() {
        let (shards, tasks) = (Shards::start(Runtime::default()).unwrap(), TaskTracker::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (told, mut heard) = mpsc::channel(64);
        let (turns, rounds) = (shards.others.len() + 1, 3);
        for _ in 0..turns * rounds {
            let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
            shards.spawn(&tasks, stream, |stream| async move {
                stream.readable().await.unwrap(); // so its runtime watches it
                told.send(thread::current().id()).await.unwrap();
            });
            drop(client);
        }
        drop(told);
        let mut threads = HashSet::new();
        while let Some(thread) = heard.recv().await {
            threads.insert(thread);
        }
        assert_eq!(threads.len(), turns);
        let waiting = thread::spawn(move || drop(shards));
        tokio::task::spawn_blocking(move || waiting.join().unwrap()).await.unwrap();
    }

    #[tokio::test]
    async fn the_last_to_hold_them_may_be_on_one_of_them() {
        let runtime = Runtime { threads: NonZeroUsize::new(3), ..Runtime::default() };
        let shards = Arc::new(Shards::start(runtime).unwrap());
        let (last, other) = (shards.clone(), shards.others[0].clone());
        let (tell, told) = oneshot::channel();
        let dropping = other.spawn(async move {
            told.await.unwrap();
            drop(last);
        });
        drop(shards);
        tell.send(()).unwrap();
        let is_cancelled = |error: tokio::task::JoinError| error.is_cancelled(); // its thread has ended with it
        assert!(dropping.await.map_or_else(is_cancelled, |()| true), "it panicked");
    }
}
