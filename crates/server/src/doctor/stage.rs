//! The stages, in their order, and how long each may take.

use std::time::Duration;

/// A stage of the examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Dns,
    Tcp,
    Tls,
    Http,
    Handshake,
    Subprotocols,
    Compression,
    Ping,
    Large,
    Idle,
    Close,
    Arrival,
    Origin,
    Schemes,
}

impl Stage {
    pub(super) const ALL: [Self; 14] = [
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Http,
        Self::Handshake,
        Self::Subprotocols,
        Self::Compression,
        Self::Ping,
        Self::Large,
        Self::Idle,
        Self::Close,
        Self::Arrival,
        Self::Origin,
        Self::Schemes,
    ];

    /// For machines.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Handshake => "handshake",
            Self::Subprotocols => "subprotocols",
            Self::Compression => "compression",
            Self::Ping => "ping",
            Self::Large => "large-message",
            Self::Idle => "idle",
            Self::Close => "close",
            Self::Arrival => "arrival",
            Self::Origin => "origin",
            Self::Schemes => "schemes",
        }
    }

    /// For people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Http => "HTTP",
            Self::Handshake => "handshake",
            Self::Subprotocols => "subprotocol",
            Self::Compression => "compression",
            Self::Ping => "ping",
            Self::Large => "large message",
            Self::Idle => "idle wait",
            Self::Close => "close",
            Self::Arrival => "as it arrived",
            Self::Origin => "origin",
            Self::Schemes => "ws and wss",
        }
    }

    /// How long it takes at most, with this `--timeout` and this `--idle`.
    pub(super) fn bound(self, timeout: Duration, idle: Duration) -> Duration {
        match self {
            Self::Http | Self::Subprotocols | Self::Compression => Duration::ZERO, // the handshake has told it
            Self::Dns | Self::Tcp | Self::Ping | Self::Large | Self::Origin | Self::Schemes => timeout,
            Self::Tls | Self::Arrival => 2 * timeout, // with a second look
            Self::Handshake => 2 * timeout,           // with a second one where the first may have been too large
            Self::Idle => idle + 2 * timeout,
            Self::Close => 3 * timeout, // with a connection that is made anew
        }
    }

    /// How long all take together at most.
    pub(super) fn bound_of_all(timeout: Duration, idle: Duration) -> Duration {
        Self::ALL.iter().map(|stage| stage.bound(timeout, idle)).sum()
    }
}
