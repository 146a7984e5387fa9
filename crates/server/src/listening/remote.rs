//! Where a connection comes from.

use std::fmt;
use std::net::SocketAddr;

use http::HeaderMap;

use crate::proxies::Proxies;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    Tcp(SocketAddr),
    /// A process of this machine, by a Unix socket.
    Unix,
}

impl Remote {
    /// Whom a request is from, where a proxy that is trusted says so.
    pub(crate) fn behind(self, proxies: &Proxies, headers: &HeaderMap) -> Self {
        match self {
            Self::Tcp(peer) => Self::Tcp(proxies.client(peer, headers)),
            Self::Unix => Self::Unix,
        }
    }

    pub(crate) fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(address),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix => f.write_str("unix"),
        }
    }
}
