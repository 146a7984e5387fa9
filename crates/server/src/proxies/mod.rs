//! Who a client is when there are proxies in between: only those that are trusted are believed.
//!
//! ```text
//!   a connection ─▶ protocol (PROXY v1, v2), where it is on ─▶ peer ─▶ forwarded (a header of each request) ─▶ the client's address
//! ```

mod forwarded;
mod protocol;
mod settings;

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

pub(crate) use protocol::{ProtocolError, introduced};
pub(crate) use settings::Proxies;

use crate::log_rate::LogRate;

/// One line in a minute is enough to be seen.
static IGNORED: LogRate = LogRate::every(std::time::Duration::from_secs(60));

impl Proxies {
    /// Whether what this address says of others is believed.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.contains(address)
    }

    /// Where a request comes from: the nearest address that is no proxy of ours. Whatever is said by somebody whom we do not trust is passed over.
    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if self.trusts(peer.ip()) {
            return forwarded::client(self, peer, headers);
        }
        if let Some(name) = forwarded::named(headers)
            && let Some(more) = IGNORED.allows()
        {
            tracing::warn!(
                %peer, more,
                "a client says by `{name}` that it comes from elsewhere, and is not believed: if it is a proxy of yours, add its address to proxies.trusted"
            );
        }
        peer
    }
}
