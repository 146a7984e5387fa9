//! TLS, by rustls with the cryptography of ring.
//!
//! A server has an [`Acceptor`] with a [`Certificate`]; what it gives is a stream for [`Upgrader::accept`](crate::Upgrader::accept). The client's
//! side is [`Trust`](crate::dialer::Trust).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use silverback::dialer::Trust;
//! use silverback::tls::{Acceptor, Certificate};
//! use silverback::{Dialer, Upgrader};
//!
//! # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
//! # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
//! let tls = Acceptor::new(Certificate::from_pem(chain.as_bytes(), key.as_bytes())?)?;
//! let upgrader = Upgrader::builder().is_tls(true).build();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let address = format!("wss://localhost:{}/", listener.local_addr()?.port());
//! let accepting = async {
//!     let (stream, _) = listener.accept().await?;
//!     Ok::<_, Box<dyn std::error::Error>>(upgrader.accept(tls.accept(stream).await?).await?)
//! };
//!
//! let dialer = Dialer::builder().trust(Trust::pem(chain.as_bytes())?).build()?; // the server's authority is its own
//! let (server, client) = tokio::join!(accepting, dialer.connect(&address));
//! server?;
//! client?.send("a secret").await?;
//! # Ok(())
//! # }
//! ```

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
