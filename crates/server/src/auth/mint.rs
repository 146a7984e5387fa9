//! Making tokens, with the one secret that this server has: `auth.secret`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value};

use super::Auth;
use super::verified::{LAST_SECOND, NotAUser, check_name};
use crate::config::Secret;

/// Makes tokens (HS256) that the server which is configured so finds good.
pub(crate) struct Mint {
    key: EncodingKey,
    user: String,
    /// Audience, issuer and what is required.
    others: Map<String, Value>,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error(
        "no key is configured to sign with: set SILVERBACK_AUTH_SECRET to the server's (a server without one makes its own and prints a token)"
    )]
    NoKey,
    #[error(transparent)]
    User(#[from] NotAUser),
    #[error("the token could not be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
}

/// What `silverback token` prints.
pub(crate) fn for_command_line(auth: &Auth, user: &str, ttl: Duration) -> Result<String, MintError> {
    let secret = auth.secret.as_ref().ok_or(MintError::NoKey)?;
    Ok(Mint::new(secret, auth).mint(user, ttl)?.0)
}

impl Mint {
    pub(crate) fn new(secret: &Secret, auth: &Auth) -> Self {
        let mut others: Map<_, _> = auth.required.0.clone().into_iter().collect();
        for (name, texts) in [("aud", &auth.audience), ("iss", &auth.issuer)] {
            if let Some(text) = texts.0.first() {
                others.insert(name.to_owned(), text.as_str().into());
            }
        }
        Self { key: EncodingKey::from_secret(secret.expose().as_bytes()), user: auth.claims.user.clone(), others }
    }

    /// A token for `user`, and when it expires.
    pub(crate) fn mint(&self, user: &str, ttl: Duration) -> Result<(String, SystemTime), MintError> {
        check_name(user)?;
        let issued = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let expires = issued.saturating_add(ttl.as_secs()).min(LAST_SECOND);
        let mut claims = self.others.clone();
        claims.extend([("iat".to_owned(), issued.into()), ("exp".to_owned(), expires.into()), (self.user.clone(), user.into())]);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)?;
        Ok((token, UNIX_EPOCH + Duration::from_secs(expires)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_name_has_bounds() {
        let mint = Mint::new(&Secret::new("x".repeat(32)), &Auth::default());
        assert!(mint.mint(&"x".repeat(256), Duration::ZERO).is_ok());
        assert!(mint.mint(&"x".repeat(257), Duration::ZERO).is_err());
        let (_, expires) = mint.mint("alice", Duration::from_secs(60)).unwrap();
        assert!(expires > SystemTime::now());
    }
}
