//! Connections to others, for requests of this server's own: to a key set, to a back end.

use std::error::Error;

use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::http_url::HttpUrl;

/// What this server calls itself.
pub(crate) const USER_AGENT: &str = concat!("silverback/", env!("CARGO_PKG_VERSION"));

/// Connects to this address, with TLS where it says https.
pub(crate) fn connector(url: &HttpUrl) -> Result<HttpsConnector<HttpConnector>, Box<dyn Error>> {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls(url)?).https_or_http().enable_http1().wrap_connector(http))
}

/// The system's authorities, of which plain HTTP needs none. `SSL_CERT_FILE` names others.
fn tls(url: &HttpUrl) -> Result<ClientConfig, Box<dyn Error>> {
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into()).with_safe_default_protocol_versions()?;
    let builder = if url.is_https() { builder.with_native_roots()? } else { builder.with_root_certificates(RootCertStore::empty()) };
    Ok(builder.with_no_client_auth())
}

/// An error with its causes. None of hyper's shows the address, whose query may be a secret.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
