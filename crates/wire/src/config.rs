//! What a connection is allowed and when it gives up.

use std::time::{Duration, Instant};

use crate::Message;

/// The limits and times of a connection. One value is shared by all connections that were made under the same policy.
///
/// ```
/// use std::time::Duration;
/// use silverback_wire::Config;
///
/// let mut config = Config::default();
/// assert_eq!(config.message_limit, 1 << 20);
/// config.message_limit = 64 * 1024;
/// config.idle_timeout = Some(Duration::from_secs(300));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The most bytes a received message may have; of a compressed one, when it is inflated. Default: 1 MiB.
    pub message_limit: usize,
    /// How long a message may take to arrive, from its first byte to its last; of one that is received in parts, to the next part. `None` waits for
    /// ever. Default: 2 minutes. A peer that sends a byte now and then is alive, and this is what ends it.
    pub message_timeout: Option<Duration>,
    /// A message of more bytes than this is received in parts of about this size (a compressed one of up to
    /// 16 KiB more), as [`Event::Part`](crate::Event::Part). `None` receives every message
    /// whole. Default: `None`.
    pub part_size: Option<usize>,
    /// When silence is asked about and when it is death; `None` never asks. Default: 20 s and 30 s.
    pub heartbeat: Option<Heartbeat>,
    /// How long the transport may take not a single byte of what waits before the connection is given up. Default: 2
    /// minutes.
    pub write_timeout: Option<Duration>,
    /// How long the peer may send no message, however alive it is, before the connection is closed with 1008. Default: `None`, for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may last before it is closed with 1001. Default: `None`, for ever.
    pub max_age: Option<Duration>,
    /// Up to so much is added to each connection's `max_age`, at random, so that those that began together do not all come back together.
    /// Default: nothing.
    pub max_age_jitter: Duration,
    /// A message that tells the peer's application that this end lives, for browsers, whose code cannot see Pings. Default: `None`.
    pub keepalive: Option<Keepalive>,
    /// How long the peer may take to answer our Close with its own (RFC 6455, 7.1.1). Default: 5 s.
    pub close_timeout: Duration,
    /// How long, once the last Close frame was queued, it is written and what still arrives is read and thrown away, until the peer ends
    /// TCP. Without it unread bytes would turn our end into a reset, which can destroy the Close frame on its way. Default: 2 s.
    pub linger: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message_limit: 1 << 20,
            message_timeout: Some(Duration::from_secs(120)),
            part_size: None,
            heartbeat: Some(Heartbeat::default()),
            write_timeout: Some(Duration::from_secs(120)),
            idle_timeout: None,
            max_age: None,
            max_age_jitter: Duration::ZERO,
            keepalive: None,
            close_timeout: Duration::from_secs(5),
            linger: Duration::from_secs(2),
        }
    }
}

/// How the dead are told from the quiet. Any byte from the peer is a sign of life.
///
/// ```
/// use std::{sync::Arc, time::{Duration, Instant}};
/// use silverback_wire::{Config, Connection, Heartbeat, Role};
///
/// let (began, second) = (Instant::now(), Duration::from_secs(1));
/// let mut config = Config::default();
/// config.heartbeat = Some(Heartbeat { ping_after: 5 * second, dead_after: 8 * second });
/// let mut connection = Connection::new(Role::Server, Arc::new(config), began);
///
/// connection.handle_timeout(began + 5 * second);
/// assert!(connection.poll_transmit().is_some()); // a Ping
/// connection.handle_timeout(began + 8 * second);
/// assert!(!connection.is_open());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How long the peer is silent before it is sent a Ping. Default: 20 s.
    pub ping_after: Duration,
    /// How long the peer is silent before it is taken for dead, counted from the same moment: after the Ping it has the difference of the
    /// two to give any sign of life. Longer than `ping_after`. Default: 30 s.
    pub dead_after: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { ping_after: Duration::from_secs(20), dead_after: Duration::from_secs(30) }
    }
}

/// A message that is sent whenever no other was.
///
/// ```
/// use std::{sync::Arc, time::{Duration, Instant}};
/// use silverback_wire::{Config, Connection, Keepalive, Role};
///
/// let (began, every) = (Instant::now(), Duration::from_secs(25));
/// let mut config = Config::default();
/// config.keepalive = Some(Keepalive { every, message: r#"{"type":"heartbeat"}"#.into() });
/// let mut connection = Connection::new(Role::Server, Arc::new(config), began);
///
/// connection.handle_timeout(began + every);
/// let (_, outgoing) = connection.traffic();
/// assert_eq!(outgoing.messages, 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepalive {
    /// How long no message was sent. It may be up to twice as long before this one is.
    pub every: Duration,
    /// What is sent, such as `{"type":"heartbeat"}`.
    pub message: Message,
}

/// What comes again and again comes no more often than this, whatever was configured.
pub(crate) const SHORTEST: Duration = Duration::from_millis(1);

/// `wait` from `from`, or in thirty years if there is no such time: a wait without an end may be configured.
pub(crate) fn deadline(from: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    from + wait.min(FAR)
}
