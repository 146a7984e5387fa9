//! The keys in front of the API, and what each of them may do.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderMap, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use silverback::Refusal;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::config::Secret;
use crate::identity::bearer;
use crate::limits::{Refused, refused};
use crate::listening::Remote;
use crate::live::Live;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Send messages, and ask for answers.
    Send,
    /// See who is connected and was, what happens, and the metrics.
    Read,
    /// Close sessions.
    Close,
    /// Empty the server.
    Drain,
    /// Make tokens for anybody, while nothing is configured. `api.key` alone has it.
    Mint,
}

impl Right {
    const ALL: [Self; 5] = [Self::Send, Self::Read, Self::Close, Self::Drain, Self::Mint];

    /// What a key of `api.keys` can be given.
    pub(crate) const GIVEN: [Self; 4] = [Self::Send, Self::Read, Self::Close, Self::Drain];
}

/// Every key that opens something.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    name: String,
    secret: Secret,
    /// `None` is every right.
    rights: Option<Vec<Right>>,
}

/// What stands in front of some addresses.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) live: Live,
    /// `None` is none: any key will do.
    pub(crate) right: Option<Right>,
}

/// Whose key a request came with, for what any key opens.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) name: Arc<str>,
    pub(crate) rights: Arc<[Right]>,
}

/// Lets a request through that has a key with the right.
pub(crate) async fn require(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let checked = gate.live.now().keys.check(request.headers(), gate.right).map(|key| gate.right.is_none().then(|| key.holder()));
    match checked {
        Ok(holder) => {
            holder.and_then(|holder| request.extensions_mut().insert(holder));
            next.run(request).await
        }
        Err(refusal) => {
            let remote = request.extensions().get::<Remote>().map(Remote::to_string);
            refused(Refused::ApiRequest, remote.as_deref().unwrap_or("(unknown)"), &refusal);
            refusal.problem().into_response()
        }
    }
}

impl Keys {
    /// Adds the key that may do everything.
    pub(crate) fn add_master(&mut self, secret: Secret) {
        self.0.push(Key { name: "api.key".to_owned(), secret, rights: None });
    }

    pub(crate) fn add(&mut self, name: &str, secret: Secret, rights: &[Right]) {
        self.0.push(Key { name: name.to_owned(), secret, rights: Some(rights.to_vec()) });
    }

    fn check(&self, headers: &HeaderMap, right: Option<Right>) -> Result<&Key, Refusal> {
        if self.0.is_empty() {
            return Err(unauthorized(
                "api-key-not-configured",
                "the API is closed: no key is configured",
                "set SILVERBACK_API_KEY and start the server again",
            ));
        }
        let Some(presented) = bearer(headers) else {
            return Err(unauthorized(
                "api-key-missing",
                "the API needs a key, and none came with the request",
                "send `Authorization: Bearer KEY`",
            ));
        };
        let Some(key) = self.find(presented) else {
            return Err(unauthorized(
                "api-key-wrong",
                "the API key is wrong",
                "send the key that this server has as SILVERBACK_API_KEY or among `api.keys` (a user's token is not a key)",
            ));
        };
        match (&key.rights, right) {
            (Some(rights), Some(right)) if !rights.contains(&right) => Err(forbidden(key, right)),
            _ => Ok(key),
        }
    }

    /// Compares with every key, whichever it is, and each in constant time.
    fn find(&self, presented: &str) -> Option<&Key> {
        let mut found = 0;
        for (number, key) in (1_u32..).zip(&self.0) {
            let is_it = presented.as_bytes().ct_eq(key.secret.expose().as_bytes());
            found.conditional_assign(&number, is_it);
        }
        usize::try_from(found.checked_sub(1)?).ok().and_then(|at| self.0.get(at))
    }
}

impl Key {
    fn holder(&self) -> Holder {
        Holder { name: self.name.as_str().into(), rights: self.rights.as_deref().unwrap_or(&Right::ALL).into() }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Close => "close",
            Self::Drain => "drain",
            Self::Mint => "mint",
        })
    }
}

fn unauthorized(cause: &'static str, title: &'static str, cure: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, cause, title)
        .cure(cure)
        .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"silverback API\""))
}

fn forbidden(key: &Key, right: Right) -> Refusal {
    let cure = match right {
        Right::Mint => "use `api.key`: no other key makes tokens".to_owned(),
        right => format!("use another key, or add \"{right}\" to the rights of this one in `api.keys`"),
    };
    Refusal::new(StatusCode::FORBIDDEN, "right-missing", format!("this API key does not have the right `{right}`"))
        .arrived(format!("the key named {:?}", key.name))
        .cure(cure)
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn answer(keys: &Keys, key: &str, right: Right) -> (u16, String) {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {key}")).unwrap())]);
        match keys.check(&headers, Some(right)) {
            Ok(_) => (200, String::new()),
            Err(refusal) => (refusal.status().as_u16(), refusal.problem().into_body()),
        }
    }

    #[test]
    fn each_key_opens_what_it_has_the_right_for_and_the_master_everything() {
        let mut keys = Keys::default();
        keys.add_master(Secret::new("master".into()));
        keys.add("sender", Secret::new("first".into()), &[Right::Send]);
        keys.add("desk", Secret::new("other".into()), &[Right::Read, Right::Close]);
        for right in [Right::Send, Right::Read, Right::Close, Right::Drain, Right::Mint] {
            assert_eq!(answer(&keys, "master", right).0, 200);
            assert_eq!(answer(&keys, "first", right).0, if right == Right::Send { 200 } else { 403 });
            assert_eq!(answer(&keys, "other", right).0, if matches!(right, Right::Read | Right::Close) { 200 } else { 403 });
            for wrong in ["", "firs", "firsT", "firstother", "masters"] {
                assert_eq!(answer(&keys, wrong, right).0, 401, "{wrong}");
            }
        }
        let (_, body) = answer(&keys, "first", Right::Drain);
        assert!(body.contains("the right `drain`") && body.contains("sender") && !body.contains("first"), "{body}");
        assert_eq!(answer(&Keys::default(), "", Right::Read).0, 401);
    }
}
