//! Judges tokens by what is configured now.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::fetch::Fetcher;
use super::head::Head;
use super::jwks::{Jwks, Keys};
use super::key::Key;
use super::key_files::{self, KeysError};
use super::keyring::candidates;
use super::rules::Rules;
use super::settings::Auth;
use super::{TokenError, Verified};
use crate::http_url::HttpUrl;
use crate::identity::Presented;

/// Judges tokens. What it judges by can be replaced while sessions live.
pub(crate) struct Authenticator {
    current: RwLock<Arc<Current>>,
}

/// What is judged by.
struct Current {
    keys: Vec<Key>,
    published: Option<Published>,
    rules: Rules,
    warning: Duration,
}

struct Published {
    url: HttpUrl,
    jwks: Jwks,
}

impl Authenticator {
    /// Reads the keys (which waits for the disk) and begins to fetch the key set, if one is configured; it must be called on a runtime.
    pub(crate) fn new(auth: &Auth) -> Result<Self, KeysError> {
        Ok(Self { current: RwLock::new(Arc::new(Current::new(auth, None)?)) })
    }

    /// Reads the keys again and fetches the key set again. If the new ones cannot be used, all stays as it was.
    pub(crate) fn reload(&self, auth: &Auth) -> Result<(), KeysError> {
        let fresh = Current::new(auth, self.current().published.as_ref())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Who somebody is.
    ///
    /// Waits, for at most some seconds, only for a key set that must be asked for the token's key. Cancel-safe.
    pub(crate) async fn check(&self, presented: &Presented) -> Result<Verified, TokenError> {
        let head = Head::read(&presented.token)?;
        let current = self.current();
        let claims = current.signed_claims(&presented.token, &head).await?;
        current.rules.judge(claims, presented.source, SystemTime::now())
    }

    /// How long before its end a client is told.
    pub(crate) fn warning(&self) -> Duration {
        self.current().warning
    }

    fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Current {
    fn new(auth: &Auth, before: Option<&Published>) -> Result<Self, KeysError> {
        let keys = key_files::read(auth)?;
        let published = auth.jwks_url.clone().map(|url| Published::start(url, auth, before)).transpose()?;
        Ok(Self { keys, published, rules: Rules::new(auth), warning: auth.expiry_warning })
    }

    async fn signed_claims(&self, token: &str, head: &Head) -> Result<serde_json::Map<String, serde_json::Value>, TokenError> {
        let published = self.published.as_ref();
        let mut set = published.and_then(|published| published.jwks.keys());
        if let Some(published) = published
            && candidates(&self.all(&set), head).is_err()
        {
            set = published.jwks.refreshed().await;
            if set.is_none() && candidates(&self.all(&set), head).is_err() {
                return Err(TokenError::KeysUnavailable);
            }
        }
        let all = self.all(&set);
        let mut error = TokenError::Signature;
        for key in candidates(&all, head).map_err(|none| none.error(&all, head))? {
            match key.verify(token) {
                Err(TokenError::Signature) => {}
                Err(other) => error = other,
                Ok(claims) => return Ok(claims),
            }
        }
        Err(error)
    }

    fn all<'a>(&'a self, set: &'a Keys) -> Vec<&'a Key> {
        self.keys.iter().chain(set.iter().flat_map(|keys| keys.iter())).collect()
    }
}

impl Published {
    /// What was known of the same address is good until it answers.
    fn start(url: HttpUrl, auth: &Auth, before: Option<&Self>) -> Result<Self, KeysError> {
        if !url.is_https() && !url.is_local() {
            tracing::warn!(
                "{url} (auth.jwks_url) is plain HTTP: whoever is in between can put keys of their own into the answer; use https://"
            );
        }
        let known = before.filter(|before| before.url == url).and_then(|before| before.jwks.keys());
        let fetcher = Arc::new(Fetcher::new(url.clone())?);
        let fetch = move || {
            let fetcher = fetcher.clone();
            async move { fetcher.fetch().await }
        };
        Ok(Self { url, jwks: Jwks::start(fetch, known, auth.jwks_min_interval) })
    }
}
