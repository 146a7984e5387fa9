//! A session's life, in a record of bounded size.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use silverback::{Cause, CloseFrame, CloseReport, QueueFill};
use tokio::time::Instant;

use crate::{SessionId, SessionInfo};

/// How many moments are kept of a life. The oldest are forgotten first: what is asked about is the end.
const MOMENTS: usize = 24;

/// The most bytes of a note.
const NOTE: usize = 200;

/// What is known of a session's life: who it was ([`SessionInfo`]), what happened, and how it ended.
///
/// ```
/// use silverback_hub::{Hub, Query};
///
/// # let hub = Hub::new();
/// // Why was alice disconnected?
/// for life in hub.ended(&Query::all().user("alice"), None, 10).sessions {
///     let Some(end) = &life.end else { continue };
///     println!("{}: {} (asked for here by {:?})", life.session.id, end.report, life.asked);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeline {
    /// Who, from where, since when.
    pub session: Arc<SessionInfo>,
    /// What happened to it, in order: the last 24 moments.
    pub moments: Vec<Moment>,
    /// How many earlier ones are forgotten.
    pub forgotten: u32,
    /// Who here asked first for its end, if anybody did. The report tells whether that was how it ended.
    pub asked: Option<Asked>,
    /// What waits in its queue, the most that ever did, and how many messages were dropped. How much arrived and went out and how quickly pings
    /// were answered is in the report.
    pub queue: QueueFill,
    /// How it ended, once it has.
    pub end: Option<End>,
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// How long after the session joined.
    pub after: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// Somebody here asked for its end, for the first time.
    AskedToClose {
        /// Who, or why.
        by: Asked,
        /// What the client was to be told.
        frame: CloseFrame,
    },
    /// For the first time its queue had no room for a message. How many were dropped in all is in [`Timeline::queue`].
    FirstDrop,
    /// What the application noted: [`Notes::add`](crate::Notes::add).
    Note(Cow<'static, str>),
}

/// Who asked for the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// This session, which came in its place: [`Policy`](crate::Policy).
    Displaced {
        /// The newer one.
        by: SessionId,
    },
    /// A drain of the hub.
    Drained,
    /// The application, by [`Audience::close`](crate::Audience::close).
    Application,
}

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// When it left the hub.
    pub at: SystemTime,
    /// How its connection ended.
    pub report: Arc<CloseReport>,
}

impl End {
    pub(crate) fn now(report: Arc<CloseReport>) -> Self {
        Self { at: SystemTime::now(), report }
    }
}

impl Timeline {
    pub(crate) fn new(session: Arc<SessionInfo>, moments: Moments, queue: QueueFill, end: Option<End>) -> Self {
        let Record { kept, forgotten, asked, .. } = moments.record.map(|record| *record).unwrap_or_default();
        Self { session, moments: kept.into(), forgotten, asked, queue, end }
    }

    /// About how many bytes it holds.
    pub(crate) fn memory(&self) -> usize {
        let frames = self.end.iter().flat_map(|end| [&end.report.sent, &end.report.received]).flatten();
        let causes = self.end.iter().map(|end| match &end.report.cause {
            Cause::ClosedHere(Cow::Owned(cause)) => cause.capacity(), // a handler's error may be long
            _ => 0,
        });
        size_of::<Self>()
            + size_of::<SessionInfo>()
            + size_of::<CloseReport>()
            + self.session.identity.memory()
            + self.moments.capacity() * size_of::<Moment>()
            + self.moments.iter().map(Moment::memory).sum::<usize>()
            + frames.map(|frame| frame.reason().len()).sum::<usize>()
            + causes.sum::<usize>()
    }
}

impl Moment {
    fn memory(&self) -> usize {
        match &self.what {
            What::AskedToClose { frame, .. } => frame.reason().len(),
            What::Note(Cow::Owned(note)) => note.capacity(),
            What::Note(Cow::Borrowed(_)) | What::FirstDrop => 0,
        }
    }
}

/// The moments of a life that is not over.
#[derive(Debug, Clone)]
pub(crate) struct Moments {
    began: Instant,
    /// Made with the first of them: most lives have none until their end.
    record: Option<Box<Record>>,
}

#[derive(Debug, Clone, Default)]
struct Record {
    kept: VecDeque<Moment>,
    forgotten: u32,
    has_dropped: bool,
    asked: Option<Asked>,
}

impl Default for Moments {
    fn default() -> Self {
        Self { began: Instant::now(), record: None }
    }
}

impl Moments {
    pub(crate) fn note(&mut self, mut note: Cow<'static, str>) {
        if note.len() > NOTE {
            note = note[..note.floor_char_boundary(NOTE)].to_owned().into();
        }
        self.add(What::Note(note));
    }

    pub(crate) fn ask(&mut self, by: Asked, frame: CloseFrame) {
        let asked = &mut self.record.get_or_insert_default().asked;
        if asked.is_none() {
            *asked = Some(by);
            self.add(What::AskedToClose { by, frame });
        }
    }

    pub(crate) fn first_drop(&mut self) {
        if !std::mem::replace(&mut self.record.get_or_insert_default().has_dropped, true) {
            self.add(What::FirstDrop);
        }
    }

    fn add(&mut self, what: What) {
        let record = self.record.get_or_insert_default();
        if record.kept.len() == MOMENTS {
            record.kept.pop_front();
            record.forgotten = record.forgotten.saturating_add(1);
        }
        record.kept.push_back(Moment { after: self.began.elapsed(), what });
    }
}
