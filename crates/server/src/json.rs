//! What the API says, as JSON.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value};
use silverback::{CloseFrame, CloseReport, Message, Side};
use silverback_hub::{Delivery, SessionInfo};
use utoipa::ToSchema;

/// What is known of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionJson {
    #[schema(format = "uuid")]
    id: String,
    /// Greater than that of every earlier session of the same user.
    epoch: u64,
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
    #[schema(format = "date-time")]
    connected_at: String,
    /// Where the connection comes from.
    remote: Option<String>,
    /// Where the token was.
    token_from: &'static str,
    /// What is worth knowing of the handshake.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    handshake: Option<String>,
    /// Until when the token was good when the session began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_at: Option<String>,
}

impl From<&SessionInfo> for SessionJson {
    fn from(info: &SessionInfo) -> Self {
        let identity = &info.identity;
        Self {
            id: info.id.to_string(),
            epoch: info.epoch,
            user: identity.user.to_string(),
            device: identity.device.as_ref().map(ToString::to_string),
            attributes: identity.attributes.object().cloned(),
            connected_at: timestamp(info.connected_at),
            remote: identity.remote.map(|remote| remote.to_string()),
            token_from: identity.source,
            handshake: identity.handshake.as_ref().map(ToString::to_string),
            expires_at: identity.expires_at.map(timestamp),
        }
    }
}

/// What became of a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct DeliveryJson {
    /// Sessions that were there.
    sessions: usize,
    /// Those of them that have it in their queue.
    queued: usize,
    /// Those of them whose queue had no room.
    dropped: usize,
    /// Sessions besides that were closing, or had too many requests unanswered. Left out where there were none.
    #[serde(skip_serializing_if = "is_none")]
    #[schema(required = false)]
    refused: usize,
}

impl From<Delivery> for DeliveryJson {
    fn from(delivery: Delivery) -> Self {
        let Delivery { sessions, queued, dropped, refused } = delivery;
        Self { sessions: sessions - refused, queued, dropped, refused } // who is leaving is not a session any more
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// How a connection ended.
#[derive(Serialize, ToSchema)]
#[schema(as = CloseReport)]
pub(crate) struct ReportJson {
    /// `local` (this server) or `peer`.
    began: &'static str,
    cause: String,
    sent: Option<FrameJson>,
    received: Option<FrameJson>,
    /// How TCP ended.
    transport: String,
    lived_ms: u64,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Messages that were taken for the client and did not wholly go out.
    unsent: u64,
    /// Pings of this server that the client did not answer.
    pings_unanswered: u32,
    /// How long the client took to answer the last ping that it answered. Null where it answered none.
    round_trip_ms: Option<u64>,
    /// How often reading from the client was paused, because more came than was handled.
    pauses: u32,
}

impl From<&CloseReport> for ReportJson {
    fn from(report: &CloseReport) -> Self {
        Self {
            began: match report.began {
                Side::Local => "local",
                Side::Peer => "peer",
            },
            cause: report.cause.to_string(),
            sent: report.sent.as_ref().map(FrameJson::from),
            received: report.received.as_ref().map(FrameJson::from),
            transport: report.transport.to_string(),
            lived_ms: milliseconds(report.lived),
            messages_in: report.incoming.messages,
            messages_out: report.outgoing.messages,
            bytes_in: report.incoming.bytes,
            bytes_out: report.outgoing.bytes,
            unsent: report.unsent.messages,
            pings_unanswered: report.pings_unanswered,
            round_trip_ms: report.round_trip.map(milliseconds),
            pauses: report.pauses,
        }
    }
}

/// What a Close says.
#[derive(Serialize, ToSchema)]
#[schema(as = Close)]
pub(crate) struct FrameJson {
    /// 1005 where the frame had none.
    code: u16,
    reason: String,
}

impl From<&CloseFrame> for FrameJson {
    fn from(frame: &CloseFrame) -> Self {
        Self { code: frame.code.map_or(1005, |code| code.get()), reason: frame.reason().to_owned() }
    }
}

#[derive(Serialize)]
pub(crate) struct MessageJson<'a> {
    session: String,
    user: &'a str,
    kind: &'static str,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    cut: bool,
}

impl<'a> MessageJson<'a> {
    pub(crate) fn new(session: &'a SessionInfo, size: usize, excerpt: &'a Message) -> Self {
        let text = excerpt.as_text();
        Self {
            session: session.id.to_string(),
            user: &session.identity.user,
            kind: if text.is_some() { "text" } else { "binary" },
            size,
            text,
            cut: excerpt.len() < size,
        }
    }
}

pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
