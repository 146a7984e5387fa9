//! Driver and handler in one task.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use silverback_wire::{CloseCode, CloseFrame};

use crate::driver::{Driver, yield_to_others};
use crate::sender::{Closed, TrySendError};
use crate::shared::Shared;

/// What a handler ends with. Any error will do, and `?` on the errors of [`Sender`](crate::Sender) works as it should.
///
/// ```
/// use silverback::{HandlerResult, Receiver, Sender};
///
/// async fn sum(tx: Sender, mut rx: Receiver) -> HandlerResult {
///     let mut sum = 0;
///     while let Some(message) = rx.recv().await {
///         sum += message.as_text().unwrap_or("0").parse::<i64>()?; // what is no number ends the connection with 1011
///         tx.send(sum.to_string()).await?;
///     }
///     Ok(())
/// }
/// # async fn example(socket: silverback::WebSocket) {
/// let report = socket.run(sum).await;
/// # }
/// ```
pub type HandlerResult = Result<(), Box<dyn Error + Send + Sync>>;

/// After so many turns in one poll, others on the thread get theirs.
const TURNS: usize = 32;

/// Drives the connection and the handler until both have ended.
pub(crate) struct Run<F> {
    pub(crate) driver: Driver,
    pub(crate) shared: Arc<Shared>,
    /// `None` once it has ended, or where there is none.
    pub(crate) handler: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = HandlerResult>> Run<F> {
    /// Ready when the handler and the connection have ended; the report is the driver's.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.begin_poll();
        for _ in 0..TURNS {
            let connection = self.poll_connection(cx);
            self.poll_handler(cx);
            if connection.is_ready() {
                return if self.handler.is_none() { Poll::Ready(()) } else { Poll::Pending };
            }
            if self.handler.is_none() && self.driver.has_announced_end() {
                break; // whoever receives elsewhere gets a turn before the end is acted on
            }
            // Only now, when nothing is left to do, may what others do wake us.
            let is_inbox_parked = !self.driver.is_paused() || self.shared.park_for_inbox(cx);
            if is_inbox_parked && self.driver.park(cx) {
                return Poll::Pending;
            }
        }
        yield_to_others(cx);
        Poll::Pending
    }

    /// Moves what arrives to the inbox, as long as it has room. Ready when the connection has ended.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Once we have said Close, what finds no room is dropped: the peer's Close is behind it.
        while self.shared.has_inbox_room() || !self.driver.is_open() || self.driver.has_announced_end() {
            match self.driver.poll_arrival(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Ready(Some(part)) if self.shared.has_inbox_room() => match self.shared.deliver(part) {
                    // The handler is polled right after this; a waker of its own making needs to be told.
                    Some(waker) if self.handler.is_none() || !waker.will_wake(cx.waker()) => waker.wake(),
                    _ => {}
                },
                Poll::Ready(Some(_)) => self.shared.close_inbox(),
            }
        }
        self.driver.poll_without_reading(cx)
    }

    fn poll_handler(&mut self, cx: &mut Context<'_>) {
        let Some(handler) = &mut self.handler else { return };
        let (frame, cause) = match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(()))) => (CloseFrame::new(CloseCode::NORMAL, ""), "the handler returned".into()),
            // It learnt of the end by an error of the sender: nothing of its own has failed.
            Ok(Poll::Ready(Err(error))) if is_closed(&*error) => (CloseFrame::new(CloseCode::NORMAL, ""), "the handler returned".into()),
            Ok(Poll::Ready(Err(error))) => {
                tracing::error!(%error, "a handler failed; its connection is closed with 1011");
                (CloseFrame::new(CloseCode::INTERNAL_ERROR, "internal error"), format!("the handler failed: {error}").into())
            }
            Err(panic) => {
                let panic = message_of(&*panic);
                tracing::error!(panic, "a handler panicked; its connection is closed with 1011");
                (CloseFrame::new(CloseCode::INTERNAL_ERROR, "internal error"), format!("the handler panicked: {panic}").into())
            }
        };
        self.handler = None;
        self.shared.ask_to_close(frame, cause);
    }
}

/// Whether it is one of the errors by which a handle says that the connection has ended.
fn is_closed(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    #[cfg(feature = "json")]
    if matches!(error.downcast_ref(), Some(crate::SendJsonError::Closed(_))) {
        return true;
    }
    error.is::<Closed>() || matches!(error.downcast_ref(), Some(TrySendError::Closed(_)))
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}
