//! The handle that receives.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use silverback_wire::{CloseReport, Message, Part};
use tokio::task::coop;

use crate::gather::Gather;
use crate::shared::Shared;
use crate::spare::Spare as _;

/// Receives the messages of one connection. There is one for each connection, and reading needs `&mut`: two readers do not compile.
///
/// ```compile_fail,E0499
/// # async fn example(mut rx: silverback::Receiver) {
/// let first = rx.recv();
/// let second = rx.recv(); // the first still reads
/// first.await;
/// # }
/// ```
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    /// Taken from the shared inbox all at once: one lock for many messages.
    parts: VecDeque<Part>,
    /// What `recv` has put together so far of a message that arrives in parts.
    gather: Gather,
}

impl Receiver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, parts: VecDeque::new(), gather: Gather::default() }
    }

    /// The next message, or `None` when the connection has ended; then [`close_report`](Self::close_report) tells how.
    ///
    /// Cancel-safe: a message is taken only when this becomes ready.
    ///
    /// ```
    /// # async fn example(mut rx: silverback::Receiver, mut orders: tokio::sync::mpsc::Receiver<String>) {
    /// loop {
    ///     tokio::select! {
    ///         message = rx.recv() => match message {
    ///             Some(message) => println!("{message:?}"),
    ///             None => break println!("{}", rx.close_report().expect("recv has said that it is over")),
    ///         },
    ///         Some(order) = orders.recv() => println!("{order}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for hand-written futures and streams. Pending, it wakes the task that polled it last.
    ///
    /// ```
    /// # use silverback::{Message, Receiver};
    /// # fn example(mut rx: Receiver) -> impl futures_util::Stream<Item = Message> {
    /// futures_util::stream::poll_fn(move |cx| rx.poll_recv(cx))
    /// # }
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        while let Some(part) = ready!(self.poll_part(cx)) {
            if let Some(message) = self.gather.add(part) {
                return Poll::Ready(Some(message));
            }
        }
        Poll::Ready(None)
    }

    /// The next part of a message, or `None` when the connection has ended. A message that arrives whole is one part, which is the last;
    /// one that is larger than [`part_size`](crate::UpgraderBuilder::part_size) is several. `recv` after some of them begins with the next message.
    ///
    /// Cancel-safe: a part is taken only when this becomes ready.
    ///
    /// ```no_run
    /// # async fn example(mut rx: silverback::Receiver, mut file: tokio::fs::File) -> std::io::Result<()> {
    /// use tokio::io::AsyncWriteExt;
    ///
    /// while let Some(part) = rx.recv_part().await {
    ///     file.write_all(part.piece.payload()).await?;
    ///     if part.is_last {
    ///         file.flush().await?;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_part(&mut self) -> Option<Part> {
        if let Some(begun) = self.gather.take() {
            return Some(begun);
        }
        let part = poll_fn(|cx| self.poll_part(cx)).await?;
        self.gather.passed(&part);
        Some(part)
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        // A task that receives without ever waiting lets others on: what it sends in a loop is to be written, too.
        let turn = ready!(coop::poll_proceed(cx));
        if self.parts.is_empty() && !ready!(self.shared.poll_arrivals(cx, &mut self.parts)) {
            Part::keep(std::mem::take(&mut self.parts));
            return Poll::Ready(None);
        }
        turn.made_progress();
        Poll::Ready(self.parts.pop_front())
    }

    /// How the connection ended, once it has.
    pub fn close_report(&self) -> Option<&CloseReport> {
        self.shared.report().map(Arc::as_ref)
    }
}

/// What arrives for nobody is dropped, so that the connection's end is still found behind it.
impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.desert();
    }
}
