//! The life of a session, as JSON.

use serde::Serialize;
use silverback_hub::{Asked, Moment, Timeline, What};
use utoipa::ToSchema;

use crate::json::{FrameJson, ReportJson, SessionJson, milliseconds, timestamp};

/// A session's life: who it was, what happened to it, and how it ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Timeline)]
pub(crate) struct TimelineJson {
    #[serde(flatten)]
    session: SessionJson,
    /// `live` or `ended`.
    state: &'static str,
    /// What happened, in order: the last 24 moments.
    moments: Vec<MomentJson>,
    /// How many earlier ones are forgotten.
    forgotten: u32,
    /// Who here asked first for its end: `application` (this API), `drain`, `newer-session`. Null where nobody did.
    asked: Option<&'static str>,
    /// The newer session that came in its place, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    displaced_by: Option<String>,
    queue: QueueJson,
    /// When it ended. Null where it has not.
    ended_at: Option<String>,
    /// How it ended. Null where it has not.
    report: Option<ReportJson>,
}

/// Something that happened to a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Moment)]
struct MomentJson {
    /// How long after the session joined.
    after_ms: u64,
    /// `asked-to-close`, `first-drop` or `note`.
    what: &'static str,
    /// Of a note: what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    note: Option<String>,
    /// Of a close: what the client was to be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    close: Option<FrameJson>,
}

/// What waits for the client.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
struct QueueJson {
    bytes: usize,
    messages: usize,
    /// The most bytes that ever waited.
    peak_bytes: usize,
    /// Messages that were dropped.
    dropped: u64,
}

impl From<&Timeline> for TimelineJson {
    fn from(life: &Timeline) -> Self {
        let displaced_by = match life.asked {
            Some(Asked::Displaced { by }) => Some(by.to_string()),
            _ => None,
        };
        let queue = &life.queue;
        Self {
            session: SessionJson::from(&*life.session),
            state: if life.end.is_some() { "ended" } else { "live" },
            moments: life.moments.iter().map(MomentJson::from).collect(),
            forgotten: life.forgotten,
            asked: life.asked.map(asked),
            displaced_by,
            queue: QueueJson { bytes: queue.bytes, messages: queue.messages, peak_bytes: queue.peak_bytes, dropped: queue.dropped },
            ended_at: life.end.as_ref().map(|end| timestamp(end.at)),
            report: life.end.as_ref().map(|end| ReportJson::from(&*end.report)),
        }
    }
}

impl From<&Moment> for MomentJson {
    fn from(moment: &Moment) -> Self {
        let (what, note, close) = match &moment.what {
            What::AskedToClose { frame, .. } => ("asked-to-close", None, Some(FrameJson::from(frame))),
            What::FirstDrop => ("first-drop", None, None),
            What::Note(note) => ("note", Some(note.to_string()), None),
            _ => ("unknown", None, None), // a kind that a later hub has
        };
        Self { after_ms: milliseconds(moment.after), what, note, close }
    }
}

fn asked(asked: Asked) -> &'static str {
    match asked {
        Asked::Displaced { .. } => "newer-session",
        Asked::Drained => "drain",
        Asked::Application => "application",
        _ => "unknown",
    }
}
