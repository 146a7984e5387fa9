//! The one owner of a connection and its socket.

use std::future::Future as _;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::BytesMut;
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Connection, Event, Part, Role};
use tokio::time::Sleep;

use crate::drain::{ConnectionId, Fleet, Membership};
use crate::link::Link;
use crate::meter::Meter;
use crate::shared::Shared;
use crate::transport::Transport;

/// Queued messages are encoded until this many bytes wait for the kernel; more would only be memory.
const WRITE_AHEAD: usize = 64 * 1024;

/// So many reads in one poll, and then others on the thread, and the handler in the same task, get their turn. It is well below the number
/// of operations that tokio grants a task, which the handler's own sleeps and channels need too.
const READS: u32 = 4;

/// Moves bytes between a connection and its socket, messages between the connection and its queues, and watches the time. Whoever polls
/// it drives all of that.
pub(crate) struct Driver {
    connection: Connection,
    /// `None` once the connection has ended.
    link: Option<Link>,
    /// Set for the connection's next deadline or an earlier time; made when it is first needed.
    timer: Option<Pin<Box<Sleep>>>,
    shared: Option<Arc<Shared>>,
    id: ConnectionId,
    /// In the fleet of its upgrader.
    membership: Option<Membership>,
    meter: Meter,
    report: Option<Arc<CloseReport>>,
    read_at: Instant,
    reads_left: u32,
    parked: Parked,
    is_paused: bool,
    /// Nothing is sent but by the queue: while this sleeps, others may write what is in it.
    is_lender: bool,
    /// When a close that waits behind queued messages is done in front of them.
    close_by: Option<Instant>,
    end: EndNotice,
}

/// What has been polled to no avail since the task was woken, so that it wakes the task and need not be polled again.
#[derive(Clone, Copy, Default)]
struct Parked {
    is_reading: bool,
    is_timing: bool,
    /// What is queued wakes the task.
    is_asleep: bool,
}

/// Whether `poll_arrival` is pending once before it acts on the peer's Close or violation, so that a handler in the same task can still
/// answer what came before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndNotice {
    NotGiven,
    ToBeGiven,
    Given,
}

impl Driver {
    pub(crate) fn new(
        transport: Transport,
        mut connection: Connection,
        preface: BytesMut,
        behind_head: BytesMut,
        fleet: Option<&Arc<Fleet>>,
    ) -> Self {
        let now = now();
        let id = ConnectionId::next();
        if !behind_head.is_empty() {
            connection.receive(behind_head, now);
        }
        Self {
            meter: Meter::open(&connection),
            id,
            membership: fleet.map(|fleet| fleet.join(id)),
            connection,
            link: Some(Link::new(transport, preface)),
            timer: None,
            shared: None,
            report: None,
            read_at: now,
            reads_left: READS,
            parked: Parked::default(),
            is_paused: false,
            is_lender: false,
            close_by: None,
            end: EndNotice::NotGiven,
        }
    }

    pub(crate) fn shared(&mut self, make: impl FnOnce() -> Arc<Shared>) -> &Arc<Shared> {
        self.shared.get_or_insert_with(make)
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn role(&self) -> Role {
        self.connection.role()
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Begins to close, behind what is queued.
    pub(crate) fn close(&mut self, frame: CloseFrame, cause: &'static str) {
        match &self.shared {
            Some(shared) => {
                shared.ask_to_close(frame, cause.into());
            }
            None => self.connection.close_because(frame, cause, now()),
        }
    }

    /// From here on it is driven for handles that are elsewhere.
    pub(crate) fn serve_handles(&mut self) {
        self.end = EndNotice::ToBeGiven;
        self.is_lender = true;
    }

    pub(crate) fn report(&self) -> Option<&Arc<CloseReport>> {
        self.report.as_ref()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    /// Whether the next `poll_arrival` acts on an end.
    pub(crate) fn has_announced_end(&self) -> bool {
        self.end == EndNotice::Given
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether everything that was sent is with the kernel.
    pub(crate) fn has_written(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.has_written(&self.connection))
    }

    /// Whether more may be encoded, and is not in the middle of a message that a `Sender` writes in parts. Nothing is to be waited for once
    /// nothing can be sent.
    pub(crate) fn has_room(&self) -> bool {
        let is_others_turn = self.shared.as_ref().is_some_and(|shared| shared.is_inside());
        !is_others_turn && self.connection.transmit_len() < WRITE_AHEAD || !self.connection.is_open()
    }

    /// Grants the reads of one poll.
    pub(crate) fn grant_reads(&mut self) {
        self.reads_left = READS;
    }

    /// To be called whenever a task begins to poll: what it is woken by is to be looked at, and is to wake this task from now on.
    pub(crate) fn begin_poll(&mut self, cx: &Context<'_>) {
        self.rise();
        if let Some(Poll::Ready(frame)) = self.membership.as_ref().map(|membership| membership.poll_order(cx)) {
            self.close(frame, "drained");
        }
    }

    #[inline]
    fn rise(&mut self) {
        if std::mem::take(&mut self.parked).is_asleep {
            self.take_back();
        }
    }

    /// What was lent while this slept.
    fn take_back(&mut self) {
        let Some(shared) = &self.shared else { return };
        if let (Some(socket), Some(link)) = (shared.rise(&mut self.connection), &mut self.link) {
            link.give_back(socket);
        }
    }

    /// The next message that arrives, or part of one, or `None` when the connection has ended. On the way does everything else that is due: writes what
    /// waits, answers, watches the time.
    ///
    /// Queued messages wake nobody until [`park`](Self::park) has been called.
    pub(crate) fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        if std::mem::take(&mut self.is_paused) {
            self.read_at = now(); // what is left in the buffer is looked at now
            self.connection.resume_reading(self.read_at);
        }
        if self.end == EndNotice::Given {
            self.poll_output(cx); // what the handler has said since goes out before the end
            self.end = EndNotice::ToBeGiven;
        }
        loop {
            while let Some(event) = self.connection.poll_event(self.read_at) {
                match event {
                    Event::Message(message) => return Poll::Ready(Some(Part { piece: message, is_last: true })),
                    Event::Part(part) => return Poll::Ready(Some(part)),
                    Event::Ending if self.end == EndNotice::ToBeGiven => {
                        self.end = EndNotice::Given;
                        return Poll::Pending;
                    }
                    Event::Pong { round_trip: Some(took), .. } => {
                        self.meter.round_trip(took);
                        self.shared.iter().for_each(|shared| shared.note_round_trip(took));
                    }
                    _ => {}
                }
            }
            self.poll_output(cx);
            // Bytes are looked for before the time is: what has arrived is a sign of life, however late we come to read it.
            if self.has_ended() {
                return Poll::Ready(None);
            }
            if self.poll_read(cx).is_pending() && self.poll_time(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// As `poll_arrival`, for a time in which no message can be taken: everything but reading. Ready when the connection has ended.
    pub(crate) fn poll_without_reading(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.is_paused = true;
        self.connection.pause_reading(now());
        self.poll_output(cx);
        if let Some(failure) = self.link.as_ref().and_then(Link::write_failure) {
            // What has arrived behind the messages that wait here is lost, and a dead connection is not kept for it.
            self.connection.transport_ended(failure, now());
        }
        while self.poll_time(cx).is_ready() {
            self.poll_output(cx);
        }
        if self.has_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Writes what has been queued meanwhile, and lets what others do from now on wake `cx`. `false` when there is work now.
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        let (was_open, had_failed) = (self.is_open(), self.has_failed_to_write());
        self.poll_output(cx);
        let is_the_same = was_open == self.is_open() && had_failed == self.has_failed_to_write() && !self.has_ended();
        is_the_same && self.poll_time(cx).is_pending() && self.park(cx)
    }

    /// Lets queued messages wake `cx`. `false` when there is work now.
    pub(crate) fn park(&mut self, cx: &Context<'_>) -> bool {
        if self.end == EndNotice::Given {
            return false;
        }
        let (connection, link) = (&self.connection, self.link.as_mut().filter(|_| self.is_lender));
        let socket = || link.and_then(|link| link.lend(connection));
        let is_close_noted = self.close_by.is_some();
        let is_asleep = match &self.shared {
            Some(shared) => shared.park_for_outbox(connection, WRITE_AHEAD, is_close_noted, socket, cx),
            None => true,
        };
        self.parked.is_asleep = is_asleep;
        is_asleep
    }

    /// Writes what waits and the transport takes.
    pub(crate) fn poll_output(&mut self, cx: &mut Context<'_>) {
        let Some(link) = &mut self.link else { return };
        loop {
            if let Some(shared) = &self.shared {
                let is_close_waiting = shared.pull(&mut self.connection, WRITE_AHEAD, now);
                self.close_by = if is_close_waiting { self.close_by.or_else(|| Some(self.connection.close_deadline(now()))) } else { None };
            }
            if link.has_written(&self.connection) || self.connection.has_ended() {
                break;
            }
            let is_pending = link.poll_write(&mut self.connection, cx).is_pending();
            note_written(self.shared.as_deref(), link, &self.connection);
            if is_pending {
                return;
            }
        }
        note_written(self.shared.as_deref(), link, &self.connection);
        if !self.connection.is_open() {
            let is_asked = self.connection.poll_shutdown(now());
            link.poll_shutdown(is_asked, cx);
        }
    }

    /// Ready when something has changed: bytes, or the end of the transport.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(link) = &mut self.link else { return Poll::Ready(()) };
        // Writing may have failed since, and reading tells that.
        if self.parked.is_reading && link.write_failure().is_none() {
            return Poll::Pending;
        }
        if self.reads_left == 0 {
            yield_to_others(cx);
            return Poll::Pending;
        }
        let read = link.poll_read(&mut self.connection, cx);
        self.parked.is_reading = read.is_pending();
        let read = ready!(read);
        self.reads_left -= 1;
        self.read_at = now();
        match read {
            Ok(bytes) => self.connection.receive(bytes, self.read_at),
            Err(end) => self.connection.transport_ended(end, self.read_at),
        }
        Poll::Ready(())
    }

    /// Does what is due; ready then. The timer is moved only when it has fired or is too late; a sign of life does not touch it.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.next_deadline() {
            let deadline = tokio::time::Instant::from_std(deadline);
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
                self.parked.is_timing = false;
            }
            if self.parked.is_timing {
                return Poll::Pending;
            }
            self.parked.is_timing = true;
            ready!(timer.as_mut().poll(cx));
            self.parked.is_timing = false;
            if timer.deadline() >= deadline {
                self.timer = None;
                self.handle_timeout(cx);
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.connection.poll_timeout().into_iter().chain(self.close_by).min()
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        let now = now();
        if let (Some(shared), Some(_)) = (&self.shared, self.close_by.take_if(|by| *by <= now)) {
            shared.close_now(&mut self.connection, now);
        }
        self.connection.handle_timeout(now);
        self.meter.look(&self.connection, self.shared.as_ref().map(|shared| shared.fill()));
        if let Some(link) = &mut self.link {
            // A Close to a peer that is taken for dead has no other moment to go out.
            let _ = link.poll_write(&mut self.connection, cx);
        }
    }

    fn has_ended(&self) -> bool {
        self.connection.has_ended()
    }

    fn has_failed_to_write(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.write_failure().is_some())
    }

    /// Once the connection has ended, and what came before has been handed over: closes the socket and publishes the report.
    pub(crate) fn conclude(&mut self) {
        if self.report.is_some() {
            return;
        }
        let Some(report) = self.connection.report() else { return };
        self.link = None;
        self.timer = None;
        self.membership = None;
        let fill = self.shared.as_ref().map(|shared| shared.fill());
        let report = match &self.shared {
            Some(shared) => shared.end(report), // which adds what was still queued
            None => Arc::new(report),
        };
        self.meter.end(&report, fill);
        self.report = Some(report);
    }
}

/// Tells those who wait for it how far the kernel has come.
fn note_written(shared: Option<&Shared>, link: &Link, connection: &Connection) {
    if let Some(shared) = shared.filter(|_| link.is_flushed()) {
        shared.note_written(connection.written());
    }
}

/// A connection that is dropped while it is open says so to its peer, if the kernel takes the few bytes at once, and publishes its report.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.report.is_some() {
            return;
        }
        self.rise();
        let now = now();
        self.connection.close_because(CloseFrame::new(CloseCode::GOING_AWAY, "the connection was dropped"), "dropped here", now);
        if let Some(link) = &mut self.link {
            let _ = link.poll_write(&mut self.connection, &mut Context::from_waker(Waker::noop()));
        }
        self.connection.abandon("dropped here", now);
        self.conclude();
    }
}

/// Has the task polled again after the others on its thread, and after the runtime has looked at its timers and sockets, which a plain
/// wake does not wait for.
pub(crate) fn yield_to_others(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// The runtime's clock, which a test can hold still.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection costs while nothing is in it, beside the task, the timer and the socket. Growth is a decision, not an accident.
    #[test]
    fn a_connection_is_small() {
        let sizes =
            [("Connection", size_of::<Connection>(), 312), ("Driver", size_of::<Driver>(), 480), ("Shared", size_of::<Shared>(), 368)];
        for (name, size, most) in sizes {
            assert!(size <= most, "{name} has {size} bytes");
        }
    }
}
