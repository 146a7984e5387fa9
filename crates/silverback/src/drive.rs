//! A connection whose handles are elsewhere.

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
pub struct Drive {
    run: Run<Ready<HandlerResult>>,
    span: Span,
}

impl Drive {
    pub(crate) fn new(run: Run<Ready<HandlerResult>>, span: Span) -> Self {
        Self { run, span }
    }
}

impl Future for Drive {
    type Output = Arc<CloseReport>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<CloseReport>> {
        let Self { run, span } = self.get_mut();
        ready!(span.in_scope(|| run.poll(cx)));
        run.shared.report().cloned().map_or(Poll::Pending, Poll::Ready) // it is there when the connection has ended
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("report", &self.run.shared.report()).finish_non_exhaustive()
    }
}
