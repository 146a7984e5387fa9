//! What an earlier process has not told: it is told now, in the order of each session.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use super::Hooks;
use super::event::{Event, Kind};
use super::line::Introduced;
use super::spool::Left;

/// Why the end of a session has no report.
const WHY: &str = "the server ended before it could tell how this session ended";

/// Tells all that is left.
pub(super) async fn tell(hooks: Arc<Hooks>, left: Vec<Left>) {
    if left.is_empty() {
        return;
    }
    tracing::info!(sessions = left.len(), "the spool has events of sessions of an earlier run: the back end is told");
    let concurrency = hooks.settings.concurrency.get();
    stream::iter(left).for_each_concurrent(concurrency, |left| hooks.tell_left(left)).await;
}

impl Hooks {
    async fn tell_left(&self, left: Left) {
        let Some(spool) = &self.spool else { return };
        let mut introduced = Introduced { sequence: None, is_over: true };
        let mut begin = None;
        if let Some(connected) = left.connected {
            begin = spool.read(connected.sequence).await;
            introduced.sequence = Some(connected.sequence);
            if let (Some(event), false) = (&begin, connected.is_delivered) {
                introduced.is_over = self.tell_of_begin(event, introduced.sequence).await;
            }
        }
        let (event, sequence) = match (left.ended, begin) {
            (Some(ended), _) => (spool.read(ended.sequence).await, Some(ended.sequence)),
            (None, Some(begin)) => {
                let event = missing_end(&begin);
                let sequence = spool.append(&event).await;
                (Some(event), sequence)
            }
            (None, None) => (None, None),
        };
        match event {
            Some(event) if self.settings.wants(Kind::Ended) => self.tell_of_end(&event, sequence, introduced).await,
            _ => {
                // What is not told any more, by a changed configuration, need not be kept.
                for sequence in introduced.sequence.into_iter().chain(sequence).filter(|_| introduced.is_over) {
                    spool.remove(sequence).await;
                }
            }
        }
        drop(left.room);
    }
}

/// The end of a session whose process had no time to tell of it.
fn missing_end(begin: &Event) -> Event {
    let session = serde_json::from_slice::<Value>(&begin.body).map(|mut body| body["session"].take()).unwrap_or_default();
    let body = json!({ "session": session, "report": null, "why": WHY });
    let of = begin.of.clone().unwrap_or_default();
    Event::of_life(Kind::Ended, of, SystemTime::now(), body.to_string().into_bytes())
}
