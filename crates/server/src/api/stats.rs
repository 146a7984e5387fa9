//! How much is going on.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::json::timestamp;
use crate::routes::App;
use crate::stats::Sample;

/// How much is going on, and in the last minutes. Rates are the differences of two samples.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsJson {
    #[schema(format = "date-time")]
    started_at: String,
    version: &'static str,
    now: SampleJson,
}

/// The last minutes.
#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub(super) struct HistoryJson {
    /// One every five seconds, of the last fifteen minutes, the oldest first.
    samples: Vec<SampleJson>,
}

/// What was there at a moment, and what was counted since the server was started.
#[derive(Serialize, ToSchema)]
#[schema(as = Sample)]
struct SampleJson {
    #[schema(format = "date-time")]
    at: String,
    sessions: usize,
    /// A user counts once, and from the moment that a handshake is accepted.
    users: usize,
    /// Messages that clients said. Without pings and answers to requests.
    messages_in: u64,
    /// The bytes of those messages.
    bytes_in: u64,
    /// Messages that were queued for clients: one to a thousand sessions counts a thousand.
    messages_out: u64,
    bytes_out: u64,
    /// Messages that found no room in a queue.
    dropped: u64,
    /// Handshakes that were refused.
    refused: u64,
    /// Bytes that the process has in memory. Null where the system does not tell.
    memory: Option<u64>,
}

/// Tells how much is going on.
#[utoipa::path(
    get, path = "/v1/stats", operation_id = "stats", tag = "health",
    responses((status = 200, body = StatsJson)),
)]
pub(super) async fn show(State(app): State<App>) -> Json<StatsJson> {
    Json(StatsJson {
        started_at: timestamp(app.stats.started_at),
        version: env!("CARGO_PKG_VERSION"),
        now: SampleJson::from(app.stats.now(&app.hub, &app.handshakes)),
    })
}

/// Tells how much was going on in the last fifteen minutes.
#[utoipa::path(
    get, path = "/v1/stats/history", operation_id = "stats_history", tag = "health",
    responses((status = 200, body = HistoryJson)),
)]
pub(super) async fn history(State(app): State<App>) -> Json<HistoryJson> {
    Json(HistoryJson { samples: app.stats.history().into_iter().map(SampleJson::from).collect() })
}

impl From<Sample> for SampleJson {
    fn from(sample: Sample) -> Self {
        let Sample { at, sessions, users, counted, refused, memory } = sample;
        Self {
            at: timestamp(at),
            sessions,
            users,
            messages_in: counted.messages_in,
            bytes_in: counted.bytes_in,
            messages_out: counted.messages_out,
            bytes_out: counted.bytes_out,
            dropped: counted.dropped,
            refused,
            memory,
        }
    }
}
