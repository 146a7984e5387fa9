//! One connection that hears what a stranger sends, and what holds for every such connection.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use silverback_wire::{Cause, CloseCode, CloseFrame, CloseReport, Config, Connection, Event, Message, Part, Role, Side, TransportEnd};

use crate::{Frame, KEEPALIVE, RSV1, Setting, memory, read_frames};

/// Of what waits to be written, all that a peer can cause: Pongs up to the bound, and the last ones behind it.
const MOST_WAITING: usize = 16 * 1024 + 1024;

/// What a connection holds besides messages and what waits, in bytes.
const BASE: usize = 8 * 1024;

/// What inflating holds, in bytes: a window, zlib's tables and the thread's scratch.
const INFLATING: usize = 128 * 1024;

/// What compressing holds besides, in bytes, once there was something to send.
const DEFLATING: usize = 400 * 1024;

/// Something that arrived, messages in parts put together again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message {
        /// Text or binary.
        is_text: bool,
        /// Whether it came in parts.
        is_in_parts: bool,
        /// All of it.
        payload: Vec<u8>,
    },
    /// A Ping.
    Ping(Vec<u8>),
    /// A Pong.
    Pong(Vec<u8>),
    /// The announcement of the end.
    Ending,
}

/// All that was seen of a connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    /// What arrived whole, in its order.
    pub heard: Vec<Heard>,
    /// What there was of a message whose last part did not arrive.
    pub unfinished: Option<(bool, Vec<u8>)>,
    /// What was written.
    pub written: Vec<Frame>,
    /// How it ended.
    pub report: CloseReport,
}

/// A connection and what is seen of it.
pub struct Life {
    connection: Connection,
    setting: Setting,
    now: Instant,
    /// Whether it sends messages by itself.
    speaks: bool,
    /// How many bytes the transport takes when it is asked.
    room: usize,
    heard: Vec<Heard>,
    unfinished: Option<(bool, Vec<u8>)>,
    written: Vec<u8>,
    fed: u64,
    /// Bytes that may not have been read yet.
    unread: usize,
    is_ending: bool,
    is_shut_down: bool,
    /// What was allocated before the connection was.
    held_before: usize,
    /// What the payloads in `heard` hold.
    held_by_heard: usize,
}

impl Life {
    /// A connection whose transport takes everything at once.
    pub fn new(setting: Setting) -> Self {
        Self::with(setting, setting.config(), usize::MAX)
    }

    /// A connection with these limits, whose transport takes so many bytes after each event.
    pub fn with(setting: Setting, config: Config, room: usize) -> Self {
        let now = crate::origin();
        let held_before = memory::held();
        Self {
            speaks: config.keepalive.is_some(),
            connection: setting.connection(config, now),
            setting,
            now,
            room,
            heard: Vec::new(),
            unfinished: None,
            written: Vec::new(),
            fed: 0,
            unread: 0,
            is_ending: false,
            is_shut_down: false,
            held_before,
            held_by_heard: 0,
        }
    }

    /// Bytes arrive, and everything is done that is to be done then.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.hear_one(bytes);
        while self.take_event() {}
    }

    /// Bytes arrive, and one event is taken, behind which others may wait.
    pub fn hear_one(&mut self, bytes: &[u8]) {
        self.receive(BytesMut::from(bytes));
        self.take_event();
    }

    /// As [`hear`](Self::hear), of bytes that are read to where they belong as long as the connection lends room for them. Room is also
    /// lent and given up, which changes nothing.
    pub fn hear_lent(&mut self, mut bytes: &[u8]) {
        drop(self.connection.lend());
        while let Some(mut room) = self.connection.lend().filter(|_| !bytes.is_empty()) {
            assert!(room.is_empty() && room.capacity() > 0, "there is nothing but room in it");
            let (here, rest) = bytes.split_at(bytes.len().min(room.capacity()));
            room.extend_from_slice(here);
            bytes = rest;
            self.receive(room);
            while self.take_event() {}
        }
        self.hear(bytes);
    }

    fn receive(&mut self, bytes: BytesMut) {
        if self.connection.report().is_none() {
            self.fed += bytes.len() as u64;
        }
        self.unread += bytes.len();
        self.connection.receive(bytes, self.now);
    }

    /// Time passes, and what is due is done.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut rounds = 0;
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) {
            rounds += 1;
            assert!(rounds < 100, "a time that is over is asked for again and again");
            self.now = self.now.max(due);
            self.connection.handle_timeout(self.now);
            self.check_bounds();
            self.write(self.room);
        }
        self.now = until;
    }

    /// The application closes it.
    pub fn close(&mut self) {
        self.connection.close(CloseFrame::new(CloseCode::GOING_AWAY, "enough"), self.now);
        self.write(self.room);
    }

    /// The transport takes everything and ends.
    #[expect(clippy::expect_used, reason = "a target's assertion")]
    pub fn end(mut self) -> Ending {
        while self.take_event() {}
        self.write(usize::MAX);
        self.connection.transport_ended(TransportEnd::Finished, self.now);
        self.write(usize::MAX);
        let report = self.connection.report().expect("a transport that ended has a report");
        assert_eq!(self.connection.poll_timeout(), None);
        assert!(self.connection.poll_event(self.now).is_none() && self.connection.poll_transmit().is_none());

        let (frames, rest) = read_frames(&self.written);
        assert!(rest.is_empty() || report.unsent.bytes > 0, "half a frame was written, and the rest was dropped");
        let ending = Ending { heard: self.heard, unfinished: self.unfinished, written: frames, report };
        ending.check(self.setting.role());
        assert_eq!(ending.report.outgoing.bytes, self.written.len() as u64);
        assert_eq!(ending.report.incoming.bytes, self.fed);
        ending
    }

    /// Whether there was one.
    fn take_event(&mut self) -> bool {
        let event = self.connection.poll_event(self.now);
        let is_there = event.is_some();
        match event {
            Some(event) => self.note(event),
            None => self.unread = 0,
        }
        self.check_bounds();
        self.write(self.room);
        is_there
    }

    fn note(&mut self, event: Event) {
        assert!(!self.is_ending, "{event:?} came after the end was announced");
        let heard = match event {
            Event::Message(message) => {
                assert_eq!(self.unfinished, None, "a message came inside another one");
                self.checked(Heard::Message { is_text: is_text(&message), is_in_parts: false, payload: message.payload().to_vec() })
            }
            Event::Part(part) => match self.join(&part) {
                Some(whole) => self.checked(whole),
                None => return,
            },
            Event::Ping(payload) => Heard::Ping(control(&payload)),
            Event::Pong { payload, .. } => Heard::Pong(control(&payload)),
            Event::Ending => {
                self.is_ending = true;
                Heard::Ending
            }
            other => unreachable!("an event that is new: {other:?}"),
        };
        self.held_by_heard += heard.capacity();
        self.heard.push(heard);
    }

    /// Puts a part behind the ones before it. Gives the message once it is whole.
    fn join(&mut self, part: &Part) -> Option<Heard> {
        let (is_text, mut payload) = self.unfinished.take().unwrap_or_else(|| (is_text(&part.piece), Vec::new()));
        assert_eq!(is_text, self::is_text(&part.piece), "the parts of a message are of one kind");
        assert!(!is_text || std::str::from_utf8(part.piece.payload()).is_ok(), "a text is cut between characters");
        payload.extend_from_slice(part.piece.payload());
        assert!(payload.len() <= self.setting.message_limit.into());
        if part.is_last {
            return Some(Heard::Message { is_text, is_in_parts: true, payload });
        }
        self.unfinished = Some((is_text, payload));
        None
    }

    fn checked(&self, message: Heard) -> Heard {
        if let Heard::Message { is_text, payload, .. } = &message {
            assert!(payload.len() <= self.setting.message_limit.into(), "a message is larger than the limit");
            assert!(!is_text || std::str::from_utf8(payload).is_ok());
        }
        message
    }

    /// The transport takes some of what waits, and the write side is ended where that is due.
    fn write(&mut self, mut room: usize) {
        while let Some(out) = self.connection.poll_transmit().filter(|_| room > 0) {
            let count = out.remaining().min(room).min(out.chunk().len());
            self.written.extend_from_slice(&out.chunk()[..count]);
            out.advance(count);
            room -= count;
        }
        if self.connection.transmit_len() > 0 {
            self.connection.transmit_blocked(self.now);
        } else {
            self.connection.transmit_flowing();
        }
        if self.connection.poll_shutdown(self.now) {
            assert!(!self.is_shut_down && self.connection.transmit_len() == 0, "the write side ends once, behind everything");
            self.is_shut_down = true;
        }
    }

    /// What a stranger can make us hold.
    fn check_bounds(&self) {
        assert!(self.connection.transmit_len() <= MOST_WAITING, "{} bytes wait", self.connection.transmit_len());
        let unfinished = self.unfinished.as_ref().map_or(0, |(_, payload)| payload.capacity());
        let recorded = self.heard.capacity() * size_of::<Heard>() + self.held_by_heard + unfinished + self.written.capacity();
        let held = memory::held().saturating_sub(self.held_before).saturating_sub(recorded);
        let codec = match (self.setting.is_compressing(), self.speaks) {
            (false, _) => 0,
            (true, false) => INFLATING,
            (true, true) => INFLATING + DEFLATING,
        };
        let most = 2 * usize::from(self.setting.message_limit) + 2 * MOST_WAITING + BASE + codec + 2 * self.unread;
        assert!(held <= most, "{held} bytes are held, and at most {most} may be");
    }
}

impl Heard {
    fn capacity(&self) -> usize {
        match self {
            Self::Message { payload, .. } | Self::Ping(payload) | Self::Pong(payload) => payload.capacity(),
            Self::Ending => 0,
        }
    }
}

impl Ending {
    /// What a connection whose application sends nothing may have written: signs of life, Pongs, and one Close behind them.
    fn check(&self, role: Role) {
        assert!(self.written.iter().all(|frame| frame.is_masked == (role == Role::Client) && frame.payload.len() <= 125));
        let at = self.written.iter().position(|frame| frame.first == 0x88);
        assert!(at.is_none_or(|at| at + 1 == self.written.len()), "something follows a Close");
        let (keepalives, controls): (Vec<_>, Vec<_>) = self.written.iter().partition(|frame| frame.first & !RSV1 == 0x81);
        assert!(keepalives.iter().all(|frame| frame.first & RSV1 != 0 || frame.payload == KEEPALIVE.as_bytes()));
        assert!(controls.iter().all(|frame| matches!(frame.first, 0x88..=0x8a)), "{:02x?}", self.written);
        self.check_close(at.map(|at| &self.written[at]));

        let mut pings = self.heard.iter().filter_map(|heard| if let Heard::Ping(payload) = heard { Some(payload) } else { None });
        let mut pongs = self.written.iter().filter(|frame| frame.first == 0x8a);
        assert!(pongs.all(|pong| pings.any(|ping| *ping == pong.payload)), "a Pong answers no Ping");
        let messages = self.heard.iter().filter(|heard| matches!(heard, Heard::Message { .. })).count();
        assert_eq!(self.report.incoming.messages, messages as u64);
        if self.report.unsent.bytes == 0 {
            let outgoing = self.report.outgoing;
            assert_eq!((outgoing.messages, outgoing.frames), (keepalives.len() as u64, self.written.len() as u64));
        }
    }

    /// A Close has a code that may be sent, says what the report says, and is there whenever it has to be.
    #[expect(clippy::expect_used, reason = "a target's assertion")]
    fn check_close(&self, close: Option<&Frame>) {
        let report = &self.report;
        let seen = close.map(|close| match close.payload.split_first_chunk() {
            None => CloseFrame::empty(),
            Some((code, reason)) => {
                let code = CloseCode::new(u16::from_be_bytes(*code)).expect("a code that may be sent");
                CloseFrame::new(code, std::str::from_utf8(reason).expect("a reason is UTF-8").to_owned())
            }
        });
        assert_eq!(seen, report.sent, "{report}");
        assert!(close.is_none_or(|close| close.payload.len() != 1));
        let is_dropped = report.unsent.bytes > 0;
        match &report.cause {
            Cause::Protocol(error) => {
                assert!(report.began == Side::Peer && (is_dropped || seen == Some((*error).into())), "{report}");
            }
            Cause::ClosedByPeer => {
                let answered = seen.map(|seen| Some(seen.code) == report.received.as_ref().map(|received| received.code));
                assert!(report.began == Side::Peer && (is_dropped || answered == Some(true)), "{report}");
            }
            Cause::TransportLost => assert!(report.began == Side::Peer && seen.is_none()),
            _ => assert!(report.began == Side::Local && (is_dropped || seen.is_some()), "{report}"),
        }
    }
}

fn is_text(message: &Message) -> bool {
    matches!(message, Message::Text(_))
}

fn control(payload: &Bytes) -> Vec<u8> {
    assert!(payload.len() <= 125);
    payload.to_vec()
}
