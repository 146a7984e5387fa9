//! A server's certificate and its key.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

use super::provider;

/// A server's certificate, those of the authorities between it and a root, and the private key. It is known to be whole: the key is the
/// certificate's.
///
/// ```
/// use silverback::tls::{Acceptor, Certificate};
///
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
/// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let certificate = Certificate::from_pem(chain.as_bytes(), key.as_bytes())?;
/// let tls = Acceptor::new(certificate)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Certificate(Arc<CertifiedKey>);

/// Why files do not make a certificate.
///
/// ```
/// use std::path::Path;
/// use silverback::tls::{Certificate, CertificateError};
///
/// match Certificate::from_files("/no/such/fullchain.pem", "/no/such/privkey.pem") {
///     Err(CertificateError::Read { file, .. }) => assert_eq!(file, Path::new("/no/such/fullchain.pem")),
///     other => unreachable!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{} cannot be read ({source}): is the path right, and may this process read it?", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no certificate in the file.
    #[error("{} has no certificate: it must be PEM with -----BEGIN CERTIFICATE-----, the server's own first", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// There is no private key in the file.
    #[error("{} has no private key: it must be PEM with -----BEGIN PRIVATE KEY-----", file.display())]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// The private key is encrypted, and nobody is there to type a pass phrase.
    #[error("the private key in {0} is encrypted: decrypt it with `openssl pkey -in {0} -out key.pem`", file.display())]
    EncryptedKey {
        /// The file.
        file: PathBuf,
    },
    /// The file is no well-formed PEM, or what is in it is neither certificate nor key.
    #[error("{} is malformed: {what}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The key belongs to another certificate.
    #[error("the private key in {} is not that of the first certificate in {}: give both from the same request", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl Certificate {
    /// Reads a certificate chain (the server's own certificate first) and its private key from files in PEM, as certbot writes them with
    /// `fullchain.pem` and `privkey.pem`. It blocks while the files are read, which are small.
    ///
    /// # Errors
    /// [`CertificateError`] names the file and the cure.
    pub fn from_files(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, CertificateError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        Self::new((certificate, &read(certificate)?), (key, &read(key)?))
    }

    /// The same, from PEM that is in memory. Errors name the two as `certificate` and `key`.
    ///
    /// # Errors
    /// [`CertificateError`], as above.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        Self::new((Path::new("certificate"), certificate), (Path::new("key"), key))
    }

    fn new(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, CertificateError> {
        let chain = parse_chain(certificate.0, certificate.1)?;
        let parsed_key = parse_key(key.0, key.1)?;
        match CertifiedKey::from_der(chain, parsed_key, &provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err(CertificateError::Mismatch { certificate: certificate.0.into(), key: key.0.into() })
            }
            Err(Error::InvalidCertificate(error)) => Err(malformed(certificate.0, error)),
            Err(error) => Err(malformed(key.0, error)),
        }
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.0
    }
}

/// Nothing of the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.0.cert.len()).finish_non_exhaustive()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(file).map_err(|source| CertificateError::Read { file: file.into(), source })
}

fn parse_chain(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(CertificateError::NoCertificate { file: file.into() }),
        Ok(chain) => Ok(chain),
        Err(error) => Err(malformed(file, error)),
    }
}

fn parse_key(file: &Path, pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let says = |words: &[u8]| pem.windows(words.len()).any(|window| window == words);
    // PKCS #8 (RFC 5958) says it in its label, older formats in a header (RFC 1421).
    if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey { file: file.into() });
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::NoKey { file: file.into() },
        error => malformed(file, error),
    })
}

fn malformed(file: &Path, error: impl fmt::Display) -> CertificateError {
    CertificateError::Malformed { file: file.into(), what: error.to_string() }
}
