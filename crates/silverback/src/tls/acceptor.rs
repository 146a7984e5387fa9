//! The server's side of TLS, with a certificate that can be replaced while connections live.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{Request, StatusCode};
use silverback_wire::handshake::Refusal;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ALL_VERSIONS, Error, ServerConfig, ServerConnection, SupportedProtocolVersion};
use tokio_rustls::server::TlsStream;

use super::{ALPN, Certificate, provider};
use crate::handshake::refuse;
use crate::transport::Stream;

/// A time without an end, which a clock can still add up.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The first byte of every TLS connection: the type of a handshake record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;

/// Takes TLS connections for a server. Made once and cloned freely; [`replace`](Self::replace) changes the certificate of all clones.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use silverback::Upgrader;
/// use silverback::tls::{Acceptor, Certificate};
///
/// let tls = Acceptor::new(Certificate::from_files("fullchain.pem", "privkey.pem")?)?;
/// let upgrader = Upgrader::builder().is_tls(true).build();
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:443").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     let (tls, upgrader) = (tls.clone(), upgrader.clone());
///     tokio::spawn(async move {
///         let mut socket = upgrader.accept(tls.accept(stream).await?).await?;
///         while let Some(message) = socket.recv().await {
///             socket.send(message).await?;
///         }
///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Acceptor {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    handshake_timeout: Duration,
}

/// Why a stream did not become a TLS connection.
///
/// ```
/// # async fn example(tls: silverback::tls::Acceptor, stream: tokio::net::TcpStream) {
/// use silverback::tls::TlsAcceptError;
///
/// match tls.accept(stream).await {
///     Ok(stream) => println!("TLS {:?}", stream.get_ref().1.protocol_version()),
///     Err(TlsAcceptError::PlainHttp(refusal)) => println!("it was answered: {refusal}"),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsAcceptError {
    /// The client spoke plain HTTP and has been told so.
    #[error("refused: {0}")]
    PlainHttp(Refusal),
    /// The client began with neither TLS nor HTTP.
    #[error("what came is neither TLS nor HTTP")]
    NotTls,
    /// The TLS handshake failed, for a reason that rustls gives: a client that does not trust the certificate, or has no version in common.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[source] Error),
    /// The stream ended or failed.
    #[error("the stream failed during the TLS handshake: {0}")]
    Io(#[source] io::Error),
    /// The handshake was not complete in time.
    #[error("the TLS handshake was not complete within {0:?}")]
    Timeout(Duration),
}

impl Acceptor {
    /// An acceptor for TLS 1.2 and 1.3 and HTTP/1.1 that shows this certificate.
    ///
    /// # Errors
    /// When rustls cannot be configured, which does not depend on the certificate.
    pub fn new(certificate: Certificate) -> Result<Self, Error> {
        Self::with_versions(certificate, ALL_VERSIONS)
    }

    /// The same, for these versions of TLS alone.
    ///
    /// ```
    /// use silverback::tls::rustls::version::TLS13;
    /// use silverback::tls::{Acceptor, Certificate};
    ///
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes())?;
    /// let tls = Acceptor::with_versions(certificate, &[&TLS13])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`new`](Self::new), and for no version at all.
    pub fn with_versions(certificate: Certificate, versions: &[&'static SupportedProtocolVersion]) -> Result<Self, Error> {
        let current = Arc::new(Current(RwLock::new(certificate)));
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), current, handshake_timeout: Duration::from_secs(10) })
    }

    /// How long a client may take for the handshake. Default: 10 s.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Shows another certificate from now on. Connections that are there live on, and a handshake in progress has either of the two.
    ///
    /// A reload, after which the old certificate stays if the new files are bad:
    ///
    /// ```
    /// use silverback::tls::{Acceptor, Certificate, CertificateError};
    ///
    /// fn reload(tls: &Acceptor) -> Result<(), CertificateError> {
    ///     tls.replace(Certificate::from_files("fullchain.pem", "privkey.pem")?);
    ///     Ok(())
    /// }
    /// ```
    pub fn replace(&self, certificate: Certificate) {
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    /// Takes a stream and sets up TLS. Plain HTTP is answered with a 400 that says what to do.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`TlsAcceptError`] when there is no TLS.
    pub async fn accept<S: Stream>(&self, mut stream: S) -> Result<TlsStream<S>, TlsAcceptError> {
        let limit = self.handshake_timeout;
        let deadline = Instant::now() + limit.min(FAR);
        let first = timeout_at(deadline, stream.read_u8()).await.map_err(|_| TlsAcceptError::Timeout(limit))?;
        match first.map_err(TlsAcceptError::Io)? {
            HANDSHAKE => {}
            b'A'..=b'Z' => return Err(self.refuse(stream).await), // the method of a request
            _ => return Err(TlsAcceptError::NotTls),
        }
        // One byte is no whole record, so nothing is to be processed before rustls reads on by itself.
        let handshake = self.acceptor.accept_with(stream, |connection: &mut ServerConnection| {
            let _ = connection.read_tls(&mut &[HANDSHAKE][..]); // from memory into an empty buffer
        });
        timeout_at(deadline, handshake).await.map_err(|_| TlsAcceptError::Timeout(limit))?.map_err(tls_error)
    }

    async fn refuse<S: Stream>(&self, stream: S) -> TlsAcceptError {
        let refusal = Refusal::new(StatusCode::BAD_REQUEST, "plain-http", "this port speaks TLS, and the request came in plain HTTP")
            .arrived("a plain HTTP request")
            .cure("use wss:// instead of ws://, or https:// instead of http://");
        // It has said what it has to say when it is refused or has gone; which of the two changes nothing.
        let _ = timeout(self.handshake_timeout, refuse(stream, &Request::new(()), refusal.clone(), self.handshake_timeout)).await;
        TlsAcceptError::PlainHttp(refusal)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("handshake_timeout", &self.handshake_timeout).finish_non_exhaustive()
    }
}

/// The certificate that is shown now. The lock is held for as long as an `Arc` is cloned.
#[derive(Debug)]
struct Current(RwLock<Certificate>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).certified().clone())
    }
}

/// tokio-rustls hands rustls' errors on inside of `io::Error`.
fn tls_error(error: io::Error) -> TlsAcceptError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => TlsAcceptError::Handshake(error.clone()),
        None => TlsAcceptError::Io(error),
    }
}
