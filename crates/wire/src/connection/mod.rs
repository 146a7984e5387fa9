//! The state machine of an open connection: what it is, and what arrives. [`sending`] is the other direction, [`timing`] what is due when,
//! [`ending`] how it ends.

mod ending;
mod past;
mod sending;
mod timing;

pub use past::{Past, Route};

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use crate::deadlines::Deadlines;
use crate::deflate::{Agreement, Codec};
use crate::frame::{Header, Opcode};
use crate::heartbeat::Pulse;
use crate::reader::{Incoming, Reader};
use crate::{Cause, CloseFrame, Config, Message, Part, ProtocolError, Side, Traffic, Transmit, TransportEnd};

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
/// | bytes are to be read | [`lend`](Self::lend), if there is much to read | `receive` |
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
    owed_pong: Option<Box<Bytes>>,
    /// Where in everything that is ever written the last Pong ends.
    pong_end: u64,
    pulse: Pulse,
    deadlines: Option<Box<Deadlines>>,
    opened: Instant,
    received_messages: u64,
    received_bytes: u64,
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
            received_messages: 0,
            received_bytes: 0,
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
        self.received_bytes += bytes.len() as u64;
        if matches!(self.state, State::Open | State::Closing { .. }) {
            self.reader.feed(bytes);
        }
    }

    /// Room inside the message that is arriving, if it is a large one: what is read into this buffer, up to its capacity, and given to
    /// [`receive`](Self::receive) is not copied any more. `None` wherever the next bytes may be read into any buffer. That may always be done instead;
    /// a buffer that was lent may be dropped, and lent again.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Instant};
    /// # use bytes::{BufMut, BytesMut};
    /// # use silverback_wire::{Connection, Event, Message, Role};
    /// # let now = Instant::now();
    /// # let mut client = Connection::new(Role::Client, Arc::default(), now);
    /// assert!(client.lend().is_none());
    /// let header = b"\x82\x7f\0\0\0\0\0\x01\x86\xa0"; // of 100,000 bytes
    /// client.receive(BytesMut::from(&[&header[..], &[1; 20_000]].concat()[..]), now);
    /// assert_eq!(client.poll_event(now), None);
    ///
    /// let mut room = client.lend().expect("a large message is arriving");
    /// assert_eq!(room.capacity(), 80_000); // it ends there
    /// room.put_bytes(1, 80_000); // or `socket.read_buf(&mut room)`
    /// client.receive(room, now);
    /// assert_eq!(client.poll_event(now), Some(Event::Message(vec![1; 100_000].into())));
    /// ```
    #[must_use]
    pub fn lend(&mut self) -> Option<BytesMut> {
        if !matches!(self.state, State::Open | State::Closing { .. }) || self.announced.is_some() {
            return None;
        }
        self.reader.lend(&self.config)
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
        if self.reader.is_done() {
            self.late_at = None;
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
                self.received_messages += 1;
                return Some(Event::Message(message));
            }
            Ok(Some(Incoming::Part(part))) => {
                self.message_arrived(now);
                self.received_messages += u64::from(part.is_last);
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

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it has ended: nothing is written or read any more, and [`report`](Self::report) tells how.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// What has come in and gone out so far.
    pub fn traffic(&self) -> (Traffic, Traffic) {
        let incoming = Traffic { messages: self.received_messages, frames: self.reader.frames(), bytes: self.received_bytes };
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

    fn answer_ping(&mut self, payload: Bytes) {
        if self.state != State::Open {
            return; // nothing of ours follows our Close, which is stricter than RFC 6455, 5.5.1 asks for
        }
        if self.transmit.remaining() < PONG_ROOM || self.has_written_pong() {
            self.owed_pong = None; // a Pong answers the Pings before it too
            self.pong(payload);
        } else {
            self.owed_pong = Some(Box::new(payload));
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
}
