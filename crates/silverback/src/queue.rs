//! How much waits in a queue, and how much may.

/// How much may wait in one direction. A message that finds its queue empty is always taken, whatever its size.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct QueueFill {
    /// Bytes of payload that wait now.
    pub bytes: usize,
    /// Messages that wait now.
    pub messages: usize,
    /// The most bytes that ever waited.
    pub peak_bytes: usize,
    /// Messages that were dropped by the policy they were offered with: older ones that made room, and new ones that found none.
    pub dropped: u64,
}
