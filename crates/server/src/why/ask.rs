//! Requests to the API of a server.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::Secret;

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// A server's API.
pub(super) struct Api {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: String,
    authorization: HeaderValue,
}

/// Why the API did not tell.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("{0:?} is not the address of a server: write it as in http://127.0.0.1:8080")]
    Address(String),
    #[error("{url} cannot be reached: is the server running, and is this its address? (--url)")]
    Unreachable {
        url: String,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    #[error("{0} did not answer within {WITHIN:?}")]
    Slow(String),
    #[error("{0} answered with something that is not an answer of the API: is this the address of a silverback? (--url)")]
    NotTheApi(String),
    #[error("{title} ({cause}): {cure}")]
    Refused { title: String, cause: String, cure: String },
}

impl Api {
    pub(super) fn new(url: &str, key: &Secret) -> Result<Self, Box<dyn Error>> {
        let url = url.trim_end_matches('/').to_owned();
        let is_good = url.parse::<Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some());
        if !is_good {
            return Err(AskError::Address(url).into());
        }
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))?;
        authorization.set_sensitive(true);
        let connector = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(connector), url, authorization })
    }

    /// The answer to a request for this path.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        let request = Request::get(format!("{}{path}", self.url)).header(AUTHORIZATION, &self.authorization).body(Empty::new())?;
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| self.unreachable(error.into()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(|error| self.unreachable(error))?;
            Ok::<_, AskError>((status, body.to_bytes()))
        };
        let (status, body) = timeout(WITHIN, answer).await.map_err(|_| AskError::Slow(self.url.clone()))??;
        let value: Value = serde_json::from_slice(&body).map_err(|_| AskError::NotTheApi(self.url.clone()))?;
        if status.is_success() {
            return Ok(value);
        }
        let member =
            |name: &str| value[name].as_str().unwrap_or_default().escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
        let (title, cause, cure) = (member("title"), member("cause"), member("cure"));
        if title.is_empty() {
            return Err(AskError::NotTheApi(self.url.clone()).into());
        }
        Err(AskError::Refused { title, cause, cure }.into())
    }

    fn unreachable(&self, cause: Box<dyn Error + Send + Sync>) -> AskError {
        AskError::Unreachable { url: self.url.clone(), cause }
    }
}
