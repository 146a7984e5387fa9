//! TLS, by rustls with the cryptography of ring.
//!
//! A server has an [`Acceptor`] with a [`Certificate`]; what it gives is a stream for [`Upgrader::accept`](crate::Upgrader::accept). The client's
//! side is [`Trust`](crate::dialer::Trust).

mod acceptor;
mod certificate;

use std::sync::Arc;

pub use acceptor::{Acceptor, TlsAcceptError};
pub use certificate::{Certificate, CertificateError};
/// For those who configure rustls themselves.
pub use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// A WebSocket begins as HTTP/1.1 (RFC 6455, 1.3), so nothing else is offered or taken (RFC 7301).
pub(crate) const ALPN: &[u8] = b"http/1.1";

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
