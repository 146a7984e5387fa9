//! How a connection ended.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::{CloseFrame, ProtocolError};

/// The end of a connection. There is exactly one for each connection, however it ended.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use bytes::{Buf, BytesMut};
/// use silverback_wire::{Cause, Side};
/// # use silverback_wire::{Connection, Role, TransportEnd};
///
/// # let now = Instant::now();
/// # let mut server = Connection::new(Role::Server, Arc::default(), now);
/// # server.receive(BytesMut::from(&b"\x88\x82\0\0\0\0\x03\xe8"[..]), now);
/// # while server.poll_event(now).is_some() {}
/// # server.poll_transmit().expect("it is answered").advance(4);
/// # assert!(server.poll_shutdown(now));
/// # server.transport_ended(TransportEnd::Finished, now);
/// let report = server.report().expect("it has ended");
/// assert!(report.is_clean());
/// assert_eq!((report.began, &report.cause), (Side::Peer, &Cause::ClosedByPeer));
/// assert_eq!(report.to_string(), "closed by the peer, sent 1000, received 1000, tcp finished");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Who began to end it.
    pub began: Side,
    /// Why.
    pub cause: Cause,
    /// The Close frame that we sent, if it was at least handed to the transport's buffer.
    pub sent: Option<CloseFrame>,
    /// The Close frame that the peer sent.
    pub received: Option<CloseFrame>,
    /// How the transport below ended.
    pub transport: TransportEnd,
    /// How long the connection was open, from the handshake to this report.
    pub lived: Duration,
    /// How long the peer took to answer the last Ping of the heartbeat that it answered.
    pub round_trip: Option<Duration>,
    /// Pings that the heartbeat has sent.
    pub pings: u32,
    /// Those of them that were not answered by their Pong. Other bytes are signs of life as well, so this need not mean anything.
    pub pings_unanswered: u32,
    /// How often reading was paused because the application did not receive.
    pub pauses: u32,
    /// What went out: messages and frames that were encoded, bytes that the transport took.
    pub outgoing: Traffic,
    /// What came in: messages that were complete, bytes that were received.
    pub incoming: Traffic,
    /// What was accepted for sending and did not wholly reach the transport. The messages are an upper bound: those encoded
    /// together with the first that did not go out are counted with it. Frames are not counted.
    pub unsent: Traffic,
}

impl CloseReport {
    /// Whether both ends said Close, which is what RFC 6455, 7.1.4 calls a clean end.
    pub fn is_clean(&self) -> bool {
        self.sent.is_some() && self.received.is_some()
    }
}

impl fmt::Display for CloseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        for (verb, frame) in [("sent", &self.sent), ("received", &self.received)] {
            match frame {
                None => {}
                Some(frame) => {
                    let code = frame.code.map_or(1005, |code| code.get());
                    write!(f, ", {verb} {code}")?;
                    if !frame.reason().is_empty() {
                        write!(f, " {:?}", frame.reason())?;
                    }
                }
            }
        }
        write!(f, ", tcp {}", self.transport)
    }
}

/// One of the two ends.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// # use silverback_wire::{Connection, Role};
/// use silverback_wire::Side;
///
/// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
/// server.abandon("the process is stopping", Instant::now());
/// assert!(server.report().is_some_and(|report| report.began == Side::Local));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This end.
    Local,
    /// The other end, or the network on its behalf.
    Peer,
}

/// Why a connection ended.
///
/// ```
/// # use std::{io::ErrorKind, sync::Arc, time::Instant};
/// # use silverback_wire::{Connection, Role, TransportEnd};
/// use silverback_wire::{Cause, CloseCode, CloseReport};
///
/// fn is_worth_another_try(report: &CloseReport) -> bool {
///     match &report.cause {
///         Cause::TransportLost | Cause::PeerSilent(_) | Cause::WriteStalled(_) | Cause::MaxAge(_) => true,
///         Cause::ClosedByPeer => report.received.as_ref().is_some_and(|close| close.code == Some(CloseCode::SERVICE_RESTART)),
///         _ => false,
///     }
/// }
/// # let mut client = Connection::new(Role::Client, Arc::default(), Instant::now());
/// # client.transport_ended(TransportEnd::Failed(ErrorKind::ConnectionReset), Instant::now());
/// # assert!(is_worth_another_try(&client.report().expect("it has ended")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The peer sent Close first.
    #[error("closed by the peer")]
    ClosedByPeer,
    /// This end closed it, for the reason given here, which need not be the one that the peer was told.
    #[error("{0}")]
    ClosedHere(Cow<'static, str>),
    /// The peer broke the protocol.
    #[error("protocol error: {0}")]
    Protocol(#[from] ProtocolError),
    /// The peer was silent for this long, and a Ping did not change it.
    #[error("the peer was silent for {:.1} s", .0.as_secs_f32())]
    PeerSilent(Duration),
    /// The peer sent no message for this long, which was all it had.
    #[error("no message came for {:.1} s", .0.as_secs_f32())]
    Idle(Duration),
    /// The transport took not a single byte of what waited for this long: the peer does not read, or is gone.
    #[error("no byte could be written for {:.1} s", .0.as_secs_f32())]
    WriteStalled(Duration),
    /// The connection has lasted as long as connections may.
    #[error("the connection had lasted {:.1} s, its maximum", .0.as_secs_f32())]
    MaxAge(Duration),
    /// The transport ended before anybody said Close (what browsers show as 1006; RFC 6455, 7.1.5).
    #[error("the connection was lost without a close frame")]
    TransportLost,
}

/// How the transport ended.
///
/// ```
/// use std::io::ErrorKind;
/// use silverback_wire::TransportEnd;
///
/// let reset = TransportEnd::Failed(ErrorKind::ConnectionReset);
/// assert_eq!(reset.to_string(), "failed: connection reset");
/// assert_ne!(reset, TransportEnd::Finished);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportEnd {
    /// The peer ended it in order (FIN).
    #[error("finished")]
    Finished,
    /// An error ended it, such as a reset.
    #[error("failed: {0}")]
    Failed(io::ErrorKind),
    /// The peer did not end it in the time it had, so it was dropped here.
    #[error("timed out")]
    TimedOut,
    /// It was dropped here while it was open.
    #[error("dropped")]
    Dropped,
}

/// An amount of traffic.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// use bytes::Buf;
/// use silverback_wire::{Connection, Role, Traffic};
///
/// # let mut server = Connection::new(Role::Server, Arc::default(), Instant::now());
/// server.send("hello".into())?;
/// server.poll_transmit().expect("a frame waits").advance(7);
/// let (incoming, outgoing) = server.traffic();
/// assert_eq!(incoming, Traffic::default());
/// assert_eq!(outgoing, Traffic { messages: 1, frames: 1, bytes: 7 });
/// # Ok::<(), silverback_wire::NotSent>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Data messages.
    pub messages: u64,
    /// Frames, control frames included.
    pub frames: u64,
    /// Bytes on the wire, frame headers and control frames included.
    pub bytes: u64,
}
