//! The one owner of a socket: moves bytes between it and the protocol.

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Connection, Event, Message, TransportEnd};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

use crate::shared::Shared;
use crate::transport::Transport;

/// What is read at once. The buffer belongs to the thread and is lent to whichever connection has something to read, so that a quiet
/// connection holds none.
const READ_SIZE: usize = 64 * 1024;

/// Queued messages are encoded until this many bytes wait for the kernel; more would only be memory.
const WRITE_AHEAD: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A connection and its socket. Whoever polls it drives both.
pub(crate) struct Driver {
    /// `None` once the connection has ended.
    transport: Option<Transport>,
    connection: Connection,
    /// Set for the connection's next deadline or an earlier time; made when the connection is first polled.
    timer: Option<Pin<Box<Sleep>>>,
    read_at: Instant,
    /// Bytes were written since the last flush. TCP takes them as they are written; TLS and upgraded connections may hold them back.
    is_unflushed: bool,
    is_shutting_down: bool,
    /// The peer's FIN was read: there is nothing more to read, though something may still have to be written.
    is_read_to_end: bool,
    /// Whether `poll_message` is pending once before it acts on the peer's Close or violation, so that a handler in the same task can still
    /// answer what came before.
    announces_end: bool,
    is_end_near: bool,
    write_failure: Option<io::ErrorKind>,
    shared: Option<Arc<Shared>>,
    report: Option<Arc<CloseReport>>,
}

impl Driver {
    pub(crate) fn new(transport: Transport, mut connection: Connection, behind_head: BytesMut) -> Self {
        let now = now();
        if !behind_head.is_empty() {
            connection.receive(behind_head, now);
        }
        Self {
            transport: Some(transport),
            connection,
            timer: None,
            read_at: now,
            is_unflushed: false,
            is_shutting_down: false,
            is_read_to_end: false,
            announces_end: false,
            is_end_near: false,
            write_failure: None,
            shared: None,
            report: None,
        }
    }

    pub(crate) fn shared(&mut self, make: impl FnOnce() -> Arc<Shared>) -> &Arc<Shared> {
        self.shared.get_or_insert_with(make)
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(crate) fn announce_end(&mut self) {
        self.announces_end = true;
    }

    pub(crate) fn report(&self) -> Option<&Arc<CloseReport>> {
        self.report.as_ref()
    }

    /// The next message that arrives, or `None` when the connection has ended. On the way does everything else that is due: writes what
    /// waits, answers, watches the time.
    ///
    /// Queued messages wake nobody until [`park`](Self::park) has been called.
    pub(crate) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            if std::mem::take(&mut self.is_end_near) {
                self.poll_output(cx);
            }
            while let Some(event) = self.connection.poll_event(self.read_at) {
                match event {
                    Event::Message(message) => return Poll::Ready(Some(message)),
                    Event::Ending if self.announces_end => {
                        self.is_end_near = true;
                        return Poll::Pending;
                    }
                    _ => {}
                }
            }
            self.poll_output(cx);
            // Bytes are looked for before the time is: what has arrived is a sign of life, however late we come to read it.
            if self.poll_end().is_pending() && self.poll_read(cx).is_pending() && self.poll_time(cx).is_pending() {
                return Poll::Pending;
            }
            if self.poll_end().is_ready() {
                return Poll::Ready(None);
            }
        }
    }

    /// As `poll_message`, for a time in which no message can be taken: everything but reading.
    pub(crate) fn poll_without_reading(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.pause_reading();
        self.poll_output(cx);
        if let Some(failure) = self.write_failure {
            self.connection.transport_ended(TransportEnd::Failed(failure), now());
        }
        while self.poll_time(cx).is_ready() {
            self.poll_output(cx);
        }
        self.poll_end()
    }

    pub(crate) fn resume_reading(&mut self) {
        self.connection.resume_reading(now());
    }

    /// Lets queued messages wake `cx`. `false` when there is work now.
    pub(crate) fn park(&self, cx: &Context<'_>) -> bool {
        if self.is_end_near {
            return false;
        }
        let can_pull = self.connection.is_open() && self.connection.transmit_len() < WRITE_AHEAD;
        self.shared.as_ref().is_none_or(|shared| shared.park_for_outbox(cx, can_pull))
    }

    /// Writes everything that waits, without reading. Ready when the kernel has it all, or never will.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_output(cx);
        let is_done = (self.connection.transmit_len() == 0 && !self.is_unflushed) || self.write_failure.is_some();
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) {
        while self.transport.is_some() {
            if let Some(shared) = &self.shared {
                shared.pull(&mut self.connection, WRITE_AHEAD, now);
            }
            if self.connection.transmit_len() == 0 && !self.is_unflushed {
                break;
            }
            if self.poll_write(cx).is_pending() {
                return;
            }
        }
        let Some(transport) = &mut self.transport else { return };
        if let Some(shared) = &self.shared {
            shared.all_written();
        }
        if self.connection.poll_shutdown(now()) {
            self.is_shutting_down = true;
        }
        if self.is_shutting_down {
            // A failure shows itself when the peer's end is read.
            self.is_shutting_down = Pin::new(transport).poll_shutdown(cx).is_pending();
        }
    }

    /// Writes until nothing waits. What is left is remembered by the connection, so this may be dropped and repeated at will.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(transport) = &mut self.transport else { return Poll::Ready(()) };
        if self.write_failure.is_some() {
            return Poll::Pending;
        }
        while let Some(transmit) = self.connection.poll_transmit() {
            let mut slices = [IoSlice::new(&[]); 32];
            let count = transmit.chunks_vectored(&mut slices);
            let written = match &slices[..count] {
                [one] => Pin::new(&mut *transport).poll_write(cx, one),
                many => Pin::new(&mut *transport).poll_write_vectored(cx, many),
            };
            match ready!(written) {
                Ok(0) => self.write_failure = Some(io::ErrorKind::WriteZero),
                Ok(count) => {
                    transmit.advance(count);
                    self.is_unflushed = true;
                }
                // What the peer said before may still be there to be read, so the end is told by reading.
                Err(error) => self.write_failure = Some(error.kind()),
            }
            if self.write_failure.is_some() {
                return Poll::Pending;
            }
        }
        if self.is_unflushed {
            ready!(Pin::new(transport).poll_flush(cx)).unwrap_or_else(|error| self.write_failure = Some(error.kind()));
            self.is_unflushed = false;
        }
        Poll::Ready(())
    }

    /// Ready when something has changed: bytes, or the end of the transport.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(transport) = &mut self.transport else { return Poll::Ready(()) };
        if self.is_read_to_end {
            if let Some(failure) = self.write_failure {
                self.connection.transport_ended(TransportEnd::Failed(failure), now());
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
        // Taken, not borrowed: the stream may itself be made of a WebSocket that reads on this thread.
        let mut buffer = READ_BUFFER.take();
        buffer.reserve(READ_SIZE); // the same memory again, once nobody shares it
        let read = pin!(transport.read_buf(&mut buffer)).poll(cx);
        let bytes = buffer.split();
        READ_BUFFER.set(buffer);
        let end = match (read, self.write_failure) {
            (Poll::Ready(Ok(1..)), _) => {
                self.read_at = now();
                self.connection.receive(bytes, self.read_at);
                return Poll::Ready(());
            }
            (_, Some(failure)) => TransportEnd::Failed(failure),
            (Poll::Ready(Ok(0)), None) => TransportEnd::Finished,
            (Poll::Ready(Err(error)), None) => TransportEnd::Failed(error.kind()),
            (Poll::Pending, None) => return Poll::Pending,
        };
        self.is_read_to_end = true;
        self.connection.transport_ended(end, now());
        Poll::Ready(())
    }

    /// Tells the connection the time when it is due; ready then. The timer is moved only when it has fired or is too late; a sign of life
    /// does not touch it.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.connection.poll_timeout() {
            let deadline = tokio::time::Instant::from_std(deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                self.timer = None;
                self.connection.handle_timeout(now());
                // A Close to a peer that is taken for dead has no other moment to go out.
                let _ = self.poll_write(cx);
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Ready once the connection has ended. Then the socket is closed and the report published.
    fn poll_end(&mut self) -> Poll<()> {
        if self.report.is_some() {
            return Poll::Ready(());
        }
        let Some(report) = self.connection.report() else { return Poll::Pending };
        self.transport = None;
        self.timer = None;
        self.report = Some(match &self.shared {
            Some(shared) => shared.end(report),
            None => Arc::new(report),
        });
        Poll::Ready(())
    }
}

/// A connection that is dropped while it is open says so to its peer, if the kernel takes the few bytes at once, and publishes its report.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.report.is_some() {
            return;
        }
        let now = now();
        self.connection.close_because(CloseFrame::new(CloseCode::GOING_AWAY, "the connection was dropped"), "dropped here", now);
        let _ = self.poll_write(&mut Context::from_waker(Waker::noop()));
        self.connection.abandon("dropped here", now);
        let _ = self.poll_end();
    }
}

/// The runtime's clock, which a test can hold still.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
