//! The client's TLS: whom it trusts, and why it does not.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use url::Host;

use crate::tls::{ALPN, provider};
use crate::transport::Transport;

/// Which servers a [`Dialer`](crate::Dialer) believes.
///
/// ```no_run
/// use silverback::Dialer;
/// use silverback::dialer::Trust;
///
/// let dialer = Dialer::builder().trust(Trust::pem(&std::fs::read("own-ca.pem")?)?).build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Trust(Source);

#[derive(Clone)]
enum Source {
    /// Read when it is first needed, and kept.
    System(Arc<OnceCell<Arc<ClientConfig>>>),
    Config(Arc<ClientConfig>),
}

/// Why certificates cannot be trusted in.
///
/// ```
/// use silverback::dialer::{Trust, TrustError};
///
/// match Trust::pem(b"this is no PEM") {
///     Err(TrustError::Empty) => {}
///     other => unreachable!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is no certificate in what was given.
    #[error("there is no certificate in it: PEM has one between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----")]
    Empty,
    /// The PEM is malformed.
    #[error("the PEM is malformed: {0}")]
    Pem(String),
    /// A certificate cannot be an authority.
    #[error("a certificate cannot be used as an authority's: {0}")]
    Certificate(#[source] Error),
    /// rustls cannot be configured.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] Error),
    /// The system has no authorities.
    #[error("this system has no trusted certificates{0}: install its `ca-certificates`, or give some with `trust`")]
    System(String),
}

/// Why there is no TLS with a server.
///
/// ```
/// # fn example(error: silverback::DialError) {
/// use silverback::{DialError, dialer::TlsError, tls::rustls};
///
/// if let DialError::Tls { host, source } = error {
///     match *source {
///         TlsError::Handshake { error: rustls::Error::InvalidCertificate(what) } => println!("{host}'s certificate: {what:?}"),
///         other => println!("{host}: {other}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// rustls ended the handshake, or the server did by an alert. [`Error::InvalidCertificate`] says what is wrong with a certificate.
    #[error("{error}{}", cure(error))]
    Handshake {
        /// What rustls says.
        #[source]
        error: Error,
    },
    /// The host has no name that a certificate could have.
    #[error("its host is no name that a certificate could have")]
    Name,
    /// The server chose another protocol than HTTP/1.1.
    #[error("the server speaks another protocol than HTTP/1.1 here")]
    Protocol,
    /// Nobody is trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[source] io::Error),
}

impl Trust {
    /// The system's authorities, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. They are read when they are first needed, and once.
    pub fn system() -> Self {
        Self(Source::System(Arc::default()))
    }

    /// The authorities in this PEM, and no others.
    ///
    /// # Errors
    /// [`TrustError`] for a malformed PEM, or one without certificates.
    pub fn pem(pem: &[u8]) -> Result<Self, TrustError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        Self::der(certificates.map_err(|error| TrustError::Pem(error.to_string()))?)
    }

    /// These authorities, and no others.
    ///
    /// # Errors
    /// [`TrustError`] for a malformed certificate, or for none.
    pub fn der(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            roots.add(certificate).map_err(TrustError::Certificate)?;
        }
        if roots.is_empty() {
            return Err(TrustError::Empty);
        }
        Ok(Self(Source::Config(config(roots)?)))
    }

    /// Whatever this configuration says: client certificates, a verifier of one's own. If it has ALPN protocols, `http/1.1` must be among them.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use silverback::Dialer;
    /// use silverback::dialer::Trust;
    /// use silverback::tls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    ///
    /// let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions()?;
    /// let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(); // it trusts nobody yet
    /// let dialer = Dialer::builder().trust(Trust::config(Arc::new(config))).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn config(config: Arc<ClientConfig>) -> Self {
        Self(Source::Config(config))
    }

    /// The configuration that this comes to, for those who set up TLS themselves. The system's certificates are read when they are first needed.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// [`TrustError`] where the system has no certificates.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use silverback::dialer::Trust;
    ///
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    /// # let pem = made.cert.pem();
    /// let config = Trust::pem(pem.as_bytes())?.client_config().await?;
    /// assert_eq!(config.alpn_protocols, [b"http/1.1"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn client_config(&self) -> Result<Arc<ClientConfig>, TrustError> {
        Ok(match &self.0 {
            Source::Config(config) => config.clone(),
            Source::System(config) => config.get_or_try_init(system).await?.clone(),
        })
    }

    /// Sets up TLS with `host`.
    pub(super) async fn connect(&self, host: Host<&str>, transport: Transport) -> Result<Transport, TlsError> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name)?,
            Host::Ipv4(ip) => ServerName::from(std::net::IpAddr::V4(ip)),
            Host::Ipv6(ip) => ServerName::from(std::net::IpAddr::V6(ip)),
        };
        let stream = TlsConnector::from(self.client_config().await?).connect(name, transport).await.map_err(tls_error)?;
        match stream.get_ref().1.alpn_protocol() {
            None | Some(ALPN) => Ok(Transport::new(stream)),
            Some(_) => Err(TlsError::Protocol),
        }
    }
}

impl Default for Trust {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System(_) => "Trust(system)",
            Source::Config(_) => "Trust(given)",
        })
    }
}

async fn system() -> Result<Arc<ClientConfig>, TrustError> {
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await; // it reads files
    let loaded = loaded.map_err(|error| TrustError::System(format!(" ({error})")))?;
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    tracing::debug!(added, ignored, errors = loaded.errors.len(), "the system's certificates were read");
    if roots.is_empty() {
        return Err(TrustError::System(loaded.errors.first().map(|error| format!(" ({error})")).unwrap_or_default()));
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>, TrustError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(TrustError::Tls)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// tokio-rustls hands rustls' errors on inside of `io::Error`.
fn tls_error(error: io::Error) -> TlsError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => TlsError::Handshake { error: error.clone() },
        None => TlsError::Io(error),
    }
}

fn cure(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            ". Nobody who is trusted here has signed it: if the server's authority is your own, give it with `trust` or add it to the system's; \
             if it is a public one, the server may not send its intermediate certificates"
        }
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            ". An authority of the same name is trusted, with another key: if it was made anew, give the new one with `trust` or to the system"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            ". Renew the server's certificate; if it was renewed, reload the server; if it is good, set this machine's clock"
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            ". Set this machine's clock, or the one of the machine that made the certificate"
        }
        Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            ". Dial a name that is in the server's certificate, or have this one put into it"
        }
        Error::InvalidCertificate(error) if is_an_authoritys(error) => {
            ". It is an authority's certificate (CA:TRUE), which cannot be a server's: sign one with it, or make one with \
             `-addext basicConstraints=critical,CA:FALSE`"
        }
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            ". The server does not speak TLS on this port: use ws:// instead of wss://"
        }
        _ => "",
    }
}

/// Whether the certificate is one of those that `openssl req -x509` makes unless it is told otherwise. rustls has no name for that.
fn is_an_authoritys(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}
