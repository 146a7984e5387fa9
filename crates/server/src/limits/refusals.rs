//! What is said to whom a bound keeps out, and to the operator: so many lines of each cause, and a count of the others.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use silverback::Refusal;

use crate::log_rate::LogRate;

/// What was refused, for the log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refused {
    Handshake,
    Request,
    ApiRequest,
}

/// Every cause has a name of ours, so that there are few.
static LOGGED: LazyLock<Mutex<HashMap<&'static str, LogRate>>> = LazyLock::new(Mutex::default);

/// Tells the operator of a refusal, unless there are many of its cause. Whether it did.
pub(crate) fn refused(what: Refused, remote: impl fmt::Display, refusal: &Refusal) -> bool {
    let more = {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        logged.entry(refusal.cause()).or_insert_with(|| LogRate::lines(10, Duration::from_secs(1))).allows()
    };
    match more {
        None => {}
        Some(0) => tracing::info!(%remote, %refusal, "{what} was refused"),
        Some(left_out) => tracing::info!(%remote, %refusal, left_out, "{what} was refused, and others before it"),
    }
    more.is_some()
}

/// Tells how many lines were left out, where no other line has told it.
pub(super) fn tell_the_rest(rest: fn(&LogRate) -> Option<u64>) {
    let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let rest: Vec<_> = logged.iter().filter_map(|(cause, rate)| Some((*cause, rest(rate)?))).collect();
    drop(logged);
    for (cause, left_out) in rest {
        tracing::info!(cause, left_out, "more was refused");
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "a handshake",
            Self::Request => "a request",
            Self::ApiRequest => "a request to the API",
        })
    }
}

pub(super) fn memory() -> Refusal {
    unavailable("memory-full", "this server has no memory left for more clients")
        .arrived("a handshake while memory was full")
        .cure("connect again later, or give the server more memory (limits.memory)")
        .header(RETRY_AFTER, HeaderValue::from_static("10"))
}

pub(super) fn connections(limit: usize) -> Refusal {
    unavailable("too-many-connections", "this server has as many clients as it may have")
        .arrived(format!("a handshake beside {limit} clients"))
        .cure("connect again later, or raise limits.connections or the limit of open files")
        .header(RETRY_AFTER, HeaderValue::from_static("10"))
}

pub(super) fn connections_of_address(limit: usize) -> Refusal {
    too_many("too-many-connections-from-address", "your address has as many connections as it may have")
        .arrived(format!("a handshake beside {limit} connections from the same address"))
        .cure("close another one, or raise limits.connections_per_address; behind a proxy, name it in proxies.trusted")
        .header(RETRY_AFTER, HeaderValue::from_static("10"))
}

pub(super) fn handshakes(limit: usize) -> Refusal {
    unavailable("too-many-handshakes", "this server gets more handshakes than it takes")
        .arrived(format!("more than {limit} handshakes in a second"))
        .cure("connect again a little later, each client after a time of its own, or raise limits.handshakes_per_second")
        .header(RETRY_AFTER, HeaderValue::from_static("1"))
}

pub(super) fn handshakes_of_address(limit: usize) -> Refusal {
    too_many("too-many-handshakes-from-address", "your address sends more handshakes than it may")
        .arrived(format!("more than {limit} handshakes in a second from the same address"))
        .cure("wait longer between two attempts, or raise limits.handshakes_per_second_per_address; behind a proxy, name it in proxies.trusted")
        .header(RETRY_AFTER, HeaderValue::from_static("1"))
}

/// For whom a faster one needs the place.
pub(crate) fn unfinished() -> Refusal {
    unavailable("unfinished", "your request was not complete when its place was needed")
        .arrived("a request without its end, or nothing")
        .cure("send the whole request at once; or raise limits.unfinished")
        .header(RETRY_AFTER, HeaderValue::from_static("1"))
}

fn unavailable(cause: &'static str, title: &'static str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, title)
}

fn too_many(cause: &'static str, title: &'static str) -> Refusal {
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, cause, title)
}
