//! A scripted peer: raw frames written and read by hand, so that no test trusts the crate's own codec.

#![allow(dead_code, reason = "each test file uses its own part of it")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, Uri};
use silverback_wire::deflate::{Agreement, Options};
use silverback_wire::handshake::client::Offer;
use silverback_wire::handshake::server::Policy;
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Config, Connection, Event, Role, TransportEnd};

// First bytes of frames (RFC 6455, 5.2).
pub(crate) const FIN: u8 = 0x80;
pub(crate) const MORE: u8 = 0x00;
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// Added to the first byte of a compressed message.
pub(crate) const RSV1: u8 = 0x40;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // the RFC's own example, 5.7

/// A header with its length in the fewest bytes, and the key if it is masked.
pub(crate) fn header(first: u8, is_masked: bool, length: u64) -> Vec<u8> {
    let bit = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(bit | length as u8),
        126..=0xffff => {
            bytes.push(bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(bit | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    if is_masked {
        bytes.extend(KEY);
    }
    bytes
}

/// A whole frame as this side sends it: masked by a client, bare from a server.
pub(crate) fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let is_masked = sender == Role::Client;
    let mut bytes = header(first, is_masked, payload.len() as u64);
    bytes.extend(payload.iter().enumerate().map(|(i, byte)| if is_masked { byte ^ KEY[i % 4] } else { *byte }));
    bytes
}

/// What a Close frame carries.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A close frame as values.
pub(crate) fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseCode::new(code).map(|code| CloseFrame::new(code, reason)).unwrap_or(CloseFrame::empty())
}

pub(crate) fn other(role: Role) -> Role {
    match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    }
}

/// A frame that was read by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first: u8,
    pub(crate) is_masked: bool,
    pub(crate) payload: Vec<u8>,
}

impl Seen {
    /// The code and reason of a Close frame; 1005 stands for none.
    pub(crate) fn as_close(&self) -> Option<(u16, &str)> {
        match &self.payload[..] {
            _ if self.first != CLOSE => None,
            [] => Some((1005, "")),
            [high, low, reason @ ..] => Some((u16::from_be_bytes([*high, *low]), std::str::from_utf8(reason).ok()?)),
            [_] => None,
        }
    }
}

/// Reads whole frames. Panics where bytes are left, or a length is not in the fewest bytes.
pub(crate) fn read_frames(mut bytes: &[u8]) -> Vec<Seen> {
    let mut frames = Vec::new();
    while bytes.has_remaining() {
        let (first, second) = (bytes.get_u8(), bytes.get_u8());
        let length = match second & 0x7f {
            126 => u64::from(bytes.get_u16()),
            127 => bytes.get_u64(),
            short => u64::from(short),
        };
        let is_masked = second & 0x80 != 0;
        let key = if is_masked { bytes.get_u32().to_be_bytes() } else { [0; 4] };
        let mut payload = vec![0; length as usize];
        bytes.copy_to_slice(&mut payload);
        payload.iter_mut().enumerate().for_each(|(i, byte)| *byte ^= key[i % 4]);
        assert_eq!(header(first, is_masked, length)[1], second, "a length is sent in the fewest bytes");
        frames.push(Seen { first, is_masked, payload });
    }
    frames
}

/// What a server and a client with these options agree on, by a whole handshake.
#[expect(clippy::expect_used, reason = "both ends are ours")]
pub(crate) fn agreements(server: &Options, client: &Options) -> (Agreement, Agreement) {
    let offer = Offer::new(&Uri::from_static("ws://example.com/"), HeaderMap::new()).expect("a good address").with_deflate(Some(client));
    let mut policy = Policy::default();
    policy.deflate = Some(server.clone());
    let acceptance = policy.judge(offer.request()).expect("a good offer");
    let answer = offer.judge(&acceptance.response).expect("a good answer");
    (acceptance.deflate.expect("a server that compresses"), answer.deflate.expect("a client that compresses"))
}

/// The one moment that all times count from.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made otherwise; all that matters is what is added to it")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// The connection under test and its clock.
pub(crate) struct Life {
    pub(crate) connection: Connection,
    pub(crate) role: Role,
    origin: Instant,
    clock: Duration,
}

impl Life {
    pub(crate) fn new(role: Role) -> Self {
        Self::with(role, Config::default())
    }

    pub(crate) fn with(role: Role, config: Config) -> Self {
        let origin = origin();
        Self { connection: Connection::new(role, Arc::new(config), origin), role, origin, clock: Duration::ZERO }
    }

    /// With the compression that a handshake of these options comes to.
    pub(crate) fn compressing(role: Role, config: Config, server: &Options, client: &Options) -> Self {
        let (of_server, of_client) = agreements(server, client);
        let origin = origin();
        let agreement = if role == Role::Server { of_server } else { of_client };
        let connection = Connection::new(role, Arc::new(config), origin).with_deflate(Some(agreement));
        Self { connection, role, origin, clock: Duration::ZERO }
    }

    pub(crate) fn shuts_down(&mut self) -> bool {
        let now = self.now();
        self.connection.poll_shutdown(now)
    }

    pub(crate) fn now(&self) -> Instant {
        self.origin + self.clock
    }

    /// It is now this many seconds after the beginning. Nothing else happens.
    pub(crate) fn at(&mut self, seconds: f64) -> &mut Self {
        self.clock = Duration::from_secs_f64(seconds);
        self
    }

    /// Bytes arrive, and all events are taken.
    pub(crate) fn hears(&mut self, bytes: &[u8]) -> Vec<Event> {
        let now = self.now();
        self.connection.receive(BytesMut::from(bytes), now);
        // The announcement of an end changes nothing that these tests look at: the next call acts on it.
        std::iter::from_fn(|| self.connection.poll_event(now)).filter(|event| *event != Event::Ending).collect()
    }

    /// A frame from the peer arrives, masked as it must be.
    pub(crate) fn hears_frame(&mut self, first: u8, payload: &[u8]) -> Vec<Event> {
        let bytes = frame(other(self.role), first, payload);
        self.hears(&bytes)
    }

    /// The transport takes everything: the bytes.
    pub(crate) fn write_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(out) = self.connection.poll_transmit() {
            bytes.extend_from_slice(&out.copy_to_bytes(out.remaining()));
        }
        bytes
    }

    /// The transport takes everything: the frames.
    pub(crate) fn writes(&mut self) -> Vec<Seen> {
        let frames = read_frames(&self.write_all());
        assert!(frames.iter().all(|frame| frame.is_masked == (self.role == Role::Client)), "a client masks and a server does not");
        frames
    }

    /// The code and reason of the one Close frame that waits, behind nothing else.
    pub(crate) fn writes_close(&mut self) -> (u16, String) {
        match &self.writes()[..] {
            [frame] => frame.as_close().map(|(code, reason)| (code, reason.to_owned())),
            _ => None,
        }
        .unwrap_or_default()
    }

    /// Nobody reads from now on.
    pub(crate) fn pauses(&mut self) {
        self.connection.pause_reading(self.now());
    }

    /// The timer fires now.
    pub(crate) fn fires(&mut self) -> &mut Self {
        self.connection.handle_timeout(self.now());
        self
    }

    /// Seconds after the beginning at which the timer wants to fire.
    pub(crate) fn due(&self) -> Option<f64> {
        self.connection.poll_timeout().map(|at| (at - self.origin).as_secs_f64())
    }

    pub(crate) fn close(&mut self, code: u16, reason: &'static str) -> &mut Self {
        self.connection.close(close_frame(code, reason), self.now());
        self
    }

    pub(crate) fn transport_ends(&mut self, end: TransportEnd) -> Option<CloseReport> {
        self.connection.transport_ended(end, self.now());
        self.connection.report()
    }
}
