//! How many files the process may have open, and how many clients that makes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the process needs for itself: its log, its listeners, files that it reads, connections to others.
const OWN: usize = 64;

/// Each connection needs a descriptor; the usual soft limit of 1,024 is for programs that use `select`. Gives what there is after it was raised.
pub(crate) fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let current = match raised {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, limit = ?limit.current, "the limit of open files could not be raised");
            limit.current
        }
    };
    let current = current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    tracing::debug!(limit = current, "open files");
    current
}

/// The most sockets that clients may have together.
pub(super) fn sockets(descriptors: usize) -> usize {
    descriptors.saturating_sub(OWN).max(1)
}

/// The most clients that may be connected where nothing else is said: there is room left for first requests, and for the API.
pub(super) fn connections(descriptors: usize, unfinished: usize) -> usize {
    let sockets = sockets(descriptors);
    sockets.saturating_sub(unfinished.min(sockets / 4) + kept_alive(descriptors)).max(1)
}

/// How many connections of plain HTTP may wait for a second request.
pub(super) fn kept_alive(descriptors: usize) -> usize {
    256.min(sockets(descriptors) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_more_than_those_who_are_connected() {
        assert_eq!(sockets(20_000), 19_936);
        assert_eq!(connections(20_000, 1024), 18_656);
        assert_eq!(connections(1024, 1024), 960 - 240 - 120);
        assert_eq!((sockets(10), connections(10, 1024)), (1, 1));
    }
}
