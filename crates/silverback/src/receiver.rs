//! The handle that receives.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use silverback_wire::{CloseReport, Message};

use crate::shared::Shared;

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
    messages: VecDeque<Message>,
}

impl Receiver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, messages: VecDeque::new() }
    }

    /// The next message, or `None` when the connection has ended; then [`close_report`](Self::close_report) tells how.
    ///
    /// Cancel-safe: a message is taken only when this becomes ready.
    pub async fn recv(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv), for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.messages.is_empty() && !std::task::ready!(self.shared.poll_arrivals(cx, &mut self.messages)) {
            self.messages = VecDeque::new();
            return Poll::Ready(None);
        }
        Poll::Ready(self.messages.pop_front())
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
