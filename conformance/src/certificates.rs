//! Certificates for a proxy, good or expired, from an authority that lives as long as a test.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use crate::{Result, Scratch};

/// An authority. What it issues goes with it when it is dropped.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    scratch: Scratch,
}

/// A certificate for `localhost` and 127.0.0.1, in files.
pub struct Issued {
    /// The certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Both in one file, as HAProxy takes them.
    pub both: PathBuf,
}

impl Authority {
    /// An authority that nobody knows but who is told of [`path`](Self::path).
    pub fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "an authority for tests");
        let issuer = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        std::fs::write(scratch.path().join("authority.pem"), issuer.pem())?;
        Ok(Self { issuer, scratch })
    }

    /// Its own certificate, in PEM, for who is to trust it.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("authority.pem")
    }

    /// A certificate that is good for longer than the test.
    pub fn issue(&self) -> Result<Issued> {
        self.issue_until(2100)
    }

    /// A certificate that has expired.
    pub fn issue_expired(&self) -> Result<Issued> {
        self.issue_until(2025)
    }

    fn issue_until(&self, year: i32) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        (parameters.not_before, parameters.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(year, 1, 1));
        parameters.distinguished_name.push(DnType::CommonName, "localhost");
        let (certificate, key) = (parameters.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem());
        Ok(Issued {
            both: self.write(&format!("{year}.both.pem"), &format!("{certificate}{key}"))?,
            certificate: self.write(&format!("{year}.pem"), &certificate)?,
            key: self.write(&format!("{year}.key.pem"), &key)?,
        })
    }

    fn write(&self, name: &str, pem: &str) -> Result<PathBuf> {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, pem)?;
        Ok(path)
    }
}
