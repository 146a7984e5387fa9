//! One request for a key set, bounded in size; its time is bounded by who asks.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::Value;

use super::jwks::Fetched;
use super::key::Key;
use super::key_files::{KeysError, MOST_KEYS};
use crate::http_url::HttpUrl;
use crate::outgoing::{self, chain, connector};

/// The largest key set, in bytes.
const LARGEST_SET: usize = 256 * 1024;

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("its address answers with status {0}; it must be 200, and redirects are not followed")]
    Status(u16),
    #[error("its address did not answer within {within:?}", within = super::jwks::FETCH_WITHIN)]
    Slow,
    #[error("its address cannot be reached: {0}")]
    Unreachable(String),
    #[error("the answer is larger than {LARGEST_SET} bytes")]
    TooLarge,
    #[error("the answer broke off: {0}")]
    Broken(String),
    #[error("the answer is no JSON object with a list `keys`")]
    NotASet,
    #[error("none of the keys in the answer can be used; the first: {0}")]
    NoneUsable(String),
    #[error("the answer has no keys")]
    Empty,
    #[error("the answer has more than {MOST_KEYS} keys")]
    TooMany,
}

/// Fetches the key set of an address.
pub(super) struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: HttpUrl,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Fetcher {
    pub(super) fn new(url: HttpUrl) -> Result<Self, KeysError> {
        let connector = connector(&url).map_err(|error| KeysError::Address(format!("{url}: {error}")))?;
        // A request in ten minutes needs no connection in between.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { client, url })
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.0.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, http::HeaderValue::from_static("application/jwk-set+json, application/json"));
        headers.insert(USER_AGENT, http::HeaderValue::from_static(outgoing::USER_AGENT));
        let response = self.client.request(request).await.map_err(|error| FetchError::Unreachable(chain(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let max_age = max_age(response.headers());
        let body = Limited::new(response.into_body(), LARGEST_SET)
            .collect()
            .await
            .map_err(|error| if error.is::<LengthLimitError>() { FetchError::TooLarge } else { FetchError::Broken(chain(&*error)) })?;
        Ok(Fetched { keys: usable(&body.to_bytes())?, max_age })
    }
}

/// The keys that this server can use. Sets may hold others, for encryption or of newer kinds.
fn usable(json: &[u8]) -> Result<Vec<Key>, FetchError> {
    let Set { keys } = serde_json::from_slice(json).map_err(|_| FetchError::NotASet)?;
    if keys.len() > MOST_KEYS {
        return Err(FetchError::TooMany);
    }
    let (mut good, mut first_error) = (Vec::new(), None);
    for jwk in &keys {
        match Key::from_published_jwk(jwk) {
            Ok(key) => good.push(key),
            Err(error) => {
                tracing::debug!(%error, "a key of the key set cannot be used");
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if good.is_empty() => Err(FetchError::NoneUsable(error.to_string())),
        None if good.is_empty() => Err(FetchError::Empty),
        _ => Ok(good),
    }
}

/// `Cache-Control: max-age` (RFC 9111, 5.2.2.1); what must not be kept is old at once.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    let mut directives = lines.flat_map(|line| line.split(',')).map(|directive| directive.trim().to_ascii_lowercase());
    directives.find_map(|directive| match directive.split_once('=') {
        Some(("max-age", seconds)) => Some(Duration::from_secs(seconds.trim_matches('"').parse().ok()?)),
        None if matches!(directive.as_str(), "no-store" | "no-cache") => Some(Duration::ZERO),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn max_age_is_found_among_the_directives() {
        for (line, seconds) in [
            ("max-age=300", Some(300)),
            ("public, MAX-AGE=\"300\", must-revalidate", Some(300)),
            ("no-store", Some(0)),
            ("s-maxage=5", None),
            ("max-age=soon", None),
            ("max-age=-1", None),
            ("public", None),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(line))]);
            assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{line}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_passed_over_and_secrets_are_not_taken() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let others = r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},{"kty":"new"},7,{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}"#;
        let for_encryption = ed.replacen('{', "{\"use\":\"enc\",", 1);
        let keys = usable(format!("{{\"keys\":[{others},{for_encryption},{ed}]}}").as_bytes()).unwrap();
        assert_eq!((keys.len(), keys[0].kid.as_deref()), (1, Some("a")));
        assert!(matches!(usable(format!("{{\"keys\":[{others}]}}").as_bytes()), Err(FetchError::NoneUsable(_))));
        assert!(matches!(usable(b"{\"keys\":[]}"), Err(FetchError::Empty)));
        let many = vec![ed; MOST_KEYS + 1].join(",");
        assert!(matches!(usable(format!("{{\"keys\":[{many}]}}").as_bytes()), Err(FetchError::TooMany)));
        for garbage in ["", "<html>", "[]", "{\"keys\":{}}", "{}"] {
            assert!(matches!(usable(garbage.as_bytes()), Err(FetchError::NotASet)), "{garbage}");
        }
    }
}
