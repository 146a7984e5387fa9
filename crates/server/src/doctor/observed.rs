//! What was observed, stage by stage: data, without a judgement.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use silverback::{CloseCode, CloseReport};

use super::proxy::Proxy;

/// All that was observed. `None` where a stage was not come to.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) names: Option<Timed<Names>>,
    pub(super) tcp: Option<Timed<Tcp>>,
    pub(super) tls: Option<Timed<Tls>>,
    pub(super) answer: Option<Timed<Answer>>,
    /// The answer to the same request with a small head, where the first was refused for what may be its size.
    pub(super) small: Option<SmallHead>,
    pub(super) arrival: Option<Timed<Arrival>>,
    pub(super) ping: Option<Timed<Ping>>,
    pub(super) large: Option<Timed<Large>>,
    pub(super) idle: Option<Timed<Idle>>,
    pub(super) close: Option<Timed<Close>>,
    pub(super) origins: Option<Timed<Origins>>,
    pub(super) other: Option<Timed<OtherScheme>>,
    /// A variable of the environment that names a proxy for this address, which the doctor does not go through.
    pub(super) passed_by: Option<&'static str>,
    /// A proxy that shows itself only when it passes a refusal on.
    pub(super) betrayed: Option<Proxy>,
}

impl Observed {
    /// The proxy on the way, by all that it shows.
    pub(super) fn proxy(&self) -> Option<Proxy> {
        let by_answer = self.answer.as_ref().and_then(|answer| answer.what.proxy());
        let by_arrival = || match self.arrival.as_ref().map(|arrival| &arrival.what) {
            Some(Arrival::Told { told, headers, .. }) => Proxy::recognised(None, Some(headers), b"", Some(told)),
            _ => None,
        };
        by_answer.or_else(|| self.small.as_ref().and_then(|small| small.proxy)).or_else(by_arrival).or(self.betrayed)
    }
}

/// What was observed, and how long it took.
#[derive(Debug)]
pub(super) struct Timed<T> {
    pub(super) what: T,
    pub(super) took: Duration,
}

#[derive(Debug)]
pub(super) enum Names {
    /// The address has one already.
    NotNeeded(SocketAddr),
    Found(Vec<SocketAddr>),
    Failed(String),
    TimedOut(Duration),
}

/// What each address answered.
#[derive(Debug)]
pub(super) struct Tcp {
    pub(super) attempts: Vec<Attempt>,
    pub(super) within: Duration,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) address: SocketAddr,
    pub(super) outcome: Connected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connected {
    Yes(Duration),
    /// Not waited for, since another one was there.
    Dropped,
    TimedOut,
    Failed(io::ErrorKind),
}

impl Tcp {
    pub(super) fn connected(&self) -> Option<(SocketAddr, Duration)> {
        self.attempts.iter().find_map(|attempt| match attempt.outcome {
            Connected::Yes(took) => Some((attempt.address, took)),
            _ => None,
        })
    }
}

/// `None` for an address without TLS.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) outcome: Secured,
    /// The server's own certificate first.
    pub(super) chain: Vec<Certificate>,
}

#[derive(Debug)]
pub(super) enum Secured {
    Trusted {
        version: &'static str,
        is_verified: bool,
    },
    /// TLS is spoken, and the certificate is not trusted.
    Untrusted {
        why: Distrust,
        says: String,
    },
    /// What came is not TLS.
    NotTls,
    /// The server ended the connection.
    Ended,
    TimedOut(Duration),
    Failed(String),
    /// Here, not there.
    Local(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distrust {
    Expired,
    NotYetValid,
    OtherName,
    UnknownIssuer,
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) names: Vec<String>,
    /// Whole days; negative once it is over.
    pub(super) days_left: i64,
    pub(super) not_after: String,
}

/// What came of a request for a handshake.
#[derive(Debug)]
pub(super) enum Answer {
    /// The server speaks WebSocket.
    Open {
        response: Response<()>,
        subprotocol: Option<String>,
        deflate: Option<String>,
    },
    /// 101, and something about it is wrong.
    Wrong {
        response: Response<()>,
        header: &'static str,
        value: String,
    },
    /// Another status.
    Refused {
        response: Response<Bytes>,
    },
    /// Ended without an answer.
    Ended,
    Reset(io::ErrorKind),
    SpeaksTls,
    NotHttp(String),
    TimedOut(Duration),
}

impl Answer {
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Open { response, .. } | Self::Wrong { response, .. } => Some(response.status()),
            Self::Refused { response } => Some(response.status()),
            _ => None,
        }
    }

    pub(super) fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Open { response, .. } | Self::Wrong { response, .. } => Some(response.headers()),
            Self::Refused { response } => Some(response.headers()),
            _ => None,
        }
    }

    pub(super) fn version(&self) -> Option<http::Version> {
        match self {
            Self::Open { response, .. } | Self::Wrong { response, .. } => Some(response.version()),
            Self::Refused { response } => Some(response.version()),
            _ => None,
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Refused { response } => response.body(),
            _ => &[],
        }
    }

    pub(super) fn proxy(&self) -> Option<Proxy> {
        Proxy::recognised(self.status(), self.headers(), self.body(), None)
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

/// What a request without the query and the headers that were asked for is answered.
#[derive(Debug)]
pub(super) struct SmallHead {
    pub(super) status: Option<u16>,
    /// How many bytes the first head had.
    pub(super) first: usize,
    pub(super) proxy: Option<Proxy>,
}

/// A handshake as the server saw it.
#[derive(Debug)]
pub(super) enum Arrival {
    /// The server is none of ours, or somebody answers for it.
    Unknown,
    Told {
        told: Value,
        changes: Vec<Change>,
        headers: HeaderMap,
    },
}

/// What was sent and has arrived as something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The header, or `version`, `method`.
    pub(super) what: String,
    pub(super) sent: String,
    pub(super) arrived: Option<String>,
}

#[derive(Debug)]
pub(super) enum Ping {
    Answered(Duration),
    TimedOut(Duration),
    Ended(End),
}

/// How a connection ended under our hands.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) report: Box<CloseReport>,
}

impl End {
    pub(super) fn code(&self) -> Option<CloseCode> {
        self.report.received.as_ref().and_then(|frame| frame.code)
    }
}

#[derive(Debug)]
pub(super) struct Large {
    pub(super) size: usize,
    pub(super) outcome: Sent,
}

#[derive(Debug)]
pub(super) enum Sent {
    Echoed,
    /// The server has read past it: it has answered a ping that was sent behind it.
    Taken,
    /// It is with the kernel, and the ping behind it has no answer.
    NoAnswer(Duration),
    Ended(End),
    NotOpen,
}

#[derive(Debug)]
pub(super) struct Idle {
    pub(super) asked: Duration,
    pub(super) pings: u32,
    pub(super) messages: u32,
    pub(super) outcome: Idled,
}

#[derive(Debug)]
pub(super) enum Idled {
    Open,
    /// It seemed open, and a ping after the wait has no answer.
    Dead,
    Ended {
        after: Duration,
        end: End,
    },
    NotOpen,
}

#[derive(Debug)]
pub(super) enum Close {
    Done(Box<CloseReport>),
    NotOpen,
}

/// What pages would be told.
#[derive(Debug)]
pub(super) struct Origins {
    pub(super) own: OriginTold,
    pub(super) foreign: OriginTold,
    pub(super) none: OriginTold,
}

#[derive(Debug, Clone)]
pub(super) struct OriginTold {
    pub(super) origin: Option<String>,
    /// `None` where there was no answer.
    pub(super) status: Option<u16>,
    /// What a refusal calls itself.
    pub(super) cause: Option<String>,
}

/// What comes of asking by `wss` instead of `ws`, or the other way round.
#[derive(Debug)]
pub(super) struct OtherScheme {
    pub(super) address: String,
    pub(super) is_same_port: bool,
    pub(super) outcome: Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Other {
    NoTcp,
    NoTls,
    /// TLS, with a certificate that is trusted or not, and then this status.
    Status(u16),
    Redirect {
        status: u16,
        to: String,
    },
    Tls,
    /// A connection, and no HTTP over it.
    NotHttp,
}
