//! Everything that time does to a connection.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

use super::{Connection, PONG_ROOM, Shutdown, State};
use crate::config::deadline;
use crate::deadlines::{Due, View};
use crate::frame::{Header, Opcode};
use crate::heartbeat::Verdict;
use crate::{Cause, CloseCode, CloseFrame, ProtocolError, Side, TransportEnd};

impl Connection {
    /// How long the peer took to answer the last Ping of the heartbeat that it answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pulse.round_trip()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, as things stand. It moves back with every sign of life, so
    /// there is no need to re-arm a timer that is set for an earlier time.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let heartbeat = self.config.heartbeat.map(|heartbeat| self.pulse.deadline(heartbeat));
        match self.state {
            State::Open => {
                let late_at = self.late_at.filter(|_| !self.pulse.is_suspended());
                let others = self.deadlines.as_ref().and_then(|deadlines| deadlines.next(&self.config, self.view()));
                [heartbeat, late_at, others].into_iter().flatten().min()
            }
            State::Closing { until } | State::Finishing { until, .. } => Some(until),
            State::Ended { .. } => None,
        }
    }

    /// Does what is due at `now`: a Ping (RFC 6455, 5.5.2), a keep-alive message, or an end. Harmless when nothing is.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use silverback_wire::{Connection, Role};
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// let due = server.poll_timeout().expect("there is a heartbeat");
    /// assert_eq!(due, now + Duration::from_secs(20));
    /// server.handle_timeout(due); // the peer was silent until then
    /// assert!(server.poll_transmit().is_some()); // a Ping
    /// ```
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Open if self.is_late(now) => self.violated(self.lateness(), now),
            State::Open => {
                self.check_heartbeat(now);
                self.check_deadlines(now);
            }
            State::Closing { until } | State::Finishing { until, .. } if now >= until => self.end(TransportEnd::TimedOut, now),
            State::Closing { .. } | State::Finishing { .. } | State::Ended { .. } => {}
        }
    }

    /// Nobody reads from the transport until [`resume_reading`](Self::resume_reading): the peer's silence is not held against it. So that it does
    /// not take us for dead, whose Pings go unanswered, it is sent a Pong now and then (RFC 6455, 5.5.3 allows one that nobody asked for).
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use silverback_wire::{Connection, Role};
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.pause_reading(now); // the application has not taken what came before
    /// let later = now + Duration::from_secs(3600);
    /// server.handle_timeout(later);
    /// server.resume_reading(later);
    /// assert!(server.is_open());
    /// assert_eq!(server.poll_timeout(), Some(later + Duration::from_secs(20))); // the heartbeat begins anew
    /// ```
    pub fn pause_reading(&mut self, now: Instant) {
        if !self.has_ended() {
            self.pulse.suspend(now);
        }
    }

    /// Reading goes on. Silence counts from now, and so does the time that the rest of a message has.
    pub fn resume_reading(&mut self, now: Instant) {
        if !self.pulse.resume(now) {
            return;
        }
        if self.late_at.take().is_some() {
            self.note_lateness(now);
        }
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.resumed(now);
        }
    }

    /// Everything that arrived has been read. If it ends inside a message, the rest has its time from now on, unless it has it already.
    pub(super) fn note_lateness(&mut self, now: Instant) {
        self.late_at = match self.config.message_timeout.filter(|_| self.reader.is_inside()) {
            Some(limit) => self.late_at.or_else(|| Some(deadline(now, limit))),
            None => None,
        };
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        !self.pulse.is_suspended() && self.late_at.is_some_and(|late_at| late_at <= now)
    }

    pub(super) fn lateness(&self) -> ProtocolError {
        ProtocolError::MessageTooSlow { limit: self.config.message_timeout.unwrap_or_default() }
    }

    pub(super) fn check_heartbeat(&mut self, now: Instant) {
        let Some(heartbeat) = self.config.heartbeat else { return };
        match self.pulse.check(heartbeat, self.transmit.taken(), now) {
            Verdict::Alive => {}
            // Where so much waits already, one of these bytes will do as well.
            Verdict::Reassure if self.transmit.remaining() >= PONG_ROOM => {}
            Verdict::Ask(payload) => self.transmit.copied_frame(self.role, Header::whole(Opcode::Ping), &payload),
            Verdict::Reassure => self.pong(Bytes::new()),
            Verdict::Dead(silence) => {
                // Nobody is expected to read it, but a peer that was only asleep learns why.
                let sent = self.transmit_close(CloseFrame::new(CloseCode::INTERNAL_ERROR, "no sign of life within the heartbeat's time"));
                self.end_begins(Side::Local, Cause::PeerSilent(silence), sent);
                self.state = State::Finishing { until: now, shutdown: Shutdown::Due, has_peer_finished: false };
            }
        }
    }

    pub(super) fn check_deadlines(&mut self, now: Instant) {
        let Some(due) = self.deadlines.as_ref().and_then(|deadlines| deadlines.due(&self.config, self.view(), now)) else { return };
        match due {
            Due::Stalled => {
                // Whatever is said now would wait behind what nobody takes.
                self.end_begins(Side::Local, Cause::WriteStalled(self.config.write_timeout.unwrap_or_default()), None);
                self.end(TransportEnd::TimedOut, now);
            }
            Due::Expired => {
                let frame = CloseFrame::new(CloseCode::GOING_AWAY, "this connection has lasted its time: connect again");
                self.begin_close(frame, Cause::MaxAge(now.saturating_duration_since(self.opened)), now);
            }
            Due::Idle => {
                let limit = self.config.idle_timeout.unwrap_or_default();
                let reason = format!("no message came within {} s", limit.as_secs_f32());
                self.begin_close(CloseFrame::new(CloseCode::POLICY_VIOLATION, reason), Cause::Idle(limit), now);
            }
            Due::KeepAlive => self.keep_alive(now),
        }
    }

    pub(super) fn keep_alive(&mut self, now: Instant) {
        let Some((every, message)) = self.config.keepalive.as_ref().map(|keepalive| (keepalive.every, keepalive.message.clone())) else {
            return;
        };
        let is_wanted = self.deadlines.as_ref().is_some_and(|deadlines| deadlines.is_keepalive_wanted(self.sent_messages));
        // Where so much waits already, the peer will see that we live when it reads.
        if is_wanted && self.sending.is_none() && self.transmit.remaining() < PONG_ROOM {
            let _ = self.send(message); // open, and between messages
        }
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.settle_keepalive(every, self.sent_messages, now);
        }
    }

    pub(super) fn view(&self) -> View {
        View { is_reading: !self.pulse.is_suspended(), taken: self.transmit.taken() }
    }

    pub(super) fn message_arrived(&mut self, now: Instant) {
        self.late_at = None;
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.message_arrived(now);
        }
    }
}
