//! A connection that is looked after, with a handler or with its handles elsewhere.

use std::fmt;
use std::future::{Future, Ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use silverback_wire::CloseReport;
use tracing::Span;

use crate::run::{HandlerResult, Run};

/// Looks after a connection whose [`Sender`](crate::Sender) and [`Receiver`](crate::Receiver) are used elsewhere: reads, writes, answers pings, watches the
/// time. Made by [`WebSocket::split`](crate::WebSocket::split). Ready with the report when the connection has ended.
///
/// Dropping it drops the connection; the report is still published to every handle.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (server, client) = (server?, client?);
/// use silverback::CloseCode;
///
/// let (tx, _rx, drive) = server.split();
/// let drive = tokio::spawn(drive);
/// # tokio::spawn(async move { let mut client = client; while client.recv().await.is_some() {} });
/// tx.begin_close(CloseCode::NORMAL, "done");
/// assert!(drive.await?.is_clean());
/// # Ok(())
/// # }
/// ```
#[must_use = "a connection that nobody drives stands still: spawn it"]
pub struct Drive(pub(crate) Driven<Ready<HandlerResult>>);

impl Future for Drive {
    type Output = Arc<CloseReport>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<CloseReport>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("report", &self.0.0.run.shared.report()).finish_non_exhaustive()
    }
}

/// A connection that runs, and how it ended. In a box: a task that is no larger than this takes the smallest place that tokio has for one,
/// which it rounds to 128 bytes, and an allocator to more.
pub(crate) struct Driven<F>(Box<Driving<F>>);

struct Driving<F> {
    run: Run<F>,
    /// What is logged meanwhile belongs to it. `None` where nobody hears of it.
    span: Option<Box<Span>>,
}

impl<F: Future<Output = HandlerResult>> Driven<F> {
    pub(crate) fn new(run: Run<F>, span: Span) -> Self {
        let span = (!span.is_none()).then(|| Box::new(span));
        Self(Box::new(Driving { run, span }))
    }
}

impl<F: Future<Output = HandlerResult>> Future for Driven<F> {
    type Output = Arc<CloseReport>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<CloseReport>> {
        let Driving { run, span } = &mut *self.0;
        let polled = match span {
            None => run.poll(cx),
            Some(span) => span.in_scope(|| run.poll(cx)),
        };
        ready!(polled);
        run.shared.report().cloned().map_or(Poll::Pending, Poll::Ready) // it is there when the connection has ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The allocator's next smaller size is 448 bytes, the next larger one 640.
    #[test]
    fn a_connection_that_runs_takes_512_bytes_and_its_task_one_word() {
        assert!(size_of::<Driving<Ready<HandlerResult>>>() <= 512);
        assert_eq!(size_of::<Drive>(), size_of::<usize>());
    }
}
