//! What two ends have agreed on.

use std::sync::Arc;

use super::{Options, Reservation};

/// The compression that both ends of a connection have agreed on. Made by a handshake, given to
/// [`Connection::with_deflate`](crate::Connection::with_deflate).
///
/// ```
/// use silverback_wire::deflate::Options;
/// # use silverback_wire::handshake::{client::Offer, server::Policy};
///
/// # let mut policy = Policy::default();
/// policy.deflate = Some(Options::default().server_window_bits(12)?);
/// # let offer = Offer::new(&"ws://example.com/".parse()?, http::HeaderMap::new())?.with_deflate(Some(&Options::default()));
/// # let request = offer.request();
/// let agreement = policy.judge(request)?.deflate.expect("the client has offered it");
/// assert_eq!(agreement.outgoing().window_bits, 12);
/// assert!(!agreement.incoming().context_takeover);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Agreement {
    pub(super) outgoing: Direction,
    pub(super) incoming: Direction,
    pub(super) level: u8,
    pub(super) threshold: usize,
    pub(super) reservation: Option<Arc<Reservation>>,
}

impl Agreement {
    /// What this end compresses.
    pub fn outgoing(&self) -> Direction {
        self.outgoing
    }

    /// What the peer compresses.
    pub fn incoming(&self) -> Direction {
        self.incoming
    }

    pub(super) fn new(options: &Options, outgoing: Direction, incoming: Direction, reservation: Option<Arc<Reservation>>) -> Self {
        Self { outgoing, incoming, level: options.level, threshold: options.threshold, reservation }
    }
}

/// One direction of a connection.
///
/// ```
/// use silverback_wire::deflate::Direction;
///
/// /// How far back messages may refer, in bytes.
/// fn reach(direction: Direction) -> usize {
///     1 << direction.window_bits
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Direction {
    /// Whether a message may refer to the ones before it (RFC 7692, 7.1.1).
    pub context_takeover: bool,
    /// How far back a reference may reach: 2 to this power, in bytes; 8 to 15 (RFC 7692, 7.1.2).
    pub window_bits: u8,
}

impl Direction {
    /// About what a compressor holds, in bytes: zlib's window, hash chains, hash heads and pending output.
    pub(super) fn compressor_memory(self) -> usize {
        if self.context_takeover { (4 << self.window_bits.max(9)) + 256 * 1024 } else { 0 }
    }

    /// About what a decompressor holds, in bytes: the window and zlib's tables.
    pub(super) fn decompressor_memory(self) -> usize {
        if self.context_takeover { (1 << self.window_bits.max(9)) + 16 * 1024 } else { 0 }
    }
}
