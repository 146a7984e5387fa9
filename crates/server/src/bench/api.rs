//! Posting messages through the API of a Silverback server.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::cause;
use crate::config::{Secret, Setting as _};
use crate::http_url::HttpUrl;
use crate::outgoing;

/// The largest answer, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Where and how messages are posted.
pub(super) struct Api {
    url: String,
    authorization: HeaderValue,
    content_type: HeaderValue,
    connector: HttpsConnector<HttpConnector>,
}

/// Requests to the API, on connections of its own.
pub(super) struct Requests(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Api {
    pub(super) fn new(url: &str, key: &Secret, is_text: bool) -> Result<Self, Box<dyn Error>> {
        // It is not repeated: what is wrong with it may be a password in it.
        let cure = "--api is not the address of an API: write it as in http://127.0.0.1:8080, with no user in it";
        let address = HttpUrl::read(&toml::Value::from(url)).ok_or(cure)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            authorization,
            content_type: HeaderValue::from_static(if is_text { "text/plain" } else { "application/octet-stream" }),
            connector: outgoing::connector(&address)?,
        })
    }

    /// For one thread.
    pub(super) fn requests(&self) -> Requests {
        Requests(Client::builder(TokioExecutor::new()).build(self.connector.clone()))
    }

    /// Posts a message to a user: to how many sessions it goes, or why to none.
    pub(super) async fn post(&self, requests: &Requests, user: &str, message: Bytes) -> Result<u64, String> {
        let address: Uri = format!("{}/v1/users/{user}/messages", self.url).parse().map_err(|_| "its address cannot be written")?;
        let request = Request::post(address).header(AUTHORIZATION, &self.authorization).header(CONTENT_TYPE, &self.content_type);
        let request = request.body(Full::new(message)).map_err(|_| "the request cannot be written")?;
        let response = requests.0.request(request).await.map_err(|error| words(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await.map_err(|_| "the API's answer broke off")?.to_bytes();
        if !status.is_success() {
            let words = cause::problem(&body).map(|words| format!(": {words}")).unwrap_or_default();
            return Err(format!("the API answered with {}{words}", status.as_u16()));
        }
        let outcome: Value = serde_json::from_slice(&body).map_err(|_| "the answer is not one of the API")?;
        match outcome["queued"].as_u64() {
            None => Err("the answer is not one of the API".into()),
            Some(0) if outcome["sessions"] == 0 => Err("the user is not connected".into()),
            Some(0) => Err("the user's queue had no room".into()),
            Some(queued) => Ok(queued),
        }
    }
}

fn words(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return format!("the API: {}", cause::of_io(error));
        }
        cause = error.source();
    }
    "the API ended the connection".into()
}
