//! What this end offers or accepts.

use super::Budget;

/// How messages are compressed, as far as it is up to this end. The other end may ask for less.
///
/// ```
/// use silverback_wire::deflate::{Budget, Options};
///
/// // The default holds no memory for an idle connection. This gives up to 64 MiB for a better ratio on small messages:
/// let options = Options::default().level(6).context_takeover(Budget::new(64 << 20));
/// assert_eq!(options.budget().limit(), 64 << 20);
///
/// // The clients' messages do not resemble each other, so nothing is held for them:
/// let options = options.client_context_takeover(false);
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(super) level: u8,
    pub(super) threshold: usize,
    pub(super) server_takeover: bool,
    pub(super) client_takeover: bool,
    pub(super) server_window_bits: u8,
    pub(super) client_window_bits: u8,
    pub(super) budget: Budget,
}

/// A window that permessage-deflate or zlib does not have.
///
/// ```
/// use silverback_wire::deflate::{NotWindowBits, Options};
///
/// assert_eq!(Options::default().server_window_bits(8).unwrap_err(), NotWindowBits(8));
/// assert!(Options::default().server_window_bits(9).is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no size of a compression window: 9 to 15 bits are, which is 512 bytes to 32 KiB")]
pub struct NotWindowBits(pub u8);

/// No context takeover, windows of 15 bits, level 1, threshold 128 bytes. Exists with the feature `deflate`.
#[cfg(feature = "deflate")]
impl Default for Options {
    fn default() -> Self {
        Self {
            level: 1,
            threshold: 128,
            server_takeover: false,
            client_takeover: false,
            server_window_bits: 15,
            client_window_bits: 15,
            budget: Budget::new(0),
        }
    }
}

impl Options {
    /// How hard this end tries, from 1 (fast) to 9 (small). Default: 1. On 1 KiB of JSON, level 1 leaves about 34 % of the bytes;
    /// level 6 leaves 26 % and costs three times as much.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Messages of this end with fewer bytes are sent as they are, since they would hardly shrink. Default: 128 bytes.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Lets both directions refer to earlier messages (RFC 7692, 7.1.1), as long as `budget` has room: about 400 KiB for each connection with windows of
    /// 15 bits, from the handshake to the end. Connections beyond it are made without.
    #[must_use]
    pub fn context_takeover(mut self, budget: Budget) -> Self {
        (self.server_takeover, self.client_takeover) = (true, true);
        self.budget = budget;
        self
    }

    /// Forbids the server (`false`) to refer to earlier messages, after [`context_takeover`](Self::context_takeover) allowed it.
    #[must_use]
    pub fn server_context_takeover(mut self, is_allowed: bool) -> Self {
        self.server_takeover &= is_allowed;
        self
    }

    /// Forbids the client (`false`) to refer to earlier messages, after [`context_takeover`](Self::context_takeover) allowed it.
    #[must_use]
    pub fn client_context_takeover(mut self, is_allowed: bool) -> Self {
        self.client_takeover &= is_allowed;
        self
    }

    /// The largest window of what the server compresses, in bits (RFC 7692, 7.1.2.1). Default: 15.
    ///
    /// # Errors
    /// [`NotWindowBits`] unless it is 9 to 15. The protocol has 8 as well; zlib cannot compress with it, so that an end that is asked for it
    /// sends its messages uncompressed.
    pub fn server_window_bits(mut self, bits: u8) -> Result<Self, NotWindowBits> {
        self.server_window_bits = window_bits(bits)?;
        Ok(self)
    }

    /// The largest window of what the client compresses, in bits (RFC 7692, 7.1.2.2). Default: 15. A client that cannot limit its window
    /// does not say that it can, and uses 15.
    ///
    /// # Errors
    /// [`NotWindowBits`] unless it is 9 to 15.
    pub fn client_window_bits(mut self, bits: u8) -> Result<Self, NotWindowBits> {
        self.client_window_bits = window_bits(bits)?;
        Ok(self)
    }

    /// The budget for context takeover; its [`used`](Budget::used) is worth a gauge.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

fn window_bits(bits: u8) -> Result<u8, NotWindowBits> {
    if (9..=15).contains(&bits) { Ok(bits) } else { Err(NotWindowBits(bits)) }
}
