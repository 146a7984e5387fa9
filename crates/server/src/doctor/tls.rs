//! TLS, and what can be read of the certificates.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use silverback::tls::rustls::pki_types::{CertificateDer, ServerName};
use silverback::tls::rustls::{CertificateError, ClientConfig, Error, InvalidMessage, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

use super::observed::{Certificate, Distrust, Secured, Tls};

/// Whom to trust: by the command line, and for a second look.
pub(super) struct Trusts {
    pub(super) given: Arc<ClientConfig>,
    pub(super) blind: Arc<ClientConfig>,
    pub(super) is_insecure: bool,
}

/// Sets up TLS over a stream.
pub(super) async fn secure(
    stream: TcpStream,
    host: Host<&str>,
    config: &Arc<ClientConfig>,
    is_verified: bool,
    within: Duration,
) -> (Tls, Option<TlsStream<TcpStream>>) {
    let nothing = |outcome| (Tls { outcome, chain: Vec::new() }, None);
    let Some(name) = server_name(host) else { return nothing(Secured::Local("the host is no name that a certificate could have".into())) };
    let stream = match timeout(within, TlsConnector::from(config.clone()).connect(name, stream)).await {
        Err(_) => return nothing(Secured::TimedOut(within)),
        Ok(Err(error)) => return nothing(failed(&error)),
        Ok(Ok(stream)) => stream,
    };
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let chain = connection.peer_certificates().unwrap_or_default().iter().filter_map(read).collect();
    (Tls { outcome: Secured::Trusted { version, is_verified }, chain }, Some(stream))
}

fn server_name(host: Host<&str>) -> Option<ServerName<'static>> {
    Some(match host {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok()?,
        Host::Ipv4(ip) => ServerName::from(IpAddr::V4(ip)),
        Host::Ipv6(ip) => ServerName::from(IpAddr::V6(ip)),
    })
}

fn failed(error: &io::Error) -> Secured {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => Secured::Untrusted { why: distrust(error), says: says(error) },
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Secured::NotTls,
        Some(Error::AlertReceived(alert)) => Secured::Failed(format!("the server ended it with the alert {alert:?}")),
        Some(error) => Secured::Failed(error.to_string()),
        None if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            Secured::Ended
        }
        None => Secured::Failed(error.to_string()),
    }
}

fn distrust(error: &CertificateError) -> Distrust {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Distrust::OtherName,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Distrust::UnknownIssuer,
        _ => Distrust::Other,
    }
}

fn says(error: &CertificateError) -> String {
    match error {
        // As `openssl req -x509` makes them unless it is told otherwise; rustls has no name for that.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is an authority's certificate (CA:TRUE), which cannot be a server's: sign one with it, or make one with \
             `-addext basicConstraints=critical,CA:FALSE`"
                .to_owned()
        }
        error => error.to_string(),
    }
}

fn read(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter().filter_map(shown_name).collect()).unwrap_or_default();
    let until = certificate.validity().not_after.to_datetime();
    let left = until.unix_timestamp() - now();
    Some(Certificate {
        subject: common_name(certificate.subject()),
        issuer: common_name(certificate.issuer()),
        names,
        days_left: left.div_euclid(24 * 3600),
        not_after: format!("{:04}-{:02}-{:02}", until.year(), u8::from(until.month()), until.day()),
    })
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn shown_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(printable(name)),
        GeneralName::IPAddress([a, b, c, d]) => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
        GeneralName::IPAddress(bytes) => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        _ => None,
    }
}

/// The common name, or the organisation, or all of it.
fn common_name(name: &X509Name<'_>) -> String {
    let first = name.iter_common_name().chain(name.iter_organization()).find_map(|attribute| attribute.as_str().ok());
    let text = first.map_or_else(|| name.to_string(), str::to_owned);
    if text.is_empty() { "(no name)".to_owned() } else { printable(&text) }
}

fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}
