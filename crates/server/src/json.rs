//! What the API says, as JSON.

use std::time::SystemTime;

use serde::Serialize;
use silverback::{CloseFrame, CloseReport, Message, Side};
use silverback_hub::{Delivery, SessionInfo};

#[derive(Serialize)]
pub(crate) struct SessionJson<'a> {
    id: String,
    user: &'a str,
    connected_at: String,
    remote: Option<String>,
    token_from: &'static str,
}

impl<'a> From<&'a SessionInfo> for SessionJson<'a> {
    fn from(info: &'a SessionInfo) -> Self {
        Self {
            id: info.id.to_string(),
            user: &info.identity.user,
            connected_at: timestamp(info.connected_at),
            remote: info.identity.remote.map(|remote| remote.to_string()),
            token_from: info.identity.source,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct DeliveryJson {
    sessions: usize,
    queued: usize,
    dropped: usize,
}

impl From<Delivery> for DeliveryJson {
    fn from(delivery: Delivery) -> Self {
        let Delivery { sessions, queued, dropped, refused } = delivery;
        Self { sessions: sessions - refused, queued, dropped } // who is leaving is not a session any more
    }
}

#[derive(Serialize)]
pub(crate) struct ReportJson<'a> {
    began: &'static str,
    cause: String,
    sent: Option<FrameJson<'a>>,
    received: Option<FrameJson<'a>>,
    transport: String,
    lived_ms: u64,
    messages_in: u64,
    messages_out: u64,
    bytes_in: u64,
    bytes_out: u64,
    unsent: u64,
}

impl<'a> From<&'a CloseReport> for ReportJson<'a> {
    fn from(report: &'a CloseReport) -> Self {
        Self {
            began: match report.began {
                Side::Local => "local",
                Side::Peer => "peer",
            },
            cause: report.cause.to_string(),
            sent: report.sent.as_ref().map(FrameJson::from),
            received: report.received.as_ref().map(FrameJson::from),
            transport: report.transport.to_string(),
            lived_ms: u64::try_from(report.lived.as_millis()).unwrap_or(u64::MAX),
            messages_in: report.incoming.messages,
            messages_out: report.outgoing.messages,
            bytes_in: report.incoming.bytes,
            bytes_out: report.outgoing.bytes,
            unsent: report.unsent.messages,
        }
    }
}

#[derive(Serialize)]
struct FrameJson<'a> {
    /// 1005 where the frame had none.
    code: u16,
    reason: &'a str,
}

impl<'a> From<&'a CloseFrame> for FrameJson<'a> {
    fn from(frame: &'a CloseFrame) -> Self {
        Self { code: frame.code.map_or(1005, |code| code.get()), reason: frame.reason() }
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
