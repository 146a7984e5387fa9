//! Every way to an end, and what is reported of it.

use std::borrow::Cow;
use std::time::Instant;

use bytes::Buf;

use super::{Closing, Connection, Role, SentClose, Shutdown, State};
use crate::config::deadline;
use crate::frame::{Header, Opcode};
use crate::{Cause, CloseFrame, CloseReport, ProtocolError, Side, Traffic, TransportEnd};

impl Connection {
    /// Begins the closing handshake (RFC 6455, 7.1.2). Messages that were sent before go out before it, and one that is being sent in parts
    /// is cut off; messages from the peer may still arrive until its Close does. Does nothing when the end has begun already.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// use bytes::{Buf, BytesMut};
    /// use silverback_wire::{CloseCode, CloseFrame, Connection, Event, Role, TransportEnd};
    ///
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.close(CloseFrame::new(CloseCode::GOING_AWAY, "bye"), now);
    /// server.poll_transmit().expect("a Close waits").advance(7);
    /// assert!(!server.is_open() && !server.has_ended()); // the client's Close is awaited
    ///
    /// server.receive(BytesMut::from(&b"\x88\x82\0\0\0\0\x03\xe9"[..]), now);
    /// assert_eq!(server.poll_event(now), Some(Event::Ending));
    /// assert_eq!(server.poll_event(now), None);
    /// assert!(server.poll_shutdown(now)); // end the write side
    /// server.transport_ended(TransportEnd::Finished, now); // and the client has ended its own
    /// assert!(server.report().is_some_and(|report| report.is_clean()));
    /// ```
    pub fn close(&mut self, frame: CloseFrame, now: Instant) {
        self.close_because(frame, "closed here", now);
    }

    /// As [`close`](Self::close), with a cause for the report that may differ from what the peer is told.
    ///
    /// ```
    /// # use std::{io::ErrorKind, sync::Arc, time::Instant};
    /// use silverback_wire::{Cause, CloseCode, CloseFrame, Connection, Role, TransportEnd};
    ///
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.close_because(CloseFrame::new(CloseCode::INTERNAL_ERROR, "internal error"), "the database is gone", now);
    /// server.transport_ended(TransportEnd::Failed(ErrorKind::ConnectionReset), now);
    /// let report = server.report().expect("it has ended");
    /// assert_eq!(report.cause, Cause::ClosedHere("the database is gone".into()));
    /// ```
    pub fn close_because(&mut self, frame: CloseFrame, cause: impl Into<Cow<'static, str>>, now: Instant) {
        self.begin_close(frame, Cause::ClosedHere(cause.into()), now);
    }

    pub(super) fn begin_close(&mut self, frame: CloseFrame, cause: Cause, now: Instant) {
        if !self.is_open() {
            return;
        }
        let sent = self.transmit_close(frame);
        self.end_begins(Side::Local, cause, sent);
        self.state = State::Closing { until: deadline(now, self.config.close_timeout) };
    }

    /// Ends the connection at once and without a closing handshake: the transport is about to be dropped. Does nothing when it has
    /// ended already.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use silverback_wire::{Connection, Role, TransportEnd};
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.abandon("the process is stopping", now);
    /// assert!(server.report().is_some_and(|report| report.transport == TransportEnd::Dropped));
    /// assert!(server.poll_transmit().is_none());
    /// ```
    pub fn abandon(&mut self, cause: impl Into<Cow<'static, str>>, now: Instant) {
        self.end_begins(Side::Local, Cause::ClosedHere(cause.into()), None);
        self.end(TransportEnd::Dropped, now);
    }

    /// When a close that is wanted at `now` has to be over.
    pub fn close_deadline(&self, now: Instant) -> Instant {
        deadline(now, self.config.close_timeout)
    }

    /// Whether the write side of the transport is to be ended now. Returns `true` once, after everything was written; never to a client
    /// whose close was clean, which leaves that to the server (RFC 6455, 7.1.1). [`close`](Self::close) shows it.
    #[must_use]
    pub fn poll_shutdown(&mut self, now: Instant) -> bool {
        let State::Finishing { shutdown, has_peer_finished, .. } = &mut self.state else { return false };
        if self.transmit.has_remaining() {
            return false;
        }
        let is_due = std::mem::replace(shutdown, Shutdown::Settled) == Shutdown::Due;
        if *has_peer_finished {
            self.end(TransportEnd::Finished, now);
        }
        is_due
    }

    /// Tells that the transport has ended: [`TransportEnd::Finished`] when the peer's FIN was read, [`TransportEnd::Failed`] when reading
    /// or writing failed. After a FIN there is nothing more to read, but a Close of ours that waits may still be written.
    ///
    /// ```
    /// # use std::{io::ErrorKind, sync::Arc, time::Instant};
    /// use silverback_wire::{Cause, Connection, Role, TransportEnd};
    ///
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.transport_ended(TransportEnd::Failed(ErrorKind::ConnectionReset), now);
    /// assert_eq!(server.report().expect("it has ended").cause, Cause::TransportLost);
    /// ```
    pub fn transport_ended(&mut self, end: TransportEnd, now: Instant) {
        self.end_begins(Side::Peer, Cause::TransportLost, None);
        let (until, shutdown) = match self.state {
            State::Closing { until } => (until, Shutdown::Due),
            State::Finishing { until, shutdown, .. } => (until, shutdown),
            State::Open | State::Ended { .. } => return self.end(end, now),
        };
        if end == TransportEnd::Finished && self.transmit.has_remaining() {
            self.reader.clear();
            self.state = State::Finishing { until, shutdown, has_peer_finished: true };
        } else {
            self.end(end, now);
        }
    }

    /// How it ended, once it has. The transport is to be dropped.
    pub fn report(&self) -> Option<CloseReport> {
        let State::Ended { transport, after } = self.state else { return None };
        let closing = self.closing.as_deref()?;
        let unsent_messages = if self.transmit.has_remaining() { self.sent_messages - self.delivered_messages } else { 0 };
        let (incoming, outgoing) = self.traffic();
        let (pings, answered, pauses) = self.pulse.counts();
        Some(CloseReport {
            began: closing.began,
            cause: closing.cause.clone(),
            sent: closing.sent.as_ref().filter(|sent| sent.end <= self.transmit.taken()).map(|sent| sent.frame.clone()),
            received: closing.received.clone(),
            transport,
            lived: after,
            round_trip: self.round_trip(),
            pings,
            pings_unanswered: pings - answered,
            pauses,
            outgoing,
            incoming,
            unsent: Traffic { messages: unsent_messages, frames: 0, bytes: self.transmit.remaining() as u64 },
        })
    }

    pub(super) fn violated(&mut self, error: ProtocolError, now: Instant) {
        let sent = self.transmit_close(error.into());
        self.end_begins(Side::Peer, error.into(), sent);
        // Whoever broke the protocol cannot be trusted to end TCP.
        self.finish(now, Shutdown::Due);
    }

    pub(super) fn peer_closed(&mut self, frame: CloseFrame, now: Instant) {
        if self.state == State::Open {
            // The answer carries the same code (RFC 6455, 5.5.1).
            let answer = frame.code.map_or_else(CloseFrame::empty, |code| CloseFrame::new(code, ""));
            let sent = self.transmit_close(answer);
            self.end_begins(Side::Peer, Cause::ClosedByPeer, sent);
        }
        if let Some(closing) = &mut self.closing {
            closing.received = Some(frame);
        }
        let shutdown = match self.role {
            Role::Server => Shutdown::Due,
            Role::Client => Shutdown::Settled,
        };
        self.finish(now, shutdown);
    }

    pub(super) fn transmit_close(&mut self, frame: CloseFrame) -> Option<SentClose> {
        if self.state != State::Open {
            return None; // one Close is out already, and nothing follows it
        }
        self.owed_pong = None;
        self.transmit.copied_frame(self.role, Header::whole(Opcode::Close), &frame.encode());
        Some(SentClose { frame, end: self.transmit.end() })
    }

    /// Notes who began the end and why; only the first beginning counts.
    pub(super) fn end_begins(&mut self, began: Side, cause: Cause, sent: Option<SentClose>) {
        self.closing.get_or_insert_with(|| Box::new(Closing { began, cause, sent, received: None }));
    }

    pub(super) fn finish(&mut self, now: Instant, shutdown: Shutdown) {
        self.reader.clear();
        self.deflate = None; // nothing is sent or read any more
        self.state = State::Finishing { until: deadline(now, self.config.linger), shutdown, has_peer_finished: false };
    }

    pub(super) fn end(&mut self, transport: TransportEnd, now: Instant) {
        if matches!(self.state, State::Ended { .. }) {
            return;
        }
        self.reader.clear();
        self.deflate = None;
        self.state = State::Ended { transport, after: now.saturating_duration_since(self.opened) };
    }
}
