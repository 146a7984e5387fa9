//! Driver and handler in one task.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use silverback_wire::{CloseCode, CloseFrame, Part};

use crate::driver::{Driver, yield_to_others};
use crate::inbox::Room;
use crate::sender::{Closed, TrySendError};
use crate::shared::Shared;
use crate::spare::Spare as _;

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
    driver: Driver,
    pub(crate) shared: Arc<Shared>,
    /// How much may arrive before the inbox is looked at again.
    room: Room,
    /// `None` once it has ended, or where there is none.
    handler: Option<Pin<Box<F>>>,
}

impl<F: Future<Output = HandlerResult>> Run<F> {
    pub(crate) fn new(driver: Driver, shared: Arc<Shared>, handler: Option<Pin<Box<F>>>) -> Self {
        Self { driver, shared, room: Room::default(), handler }
    }

    /// With a handler, whose panic ends the connection even if it comes before its first await.
    pub(crate) fn begin(driver: Driver, shared: Arc<Shared>, handler: impl FnOnce() -> F) -> Self {
        let mut run = Self::new(driver, shared, None);
        match catch_unwind(AssertUnwindSafe(handler)) {
            Ok(handler) => run.handler = Some(Box::pin(handler)),
            Err(panic) => run.panicked(&*panic),
        }
        run
    }

    /// Ready when the handler and the connection have ended; the report is the driver's.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.driver.grant_reads();
        self.driver.begin_poll(cx);
        for turn in 0..TURNS {
            let mut arrived = Arrived { parts: Part::queue(), is_any: false };
            let connection = self.poll_connection(&mut arrived, cx);
            // Whatever else the handler may wait for wakes this task.
            let is_handler_due = turn == 0 || arrived.is_any || connection.is_ready();
            self.hand_over(&mut arrived, cx);
            Part::keep(std::mem::take(&mut arrived.parts));
            if connection.is_ready() {
                self.driver.conclude();
            }
            if is_handler_due {
                self.poll_handler(cx);
            }
            if arrived.is_any {
                self.shared.wake_receiver_elsewhere();
            }
            if connection.is_ready() {
                return if self.handler.is_none() { Poll::Ready(()) } else { Poll::Pending };
            }
            if self.handler.is_none() && self.driver.has_announced_end() {
                break; // whoever receives elsewhere gets a turn before the end is acted on
            }
            // Only now, when nothing is left to do, may what others do wake us.
            let is_inbox_parked = !self.driver.is_paused() || self.shared.park_for_inbox(cx);
            if is_inbox_parked && self.driver.settle(cx) {
                return Poll::Pending;
            }
        }
        yield_to_others(cx);
        Poll::Pending
    }

    /// Collects what arrives, as long as the inbox has room for it. Ready when the connection has ended.
    fn poll_connection(&mut self, arrived: &mut Arrived, cx: &mut Context<'_>) -> Poll<()> {
        // Once we have said Close, what finds no room is dropped: the peer's Close is behind it.
        while self.has_inbox_room(arrived, cx) || !self.driver.is_open() || self.driver.has_announced_end() {
            match ready!(self.driver.poll_arrival(cx)) {
                None => return Poll::Ready(()),
                Some(part) if self.room.take(part.piece.len()) => arrived.push(part),
                Some(_) => self.shared.close_inbox(),
            }
        }
        self.driver.poll_without_reading(cx)
    }

    /// The inbox is looked at only when it may be full.
    fn has_inbox_room(&mut self, arrived: &mut Arrived, cx: &Context<'_>) -> bool {
        if !self.room.is_some() {
            self.hand_over(arrived, cx);
            self.room = self.shared.inbox_room();
        }
        self.room.is_some()
    }

    fn hand_over(&self, arrived: &mut Arrived, cx: &Context<'_>) {
        if !arrived.parts.is_empty() {
            // The handler is polled right after this; a waker of its own making needs to be told.
            self.shared.deliver(&mut arrived.parts, self.handler.as_ref().map(|_| cx.waker()));
        }
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
                self.handler = None;
                return self.panicked(&*panic);
            }
        };
        self.handler = None;
        self.shared.ask_to_close(frame, cause);
    }

    fn panicked(&self, panic: &(dyn Any + Send)) {
        let panic = message_of(panic);
        tracing::error!(panic, "a handler panicked; its connection is closed with 1011");
        let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "internal error");
        self.shared.ask_to_close(frame, format!("the handler panicked: {panic}").into());
    }
}

/// What has arrived in one turn, to be handed over under one lock.
struct Arrived {
    parts: VecDeque<Part>,
    is_any: bool,
}

impl Arrived {
    fn push(&mut self, part: Part) {
        self.parts.push_back(part);
        self.is_any = true;
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
