//! How much waits in a queue, and how much may.

/// How much may wait in one direction. A message that finds its queue empty is always taken, whatever its size.
///
/// ```
/// use silverback::{QueueLimits, Upgrader};
///
/// let limits = QueueLimits { messages: 64, ..QueueLimits::default() };
/// assert_eq!(limits.bytes, 1 << 20);
/// let upgrader = Upgrader::builder().queue(limits).build();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes of payload.
    pub bytes: usize,
    /// Messages.
    pub messages: usize,
}

impl Default for QueueLimits {
    /// 1 MiB and 1,024 messages.
    fn default() -> Self {
        Self { bytes: 1 << 20, messages: 1024 }
    }
}

/// What is in the queue of a connection, and what has become of it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, _client) = (server?, client?);
/// let tx = server.sender();
/// tx.try_send("hello")?; // nobody drives the connection yet
/// assert_eq!((tx.queue().messages, tx.queue().bytes), (1, 5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueFill {
    /// Bytes of payload that wait now.
    pub bytes: usize,
    /// Messages that wait now.
    pub messages: usize,
    /// The most bytes that ever waited.
    pub peak_bytes: usize,
    /// Messages that were dropped by the policy they were offered with: older ones that made room or were replaced, and new ones that
    /// found none.
    pub dropped: u64,
}
