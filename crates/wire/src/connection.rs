//! The state machine of an open connection.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::config::deadline;
use crate::deadlines::{Deadlines, Due, View};
use crate::deflate::{Agreement, Codec};
use crate::frame::{Header, Opcode};
use crate::heartbeat::{Pulse, Verdict};
use crate::reader::{Incoming, Reader};
use crate::{
    Cause, CloseCode, CloseFrame, CloseReport, Config, Message, Part, Prepared, ProtocolError, Side, Traffic, Transmit, TransportEnd,
};

/// Once this many bytes wait to be written, only the latest Ping is kept for an answer (RFC 6455, 5.5.3), so that a peer that sends
/// Pings and reads nothing costs a bounded amount.
const PONG_ROOM: usize = 16 * 1024;

/// A deadline that passed so long ago passed because this end was not there to see it.
const OVERSIGHT: Duration = Duration::from_secs(1);

/// Which end of the connection this is. It decides who masks (RFC 6455, 5.1) and who ends TCP (7.1.1).
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use silverback_wire::{Connection, Role};
///
/// for (role, length) in [(Role::Server, 2 + 5), (Role::Client, 2 + 4 + 5)] { // with a masking key of four bytes
///     let mut connection = Connection::new(role, Arc::default(), Instant::now());
///     connection.send("hello".into())?;
///     assert_eq!(connection.transmit_len(), length);
/// }
/// # Ok::<(), silverback_wire::NotSent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Frames go out unmasked and must come in masked.
    Server,
    /// Frames go out masked and must come in unmasked.
    Client,
}

/// What arrived.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use bytes::BytesMut;
/// use silverback_wire::{Connection, Event, Role};
///
/// # let now = Instant::now();
/// # let mut client = Connection::new(Role::Client, Arc::default(), now);
/// client.receive(BytesMut::from(&b"\x89\x00\x81\x05hello\x88\x00"[..]), now); // a Ping, a text, a Close
/// let mut seen = Vec::new();
/// while let Some(event) = client.poll_event(now) {
///     match event {
///         Event::Message(message) => seen.push(message.as_text().unwrap_or("bytes").to_owned()),
///         Event::Ping(_) => seen.push("ping".to_owned()),
///         Event::Ending => seen.push("the end".to_owned()),
///         _ => {}
///     }
/// }
/// assert_eq!(seen, ["ping", "hello", "the end"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// The next part of a message that is larger than [`Config::part_size`].
    Part(Part),
    /// A Ping with its payload (RFC 6455, 5.5.2). It has been answered, unless our Close is out.
    Ping(Bytes),
    /// A Pong (RFC 6455, 5.5.3).
    Pong {
        /// Its payload.
        payload: Bytes,
        /// How long the peer took, if this answers the heartbeat's last Ping.
        round_trip: Option<Duration>,
    },
    /// The peer's Close or a violation, behind everything before it. The next [`poll_event`](Connection::poll_event) acts on it: until
    /// then, what came before can still be answered.
    Ending,
}

/// A message that was not taken.
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use silverback_wire::{CloseFrame, Connection, NotSent, Role};
///
/// let mut connection = Connection::new(Role::Server, Arc::default(), Instant::now());
/// connection.close(CloseFrame::empty(), Instant::now());
/// match connection.send("too late".into()) {
///     Err(NotSent::Closed(message)) => assert_eq!(message.as_text(), Some("too late")),
///     other => unreachable!("{other:?}"),
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// This end has sent Close or the connection has ended.
    #[error("the connection is closed or closing: the message was not sent")]
    Closed(Message),
    /// Another message is being sent in parts, and messages must not interleave (RFC 6455, 5.4). Send its last part first.
    #[error("another message is being sent in parts: the message was not sent")]
    InsideMessage(Message),
    /// The piece is of another kind than the message that it was to continue.
    #[error("a message is text or binary from its first part to its last: the part was not sent")]
    OtherKind(Message),
}

impl NotSent {
    /// The message.
    pub fn into_message(self) -> Message {
        match self {
            Self::Closed(message) | Self::InsideMessage(message) | Self::OtherKind(message) => message,
        }
    }
}

/// Positions in the stream of everything that a connection writes, in bytes.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// use bytes::Buf;
/// use silverback_wire::{Connection, Role, Written};
///
/// # let mut connection = Connection::new(Role::Server, Arc::default(), Instant::now());
/// connection.send("hello".into())?;
/// assert_eq!(connection.written(), Written { taken: 0, end: 7 });
/// connection.poll_transmit().expect("a frame waits").advance(3); // so many did the transport take
/// assert_eq!(connection.written(), Written { taken: 3, end: 7 });
/// # Ok::<(), silverback_wire::NotSent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Up to here the transport has taken it.
    pub taken: u64,
    /// Up to here it is encoded.
    pub end: u64,
}

/// One open WebSocket connection, without its socket.
///
/// Whoever owns the socket drives it with these verbs:
///
/// | when | call | and then |
/// | --- | --- | --- |
/// | bytes were read | [`receive`](Self::receive) | `poll_event` |
/// | the transport ended or failed | [`transport_ended`](Self::transport_ended) | `report` |
/// | the application sends | [`send`](Self::send), [`send_part`](Self::send_part), [`send_prepared`](Self::send_prepared), [`close`](Self::close) | `poll_transmit` |
/// | time has come | [`handle_timeout`](Self::handle_timeout) | `poll_transmit`, `report` |
/// | events are wanted | [`poll_event`](Self::poll_event) until `None` | `poll_transmit`, `poll_shutdown` |
/// | the transport takes bytes | [`poll_transmit`](Self::poll_transmit) until `None` | `poll_shutdown` |
/// | after any of these | [`poll_timeout`](Self::poll_timeout), [`poll_shutdown`](Self::poll_shutdown), [`report`](Self::report) | |
///
/// ```
/// use std::{sync::Arc, time::Instant};
/// use bytes::{Buf, BytesMut};
/// use silverback_wire::{Config, Connection, Event, Message, Role};
///
/// let now = Instant::now();
/// let mut client = Connection::new(Role::Client, Arc::new(Config::default()), now);
/// let mut server = Connection::new(Role::Server, Arc::new(Config::default()), now);
///
/// client.send("hello".into())?;
/// let out = client.poll_transmit().expect("a frame waits");
/// let bytes = out.copy_to_bytes(out.remaining());
///
/// server.receive(BytesMut::from(&bytes[..]), now);
/// assert_eq!(server.poll_event(now), Some(Event::Message("hello".into())));
/// # Ok::<(), silverback_wire::NotSent>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Arc<Config>,
    state: State,
    reader: Reader,
    transmit: Transmit,
    /// Where permessage-deflate was negotiated.
    deflate: Option<Box<Codec>>,
    /// The message that is being sent in parts.
    sending: Option<Sending>,
    /// When what arrives now is late, if it does not arrive whole.
    late_at: Option<Instant>,
    /// The latest Ping that could not be answered at once.
    owed_pong: Option<Bytes>,
    /// Where in everything that is ever written the last Pong ends.
    pong_end: u64,
    pulse: Pulse,
    deadlines: Option<Box<Deadlines>>,
    opened: Instant,
    incoming: Traffic,
    sent_messages: u64,
    /// `sent_messages` when the transport had last taken everything.
    delivered_messages: u64,
    /// The end that has been announced by [`Event::Ending`].
    announced: Option<Box<Announced>>,
    closing: Option<Box<Closing>>,
}

/// A message of which a part was sent and more are to come.
#[derive(Debug, Clone, Copy)]
struct Sending {
    is_text: bool,
    is_compressed: bool,
}

#[derive(Debug)]
enum Announced {
    Close(CloseFrame),
    Violation(ProtocolError),
}

/// ```text
///            close()                     the peer's Close
///  Open ───────────────────▶ Closing ─────────────────────────┐
///   │                          │ close_timeout                ▼
///   │  the peer's Close, a violation ───────────────────▶ Finishing ──▶ Ended
///   │                                                         the peer's FIN, or linger is over
///   └── FIN, reset or death from any state ─────────────────────────────▶ Ended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Messages go both ways.
    Open,
    /// Our Close is out or on its way. Messages may still arrive; the peer's Close is awaited until then.
    Closing { until: Instant },
    /// Nothing that arrives matters any more. What waits is written, the write side is ended, and what arrives is thrown away until
    /// the peer ends its side or time is over.
    Finishing { until: Instant, shutdown: Shutdown, has_peer_finished: bool },
    /// The transport is to be dropped.
    Ended { transport: TransportEnd, after: Duration },
}

/// How far we are with ending our side of the transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    /// To be done as soon as everything is written.
    Due,
    /// Done, or left to the peer: after a clean close the server ends TCP first (RFC 6455, 7.1.1).
    Settled,
}

/// What is known of the end, once it has begun.
#[derive(Debug)]
struct Closing {
    began: Side,
    cause: Cause,
    sent: Option<SentClose>,
    received: Option<CloseFrame>,
}

/// A Close frame, and where in everything that is ever written it ends: it is sent once that much was taken.
#[derive(Debug)]
struct SentClose {
    frame: CloseFrame,
    end: u64,
}

impl Connection {
    /// A connection whose handshake is complete.
    pub fn new(role: Role, config: Arc<Config>, now: Instant) -> Self {
        let deadlines = Deadlines::are_needed(&config).then(|| Box::new(Deadlines::new(&config, now)));
        Self {
            role,
            deadlines,
            config,
            state: State::Open,
            reader: Reader::default(),
            transmit: Transmit::default(),
            deflate: None,
            sending: None,
            late_at: None,
            owed_pong: None,
            pong_end: 0,
            pulse: Pulse::new(now),
            opened: now,
            incoming: Traffic::default(),
            sent_messages: 0,
            delivered_messages: 0,
            announced: None,
            closing: None,
        }
    }

    /// The same, with the compression that the handshake has agreed on (RFC 7692), if any. [`deflate`](crate::deflate) shows both ends.
    #[must_use]
    pub fn with_deflate(mut self, agreement: Option<Agreement>) -> Self {
        self.deflate = agreement.map(|agreement| Box::new(Codec::new(agreement)));
        self
    }

    /// Takes bytes that arrived at `now`. They are read when [`poll_event`](Self::poll_event) is called, which should be until it returns
    /// `None` before more are fed, or their number is unbounded. The buffer may be a part of a larger one: it is given back as soon as it
    /// has been read, but for messages of 16 KiB and more, which share it.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use bytes::BytesMut;
    /// # use silverback_wire::{Connection, Event, Role};
    /// # let now = Instant::now();
    /// # let mut client = Connection::new(Role::Client, Arc::default(), now);
    /// client.receive(BytesMut::from(&b"\x81\x05he"[..]), now);
    /// assert_eq!(client.poll_event(now), None); // the rest of the frame is missing
    /// client.receive(BytesMut::from(&b"llo"[..]), now);
    /// assert_eq!(client.poll_event(now), Some(Event::Message("hello".into())));
    /// ```
    pub fn receive(&mut self, bytes: BytesMut, now: Instant) {
        if matches!(self.state, State::Ended { .. }) {
            return;
        }
        self.pulse.heard(now);
        // Nobody looked for so long that the timer could not fire: that time is ours.
        if self.late_at.is_some_and(|late_at| late_at + OVERSIGHT < now) {
            self.late_at = None;
        }
        self.incoming.bytes += bytes.len() as u64;
        if matches!(self.state, State::Open | State::Closing { .. }) {
            self.reader.feed(bytes);
        }
    }

    /// What arrived next, or `None` when more bytes are needed or nothing more will come. Control frames are answered here
    /// (RFC 6455, 5.5), so call [`poll_transmit`](Self::poll_transmit) afterwards. `now` is when the bytes arrived.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use bytes::BytesMut;
    /// # use silverback_wire::{Connection, Event, Role};
    /// # let now = Instant::now();
    /// # let mut client = Connection::new(Role::Client, Arc::default(), now);
    /// client.receive(BytesMut::from(&b"\x89\x02hi"[..]), now);
    /// while let Some(event) = client.poll_event(now) {
    ///     assert_eq!(event, Event::Ping("hi".into()));
    /// }
    /// assert!(client.poll_transmit().is_some()); // its Pong
    /// ```
    #[must_use]
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        if !matches!(self.state, State::Open | State::Closing { .. }) {
            return None;
        }
        if let Some(end) = self.announced.take() {
            self.act_on(*end, now);
            return None;
        }
        let decompressor = self.deflate.as_deref_mut().map(|codec| &mut codec.decompressor);
        let announced = match self.reader.next(self.role, &self.config, decompressor) {
            Ok(None) => {
                self.note_lateness(now);
                return None;
            }
            Ok(Some(Incoming::Message(message))) => {
                self.message_arrived(now);
                self.incoming.messages += 1;
                return Some(Event::Message(message));
            }
            Ok(Some(Incoming::Part(part))) => {
                self.message_arrived(now);
                self.incoming.messages += u64::from(part.is_last);
                return Some(Event::Part(part));
            }
            Ok(Some(Incoming::Ping(payload))) => {
                self.answer_ping(payload.clone());
                return Some(Event::Ping(payload));
            }
            Ok(Some(Incoming::Pong(payload))) => {
                let round_trip = self.pulse.pong(&payload, now);
                return Some(Event::Pong { payload, round_trip });
            }
            Ok(Some(Incoming::Close(frame))) => Announced::Close(frame),
            Err(error) => Announced::Violation(error),
        };
        self.announced = Some(Box::new(announced));
        Some(Event::Ending)
    }

    /// Encodes a message for the transport, compressed if that was negotiated and the message is large enough.
    ///
    /// There is no bound here: before sending more, wait until [`poll_transmit`](Self::poll_transmit) has little left.
    ///
    /// # Errors
    /// [`NotSent`] gives the message back once this end has sent Close or the connection has ended, and while another message is being sent in
    /// parts.
    pub fn send(&mut self, message: Message) -> Result<(), NotSent> {
        let message = self.judge_whole(message)?;
        self.sent_messages += 1;
        let opcode = message.opcode();
        let (role, transmit) = (self.role, &mut self.transmit);
        match self.deflate.as_deref_mut().filter(|codec| codec.compressor.wants(message.len())) {
            None => transmit.frame(role, Header::whole(opcode), message.into_payload()),
            Some(codec) => codec.compressor.message(message.payload(), |compressed| match compressed {
                Some(compressed) => transmit.copied_frame(role, Header::compressed(opcode), compressed),
                None => transmit.frame(role, Header::whole(opcode), message.payload().clone()),
            }),
        }
        Ok(())
    }

    /// Encodes the next part of a message (RFC 6455, 5.4). The kind of the message is that of its first piece. Until its last part is sent, no
    /// other message can be; control frames go between the parts.
    ///
    /// # Errors
    /// [`NotSent`] gives the piece back once this end has sent Close or the connection has ended, and when it is of another kind than the first.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use bytes::Buf;
    /// use silverback_wire::{Connection, Part, Role};
    ///
    /// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
    /// server.send_part(Part { piece: "a long ".into(), is_last: false })?;
    /// assert!(server.is_inside_message());
    /// server.send_part(Part { piece: "story".into(), is_last: true })?;
    ///
    /// let out = server.poll_transmit().expect("two frames wait");
    /// assert_eq!(out.copy_to_bytes(out.remaining()), &b"\x01\x07a long \x80\x05story"[..]);
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn send_part(&mut self, part: Part) -> Result<(), NotSent> {
        if !self.is_open() {
            return Err(NotSent::Closed(part.piece));
        }
        let is_text = matches!(part.piece, Message::Text(_));
        let (opcode, sending) = match self.sending {
            Some(sending) if sending.is_text != is_text => return Err(NotSent::OtherKind(part.piece)),
            Some(sending) => (Opcode::Continuation, sending),
            None if part.is_last => return self.send(part.piece),
            None => {
                let is_compressed = self.deflate.as_ref().is_some_and(|codec| codec.compressor.is_able());
                (part.piece.opcode(), Sending { is_text, is_compressed })
            }
        };
        let is_first = self.sending.is_none();
        self.sending = (!part.is_last).then_some(sending);
        self.sent_messages += u64::from(part.is_last);
        let header = if is_first && sending.is_compressed { Header::compressed(opcode) } else { Header::whole(opcode) };
        let payload = match self.deflate.as_deref_mut().filter(|_| sending.is_compressed) {
            Some(codec) => codec.compressor.next_part(part.piece.payload(), part.is_last),
            None => part.piece.into_payload(),
        };
        self.transmit.frame(self.role, Header { fin: part.is_last, ..header }, payload);
        Ok(())
    }

    /// Whether a message is being sent in parts, and others have to wait.
    pub fn is_inside_message(&self) -> bool {
        self.sending.is_some()
    }

    /// As [`send`](Self::send), for a message that many connections send: it is encoded and compressed once for all of them.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// use silverback_wire::{Connection, Prepared, Role};
    ///
    /// let news = Prepared::new("to everybody");
    /// let mut everybody = [(); 3].map(|()| Connection::new(Role::Server, Arc::default(), Instant::now()));
    /// for connection in &mut everybody {
    ///     connection.send_prepared(&news)?;
    ///     assert_eq!(connection.transmit_len(), 2 + 12);
    /// }
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), NotSent> {
        let message = self.judge_whole(prepared.message().clone())?;
        self.sent_messages += 1;
        let compressor = self.deflate.as_deref_mut().map(|codec| &mut codec.compressor);
        let compressed = compressor.filter(|compressor| compressor.wants(message.len())).and_then(|compressor| {
            let compressed = prepared.compressed(compressor.kind())?;
            compressor.forget();
            Some(compressed)
        });
        match (self.role, compressed) {
            (Role::Server, Some(compressed)) => self.transmit.encoded(compressed.frame),
            (Role::Server, None) => self.transmit.encoded(prepared.plain().clone()),
            (Role::Client, Some(compressed)) => {
                self.transmit.copied_frame(self.role, Header::compressed(message.opcode()), compressed.payload());
            }
            (Role::Client, None) => self.transmit.copied_frame(self.role, Header::whole(message.opcode()), message.payload()),
        }
        Ok(())
    }

    fn judge_whole(&self, message: Message) -> Result<Message, NotSent> {
        match self.sending {
            _ if !self.is_open() => Err(NotSent::Closed(message)),
            Some(_) => Err(NotSent::InsideMessage(message)),
            None => Ok(message),
        }
    }

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

    fn begin_close(&mut self, frame: CloseFrame, cause: Cause, now: Instant) {
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

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it has ended: nothing is written or read any more, and [`report`](Self::report) tells how.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// The bytes that wait to be written, or `None` when there are none. Write what the transport takes, and call
    /// [`advance`](Buf::advance) by its number.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// use std::io::Write;
    /// use bytes::Buf;
    ///
    /// # use silverback_wire::{Connection, Role};
    /// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
    /// # let mut socket = Vec::new();
    /// server.send("hello".into())?;
    /// while let Some(out) = server.poll_transmit() {
    ///     let taken = socket.write(out.chunk())?;
    ///     out.advance(taken);
    /// }
    /// assert_eq!(socket, b"\x81\x05hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<&mut Transmit> {
        if matches!(self.state, State::Ended { .. }) {
            return None;
        }
        if self.has_written_pong()
            && let Some(payload) = self.owed_pong.take()
        {
            self.pong(payload);
        }
        if !self.transmit.has_remaining() {
            self.delivered_messages = self.sent_messages;
            return None;
        }
        Some(&mut self.transmit)
    }

    /// Tells that bytes wait which the transport does not take, or does not pass on, now. If it takes none of them for
    /// [`write_timeout`](Config::write_timeout), the connection has ended, unless [`transmit_flowing`](Self::transmit_flowing) was called before.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// use silverback_wire::{Cause, Connection, Role};
    ///
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.send("hello".into())?;
    /// server.transmit_blocked(now); // the socket said `WouldBlock`
    /// server.handle_timeout(now + Duration::from_secs(120));
    /// assert!(matches!(server.report().expect("it has ended").cause, Cause::WriteStalled(_)));
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn transmit_blocked(&mut self, now: Instant) {
        if self.config.write_timeout.is_some() && self.is_open() {
            let (config, opened) = (&self.config, self.opened);
            self.deadlines.get_or_insert_with(|| Box::new(Deadlines::new(config, opened))).blocked(self.transmit.taken(), now);
        }
    }

    /// Tells that the transport has taken and passed on everything.
    ///
    /// ```
    /// # use std::{sync::Arc, time::{Duration, Instant}};
    /// # use bytes::Buf;
    /// # use silverback_wire::{Connection, Role};
    /// # let now = Instant::now();
    /// # let mut server = Connection::new(Role::Server, Arc::default(), now);
    /// server.send("hello".into())?;
    /// server.transmit_blocked(now); // the socket said `WouldBlock`
    /// server.poll_transmit().expect("a frame waits").advance(7); // and took it all a little later
    /// server.transmit_flowing();
    /// server.handle_timeout(now + Duration::from_secs(120));
    /// assert!(server.is_open());
    /// # Ok::<(), silverback_wire::NotSent>(())
    /// ```
    pub fn transmit_flowing(&mut self) {
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.flowing();
        }
    }

    /// How long the peer took to answer the last Ping of the heartbeat that it answered.
    pub fn round_trip(&self) -> Option<Duration> {
        self.pulse.round_trip()
    }

    /// How many bytes wait to be written.
    pub fn transmit_len(&self) -> usize {
        self.transmit.remaining()
    }

    /// What has come in and gone out so far.
    pub fn traffic(&self) -> (Traffic, Traffic) {
        let incoming = Traffic { frames: self.reader.frames(), ..self.incoming };
        (incoming, Traffic { messages: self.sent_messages, frames: self.transmit.frames(), bytes: self.transmit.taken() })
    }

    /// How many bytes of a budget it holds for compression with context takeover.
    pub fn context_memory(&self) -> usize {
        self.deflate.as_ref().map_or(0, |codec| codec.reserved())
    }

    /// Which end this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How many bytes the transport has taken in all, and how many it will have when it has taken what waits now.
    pub fn written(&self) -> Written {
        Written { taken: self.transmit.taken(), end: self.transmit.end() }
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
        self.pulse.suspend(now);
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
        Some(CloseReport {
            began: closing.began,
            cause: closing.cause.clone(),
            sent: closing.sent.as_ref().filter(|sent| sent.end <= self.transmit.taken()).map(|sent| sent.frame.clone()),
            received: closing.received.clone(),
            transport,
            lived: after,
            round_trip: self.round_trip(),
            outgoing,
            incoming,
            unsent: Traffic { messages: unsent_messages, frames: 0, bytes: self.transmit.remaining() as u64 },
        })
    }

    fn answer_ping(&mut self, payload: Bytes) {
        if self.state != State::Open {
            return; // nothing of ours follows our Close, which is stricter than RFC 6455, 5.5.1 asks for
        }
        if self.transmit.remaining() < PONG_ROOM || self.has_written_pong() {
            self.owed_pong = None; // a Pong answers the Pings before it too
            self.pong(payload);
        } else {
            self.owed_pong = Some(payload);
        }
    }

    fn has_written_pong(&self) -> bool {
        self.pong_end <= self.transmit.taken()
    }

    fn pong(&mut self, payload: Bytes) {
        self.transmit.frame(self.role, Header::whole(Opcode::Pong), payload);
        self.pong_end = self.transmit.end();
    }

    fn act_on(&mut self, end: Announced, now: Instant) {
        match end {
            Announced::Close(frame) => self.peer_closed(frame, now),
            Announced::Violation(error) => self.violated(error, now),
        }
    }

    fn violated(&mut self, error: ProtocolError, now: Instant) {
        let sent = self.transmit_close(error.into());
        self.end_begins(Side::Peer, error.into(), sent);
        // Whoever broke the protocol cannot be trusted to end TCP.
        self.finish(now, Shutdown::Due);
    }

    /// Everything that arrived has been read. If it ends inside a message, the rest has its time from now on, unless it has it already.
    fn note_lateness(&mut self, now: Instant) {
        self.late_at = match self.config.message_timeout.filter(|_| self.reader.is_inside()) {
            Some(limit) => self.late_at.or_else(|| Some(deadline(now, limit))),
            None => None,
        };
    }

    fn is_late(&self, now: Instant) -> bool {
        !self.pulse.is_suspended() && self.late_at.is_some_and(|late_at| late_at <= now)
    }

    fn lateness(&self) -> ProtocolError {
        ProtocolError::MessageTooSlow { limit: self.config.message_timeout.unwrap_or_default() }
    }

    fn peer_closed(&mut self, frame: CloseFrame, now: Instant) {
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

    fn check_heartbeat(&mut self, now: Instant) {
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

    fn check_deadlines(&mut self, now: Instant) {
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

    fn keep_alive(&mut self, now: Instant) {
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

    fn view(&self) -> View {
        View { is_reading: !self.pulse.is_suspended(), taken: self.transmit.taken() }
    }

    fn message_arrived(&mut self, now: Instant) {
        self.late_at = None;
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.message_arrived(now);
        }
    }

    fn transmit_close(&mut self, frame: CloseFrame) -> Option<SentClose> {
        if self.state != State::Open {
            return None; // one Close is out already, and nothing follows it
        }
        self.owed_pong = None;
        self.transmit.copied_frame(self.role, Header::whole(Opcode::Close), &frame.encode());
        Some(SentClose { frame, end: self.transmit.end() })
    }

    /// Notes who began the end and why; only the first beginning counts.
    fn end_begins(&mut self, began: Side, cause: Cause, sent: Option<SentClose>) {
        self.closing.get_or_insert_with(|| Box::new(Closing { began, cause, sent, received: None }));
    }

    fn finish(&mut self, now: Instant, shutdown: Shutdown) {
        self.reader.clear();
        self.deflate = None; // nothing is sent or read any more
        self.state = State::Finishing { until: deadline(now, self.config.linger), shutdown, has_peer_finished: false };
    }

    fn end(&mut self, transport: TransportEnd, now: Instant) {
        if matches!(self.state, State::Ended { .. }) {
            return;
        }
        self.reader.clear();
        self.deflate = None;
        self.state = State::Ended { transport, after: now.saturating_duration_since(self.opened) };
    }
}
