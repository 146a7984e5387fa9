//! Whom the doctor looks at: the address, and what is said there.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use silverback::Deflate;
use silverback::wire::handshake::client::Offer;
use silverback::wire::handshake::encode_request;
use url::{Host, Url};

use crate::arrival;
use crate::target::{Header, Target};

const SHORTEST_SECRET: usize = 8;

/// The address and the headers of one handshake.
#[derive(Clone)]
pub(super) struct Subject {
    url: Url,
    headers: HeaderMap,
    goes_through_proxies: bool,
}

impl Subject {
    pub(super) fn new(target: &Target) -> Result<Self, Box<dyn Error>> {
        // Built once for what it refuses: a header that the handshake owns, a subprotocol that is none.
        target.dialer()?.build()?;
        let mut url = target.url.clone();
        let mut headers = HeaderMap::new();
        for Header { name, value } in target.all_headers() {
            headers.insert(name, value);
        }
        if !target.subprotocols.is_empty() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::try_from(target.subprotocols.join(", "))?);
        }
        if let Some(basic) = basic(&url) {
            headers.entry(AUTHORIZATION).or_insert(basic);
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        Ok(Self { url, headers, goes_through_proxies: !target.no_proxy })
    }

    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    pub(super) fn host(&self) -> Host<&str> {
        self.url.host().unwrap_or(Host::Domain(""))
    }

    pub(super) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// The variable of the environment by which clients would go through a proxy.
    pub(super) fn proxy_variable(&self) -> Option<&'static str> {
        let own = if self.is_secure() { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
        let is_set = |name: &&'static str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        own.into_iter().chain(["ALL_PROXY", "all_proxy"]).find(is_set).filter(|_| self.goes_through_proxies)
    }

    /// Whether the port is the one that the scheme has by itself.
    pub(super) fn has_default_port(&self) -> bool {
        self.url.port().is_none()
    }

    /// Without the query, which may hold a token.
    pub(super) fn shown(&self) -> String {
        let query = if self.url.query().is_some() { "?…" } else { "" };
        format!("{}{}{query}", self.origin_of(self.url.scheme()), self.url.path())
    }

    /// The origin of a page that this server would serve.
    pub(super) fn own_origin(&self) -> String {
        self.origin_of(if self.is_secure() { "https" } else { "http" })
    }

    fn origin_of(&self, scheme: &str) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}", self.host())
    }

    pub(super) fn has_origin(&self) -> bool {
        self.headers.contains_key(ORIGIN)
    }

    pub(super) fn subprotocols(&self) -> Vec<&str> {
        let line = self.headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|line| line.to_str().ok()).unwrap_or_default();
        line.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
    }

    /// The same server by the other scheme, with nothing that is secret.
    pub(super) fn by_the_other_scheme(&self, keeps_port: bool) -> Self {
        let mut other = self.without_secrets();
        let port = self.port();
        let _ = other.url.set_scheme(if self.is_secure() { "ws" } else { "wss" });
        let _ = other.url.set_port(keeps_port.then_some(port));
        other
    }

    /// Without what is only for a server that is trusted: the query, and every header that was asked for.
    pub(super) fn without_secrets(&self) -> Self {
        let mut url = self.url.clone();
        url.set_query(None);
        Self { url, headers: HeaderMap::new(), goes_through_proxies: self.goes_through_proxies }
    }

    /// What a server says, without what was secret in the request: some repeat the address in their error pages.
    pub(super) fn scrubbed(&self, body: Bytes) -> Bytes {
        let mut text = String::from_utf8_lossy(&body).into_owned();
        let secrets: Vec<_> = self.secrets().into_iter().filter(|secret| text.contains(secret)).collect();
        if secrets.is_empty() {
            return body;
        }
        for secret in secrets {
            text = text.replace(&secret, "(masked)");
        }
        text.into()
    }

    /// The longest first, so that none is left in part. What is very short is a word that anybody may say.
    fn secrets(&self) -> Vec<String> {
        let query = self.url.query().into_iter().map(str::to_owned);
        let values = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let tokens = self.subprotocols().into_iter().filter_map(|name| name.strip_prefix(arrival::TOKEN)).map(str::to_owned);
        let hidden = self.headers.iter().filter(|(name, _)| *name != SEC_WEBSOCKET_PROTOCOL && !arrival::is_shown(name));
        let lines = hidden.filter_map(|(_, line)| line.to_str().ok());
        let parts = lines.flat_map(|line| line.split([' ', ',', ';', '='])).map(str::to_owned).chain(tokens);
        let mut secrets: Vec<_> = query.chain(values).chain(parts).filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: Option<HeaderValue>) -> Self {
        match value {
            Some(value) => drop(self.headers.insert(name, value)),
            None => drop(self.headers.remove(name)),
        }
        self
    }

    /// How many bytes the head of a handshake has.
    pub(super) fn head_length(&self) -> usize {
        self.offer().map_or(0, |offer| encode_request(offer.request()).len())
    }

    /// A handshake with a key of its own.
    pub(super) fn offer(&self) -> Result<Offer, String> {
        let uri: Uri = self.url.as_str().parse().map_err(|_| "the address has a character that HTTP has no place for".to_owned())?;
        let offer = Offer::new(&uri, self.headers.clone()).map_err(|error| error.to_string())?;
        Ok(offer.with_deflate(Some(&Deflate::default())))
    }
}

/// `Basic` credentials from the userinfo (RFC 7617).
fn basic(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut credentials: Vec<u8> = percent_encoding::percent_decode_str(url.username()).collect();
    credentials.push(b':');
    credentials.extend(percent_encoding::percent_decode_str(url.password().unwrap_or_default()));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(credentials))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(url: &str) -> Subject {
        Subject { url: Url::parse(url).unwrap(), headers: HeaderMap::new(), goes_through_proxies: true }
    }

    #[test]
    fn an_address_is_shown_without_its_query() {
        assert_eq!(subject("wss://example.com:8443/ws?token=secret").shown(), "wss://example.com:8443/ws?…");
        assert_eq!(subject("ws://[::1]/").shown(), "ws://[::1]/");
    }

    #[test]
    fn an_answer_that_repeats_the_request_is_scrubbed() {
        let mut subject = subject("wss://example.com/ws?room=1&token=hush%2Fhush-1");
        subject.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer hush-hush-2"));
        subject.headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("silverback, silverback.bearer.hush-hush-3"));
        let body = "no /ws?room=1&token=hush%2Fhush-1 (hush/hush-1), hush-hush-2, silverback.bearer.hush-hush-3 in room=1";
        let scrubbed = subject.scrubbed(body.into());
        assert_eq!(scrubbed, "no /ws?(masked) ((masked)), (masked), silverback.bearer.(masked) in room=1");
        assert_eq!(subject.scrubbed("nothing of it".into()), "nothing of it");
    }

    #[test]
    fn a_page_of_the_server_has_the_origin_of_its_address() {
        assert_eq!(subject("wss://example.com/ws").own_origin(), "https://example.com");
        assert_eq!(subject("ws://127.0.0.1:8080/ws").own_origin(), "http://127.0.0.1:8080");
    }

    #[test]
    fn the_other_scheme_is_asked_without_secrets() {
        let mut subject = subject("wss://example.com/ws?token=secret");
        subject.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        let other = subject.by_the_other_scheme(false);
        assert_eq!((other.shown().as_str(), other.headers.len()), ("ws://example.com/ws", 0));
        assert_eq!(subject.by_the_other_scheme(true).shown(), "ws://example.com:443/ws");
        let plain = self::subject("ws://example.com:8080/");
        assert_eq!(plain.by_the_other_scheme(true).shown(), "wss://example.com:8080/");
    }
}
