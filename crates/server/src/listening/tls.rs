//! The certificate of an address, which is read again when its files change.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use silverback::tls::rustls::version::TLS13;
use silverback::tls::rustls::{self, ALL_VERSIONS};
use silverback::tls::{Acceptor, Certificate, CertificateError};
use tokio::signal::unix::Signal;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

use super::tls_settings::{MinVersion, TlsSettings};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long before its end a certificate is told of, at each start and with each change.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Why there is no certificate to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("{} cannot be read ({cause}): is the path right, and may this process read it?", file.display())]
    Read { file: PathBuf, cause: io::Error },
    #[error("the certificate in {} has expired, on {on}: renew it", file.display())]
    Expired { file: PathBuf, on: ASN1Time },
    #[error("the certificate in {} is not valid before {from}: is this machine's clock right?", file.display())]
    NotYet { file: PathBuf, from: ASN1Time },
    #[error("the certificate in {} has no time that can be read: make it anew", file.display())]
    NoTime { file: PathBuf },
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// TLS at an address. Clones share the certificate.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: Acceptor,
    files: Arc<Files>,
}

struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// What the files were when they were read last, good or bad.
    seen: Mutex<Option<Seen>>,
}

/// What tells a file from a later one: its two metadata.
type Seen = [(u64, u64, i64, i64); 2];

impl Tls {
    /// Reads the files; `None` where none are configured. It blocks while they are read, which are small.
    pub(crate) fn open(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let (Some(cert), Some(key)) = (settings.cert.clone(), settings.key.clone()) else { return Ok(None) };
        let files = Files { cert, key, seen: Mutex::default() };
        let versions = match settings.min_version {
            MinVersion::Tls12 => ALL_VERSIONS,
            MinVersion::Tls13 => &[&TLS13],
        };
        let acceptor = Acceptor::with_versions(files.read()?, versions)?;
        Ok(Some(Self { acceptor, files: Arc::new(files) }))
    }

    /// Shows what the files have now, until the server stops: each time that the server is hung up, and when they change. Files that are no good
    /// change nothing.
    pub(crate) async fn keep(self, mut hung_up: Signal, stopping: CancellationToken) {
        loop {
            let is_asked = tokio::select! {
                () = stopping.cancelled() => return,
                _ = hung_up.recv() => true,
                () = sleep(LOOK) => false,
            };
            let tls = self.clone();
            let reload = move || if is_asked || tls.files.have_changed() { tls.reload().map(|()| true) } else { Ok(false) };
            let cert = self.files.cert.display();
            match tokio::task::spawn_blocking(reload).await {
                Ok(Ok(false)) | Err(_) => {}
                Ok(Ok(true)) => tracing::info!(%cert, "the certificate was read again"),
                Ok(Err(error)) => tracing::error!(%cert, %error, "the certificate could not be read again, and stays as it was"),
            }
        }
    }

    fn reload(&self) -> Result<(), TlsError> {
        self.acceptor.replace(self.files.read()?);
        Ok(())
    }
}

/// Nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("cert", &self.files.cert).finish_non_exhaustive()
    }
}

impl Files {
    fn read(&self) -> Result<Certificate, TlsError> {
        // Before they are read: what changes in between is seen as a change afterwards.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.look().ok();
        let certificate = Certificate::from_files(&self.cert, &self.key)?;
        self.check_time()?;
        Ok(certificate)
    }

    fn have_changed(&self) -> bool {
        // Files that are not there for a moment are about to change.
        self.look().is_ok_and(|now| self.seen.lock().unwrap_or_else(PoisonError::into_inner).as_ref() != Some(&now))
    }

    fn look(&self) -> io::Result<Seen> {
        let of = |metadata: Metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let look = |file: &Path| fs::metadata(file).map(of);
        Ok([look(&self.cert)?, look(&self.key)?])
    }

    /// rustls shows whatever it is given; clients give up on one that is out of date.
    fn check_time(&self) -> Result<(), TlsError> {
        let file = self.cert.clone();
        let pem = fs::read(&file).map_err(|cause| TlsError::Read { file: file.clone(), cause })?;
        let first = Pem::iter_from_buffer(&pem).filter_map(Result::ok).find(|pem| pem.label == "CERTIFICATE");
        let parsed = first.as_ref().and_then(|pem| pem.parse_x509().ok());
        let Some(validity) = parsed.map(|certificate| certificate.validity().clone()) else { return Err(TlsError::NoTime { file }) };
        let now = ASN1Time::now();
        if validity.not_after < now {
            return Err(TlsError::Expired { file, on: validity.not_after });
        }
        if validity.not_before > now {
            return Err(TlsError::NotYet { file, from: validity.not_before });
        }
        metrics::gauge!("silverback_certificate_expires_timestamp_seconds", "file" => file.display().to_string())
            .set(validity.not_after.timestamp() as f64);
        if validity.not_after.timestamp() - now.timestamp() < SOON.as_secs() as i64 {
            tracing::warn!(file = %file.display(), expires = %validity.not_after, "the certificate expires soon");
        }
        Ok(())
    }
}
