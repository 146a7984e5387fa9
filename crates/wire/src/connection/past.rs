//! Prepared messages that are written past a connection at rest, and what it learns of them.

use bytes::Bytes;

use super::{Connection, Role};
use crate::Prepared;
use crate::deflate::{Compressor, Kind};

/// How a [`Prepared`] message goes out on a connection that has nothing else to say: as it is, or compressed.
///
/// ```
/// # use std::{sync::Arc, time::Instant};
/// use silverback_wire::{Connection, Past, Prepared, Role};
///
/// # let now = Instant::now();
/// let mut connection = Connection::new(Role::Server, Arc::default(), now);
/// let route = connection.route().expect("an open server with nothing to write");
/// let frame = Prepared::new("news").frame(route); // to be written to the transport by whoever has it
/// assert_eq!(frame, &b"\x81\x04news"[..]);
///
/// connection.went_past(Past { messages: 1, bytes: 5, rest: frame.slice(5..) }); // it took five bytes of the six
/// assert_eq!(connection.transmit_len(), 1);
/// assert_eq!(connection.traffic().1.messages, 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The compressor that both ends have agreed on, and from which length on it is used.
    compression: Option<(Kind, usize)>,
}

/// What has gone out past a connection: [`Connection::went_past`]. [`Route`] shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Messages, each in a frame of its own, of which the transport has taken at least the beginning.
    pub messages: u64,
    /// The bytes that it has taken.
    pub bytes: u64,
    /// What it has not taken of the last frame. It goes out before anything else.
    pub rest: Bytes,
}

impl Connection {
    /// How a prepared message can be written past this connection, as if by [`send_prepared`](Self::send_prepared): by whoever has the
    /// transport, for as long as no other method of this is called. `None` while something waits to be written, while a message is being sent in
    /// parts, once the end has begun, and where each frame depends on the one before it or on a mask: with context takeover, and for a client.
    #[must_use]
    pub fn route(&self) -> Option<Route> {
        let is_at_rest = self.is_open() && self.sending.is_none() && self.transmit_len() == 0 && self.owed_pong.is_none();
        let compressor = self.deflate.as_deref().map(|codec| &codec.compressor).filter(|compressor| compressor.is_able());
        if !is_at_rest || self.role == Role::Client || compressor.is_some_and(Compressor::has_context) {
            return None;
        }
        Some(Route { compression: compressor.map(|compressor| (compressor.kind(), compressor.threshold())) })
    }

    /// Takes account of what has gone out past this connection since [`route`](Self::route) was asked, before anything else is done with it.
    pub fn went_past(&mut self, past: Past) {
        debug_assert!(self.is_open() && self.transmit_len() == 0, "nothing else was done with it");
        let Past { messages, bytes, rest } = past;
        self.sent_messages += messages;
        self.delivered_messages = self.sent_messages - u64::from(!rest.is_empty());
        self.transmit.went_past(messages, bytes, &rest);
    }
}

impl Prepared {
    /// The frame that goes out by this route.
    pub fn frame(&self, route: Route) -> Bytes {
        let compression = route.compression.filter(|(_, threshold)| self.message().len() >= *threshold);
        let compressed = compression.and_then(|(kind, _)| self.compressed(kind));
        compressed.map_or_else(|| self.plain().clone(), |compressed| compressed.frame)
    }
}
