//! The runtimes that connections live on: one for each processor, each with one thread.
//!
//! A connection stays on the thread that it is given at the beginning, so its driver, its handler and what it wakes are near each other,
//! and nothing is stolen or locked between threads on the way of a message. Measured against tokio's work-stealing runtime in
//! `bench/NOTES.md`. The first runtime is the one that accepts, and it takes its share.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Dropped, it ends the runtimes but the first, and what still runs on them.
#[derive(Debug)]
pub(crate) struct Shards {
    /// The runtimes besides the one that accepts.
    others: Vec<Handle>,
    next: AtomicUsize,
    threads: Vec<JoinHandle<()>>,
    is_over: CancellationToken,
}

impl Shards {
    /// As many as this process may use processors, the current runtime among them.
    pub(crate) fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let is_over = CancellationToken::new();
        let (mut others, mut threads) = (Vec::new(), Vec::new());
        for number in 1..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            others.push(runtime.handle().clone());
            let is_over = is_over.clone();
            let thread = thread::Builder::new().name(format!("silverback-{number}"));
            threads.push(thread.spawn(move || runtime.block_on(is_over.cancelled()))?);
        }
        Ok(Self { others, next: AtomicUsize::new(0), threads, is_over })
    }

    /// Serves a connection on the runtime whose turn it is.
    pub(crate) fn spawn<F>(&self, tasks: &TaskTracker, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % (self.others.len() + 1);
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
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn every_runtime_gets_its_share_and_none_outlives_them() {
        let (shards, tasks) = (Shards::start().unwrap(), TaskTracker::new());
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
}
