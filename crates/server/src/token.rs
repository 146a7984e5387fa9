//! Tokens: JWTs with HS256 (RFC 7519, RFC 7518).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use silverback::Refusal;

use crate::config::{Config, Secret};

/// The longest name of a user, in bytes.
const LONGEST_USER: usize = 256;

/// The end of the year 9999, beyond which there is no way to write a time.
const LAST_SECOND: u64 = 253_402_300_799;

/// A token whose `nbf` is this little ahead of our clock is good: clocks differ.
const NOT_BEFORE_LEEWAY: u64 = 30;

/// Makes and checks tokens with one key.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Debug, Serialize)]
struct Minted<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    nbf: Option<f64>,
    exp: Option<f64>,
}

/// Why a token does not tell who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no token came with the request")]
    Missing,
    #[error("the token is bad: {0}")]
    Bad(&'static str),
    #[error("the token is not valid before {}", at(*.0))]
    NotYetValid(u64),
    #[error("the token expired at {}, {} ago", at(*.since), humantime::format_duration(Duration::from_secs(now().saturating_sub(*.since))))]
    Expired { since: u64 },
}

/// A name that no user can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user's name has 1 to {LONGEST_USER} bytes, no control characters, and is not `.` or `..`")]
pub(crate) struct NotAUser;

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
pub(crate) fn for_command_line(config: &Config, user: &str, ttl: Duration) -> Result<String, MintError> {
    let secret = config.auth.secret.as_ref().ok_or(MintError::NoKey)?;
    Ok(Tokens::new(secret).mint(user, ttl)?.0)
}

impl Tokens {
    pub(crate) fn new(secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256); // the key's algorithm, whatever the token claims
        // The times are judged below, to say since when.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let key = secret.expose().as_bytes();
        Self { encoding: EncodingKey::from_secret(key), decoding: DecodingKey::from_secret(key), validation }
    }

    /// A token for `user`, and when it expires.
    pub(crate) fn mint(&self, user: &str, ttl: Duration) -> Result<(String, SystemTime), MintError> {
        check_user(user)?;
        let issued = now();
        let expires = issued.saturating_add(ttl.as_secs()).min(LAST_SECOND);
        let claims = Minted { sub: user, iat: issued, exp: expires };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)?;
        Ok((token, UNIX_EPOCH + Duration::from_secs(expires)))
    }

    /// The user whom a token is for.
    pub(crate) fn check(&self, token: &str) -> Result<String, TokenError> {
        jsonwebtoken::decode_header(token).map_err(|_| TokenError::Bad("it is not a JWT that is signed with HS256"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|error| bad(error.kind()))?.claims;
        // A NumericDate may have a fraction (RFC 7519, 2).
        if let Some(since) = claims.exp.map(|time| time as u64).filter(|expires| *expires <= now()) {
            return Err(TokenError::Expired { since });
        }
        if let Some(begin) = claims.nbf.map(|time| time as u64).filter(|begin| *begin > now() + NOT_BEFORE_LEEWAY) {
            return Err(TokenError::NotYetValid(begin));
        }
        check_user(&claims.sub)
            .map_err(|_| TokenError::Bad("its `sub` is not the name of a user: 1 to 256 bytes, no control characters, not `.` or `..`"))?;
        Ok(claims.sub)
    }
}

fn bad(kind: &ErrorKind) -> TokenError {
    TokenError::Bad(match kind {
        ErrorKind::InvalidSignature => "its signature does not match this server's key",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "it is not signed with HS256",
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => {
            "its claims are not those of a user: `sub` must be a text, `exp` and `nbf` numbers"
        }
        _ => "it is not a JWT",
    })
}

impl TokenError {
    /// `source` is where the token was found.
    pub(crate) fn refusal(&self, source: Option<&'static str>) -> Refusal {
        let (cause, challenge, cure) = match self {
            Self::Missing => (
                "token-missing",
                "Bearer realm=\"silverback\"",
                "send a token as `Authorization: Bearer TOKEN`, as the subprotocol `silverback.bearer.TOKEN` beside `silverback`, as the cookie \
                 `silverback_token`, or as `?token=TOKEN`",
            ),
            Self::Bad(_) => (
                "token-bad",
                "Bearer realm=\"silverback\", error=\"invalid_token\", error_description=\"the token is bad\"",
                "make the token with the key that this server has as SILVERBACK_AUTH_SECRET: `silverback token --user NAME`",
            ),
            Self::NotYetValid(_) => (
                "token-not-yet-valid",
                "Bearer realm=\"silverback\", error=\"invalid_token\", error_description=\"the token is not valid yet\"",
                "compare the clock of whoever makes the tokens with this server's",
            ),
            Self::Expired { .. } => (
                "token-expired",
                "Bearer realm=\"silverback\", error=\"invalid_token\", error_description=\"the token expired\"",
                "get a fresh token and connect again",
            ),
        };
        Refusal::new(StatusCode::UNAUTHORIZED, cause, "a token that says who you are is needed here")
            .arrived(match source {
                Some(source) => format!("{self} (it came by the {source})"),
                None => self.to_string(),
            })
            .cure(cure)
            .header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }
}

fn check_user(user: &str) -> Result<(), NotAUser> {
    // `.` and `..` cannot be written into an address: every client takes them for steps.
    let is_bad = user.is_empty() || user.len() > LONGEST_USER || user.chars().any(char::is_control) || matches!(user, "." | "..");
    if is_bad { Err(NotAUser) } else { Ok(()) }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn at(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_SECOND))).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(&Secret::new("x".repeat(32)))
    }

    fn signed(claims: &serde_json::Value, algorithm: Algorithm) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &tokens().encoding).unwrap()
    }

    #[test]
    fn a_minted_token_tells_its_user() {
        let (token, expires) = tokens().mint("alice", Duration::from_secs(60)).unwrap();
        assert_eq!(tokens().check(&token), Ok("alice".to_owned()));
        assert!(expires > SystemTime::now());
    }

    #[test]
    fn each_way_to_be_bad_has_its_words() {
        let other = Tokens::new(&Secret::new("y".repeat(32)));
        let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";
        for (token, words) in [
            (other.mint("alice", Duration::from_secs(60)).unwrap().0, "signature"),
            (signed(&serde_json::json!({"sub": "alice"}), Algorithm::HS384), "HS256"),
            (signed(&serde_json::json!({"user": "alice"}), Algorithm::HS256), "`sub`"),
            (signed(&serde_json::json!({"sub": 7}), Algorithm::HS256), "`sub`"),
            (signed(&serde_json::json!({"sub": "a", "exp": "tomorrow"}), Algorithm::HS256), "numbers"),
            (signed(&serde_json::json!({"sub": ""}), Algorithm::HS256), "name of a user"),
            (signed(&serde_json::json!({"sub": ".."}), Algorithm::HS256), "name of a user"),
            (signed(&serde_json::json!({"sub": "a\nb"}), Algorithm::HS256), "name of a user"),
            ("garbage".to_owned(), "not a JWT"),
            (none.to_owned(), "not a JWT"),
            (String::new(), "not a JWT"),
        ] {
            let error = tokens().check(&token).unwrap_err();
            assert!(matches!(error, TokenError::Bad(why) if why.contains(words)), "{token}: {error}");
        }
    }

    #[test]
    fn an_expired_token_says_since_when() {
        let token = signed(&serde_json::json!({"sub": "alice", "exp": 1_000_000_000}), Algorithm::HS256);
        let error = tokens().check(&token).unwrap_err();
        assert!(error.to_string().starts_with("the token expired at 2001-09-09T01:46:40Z, "), "{error}");
    }

    #[test]
    fn a_time_may_have_a_fraction() {
        let token = |ahead: f64| signed(&serde_json::json!({"sub": "alice", "exp": now() as f64 + ahead}), Algorithm::HS256);
        assert_eq!(tokens().check(&token(60.5)), Ok("alice".to_owned()));
        assert!(matches!(tokens().check(&token(-0.5)), Err(TokenError::Expired { .. })));
    }

    #[test]
    fn a_token_of_tomorrow_is_not_yet_valid_and_one_of_the_next_seconds_is() {
        let token = |ahead: u64| signed(&serde_json::json!({"sub": "alice", "nbf": now() + ahead}), Algorithm::HS256);
        assert_eq!(tokens().check(&token(10)), Ok("alice".to_owned()));
        assert!(matches!(tokens().check(&token(86_400)), Err(TokenError::NotYetValid(_))));
        assert!(tokens().check(&token(u64::MAX / 2)).is_err());
    }

    #[test]
    fn a_users_name_has_bounds() {
        assert!(tokens().mint(&"x".repeat(256), Duration::ZERO).is_ok());
        assert!(tokens().mint(&"x".repeat(257), Duration::ZERO).is_err());
    }
}
