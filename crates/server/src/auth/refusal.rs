//! What is wrong with a token, and what to do about it.

use std::time::{Duration, SystemTime};

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use silverback::Refusal;

use super::head::LONGEST_TOKEN;
use super::verified::written;

/// Why a token does not tell who somebody is. It quotes nothing of the token but its times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no token came with the request")]
    Missing,
    #[error("the token has {length} bytes, and at most {LONGEST_TOKEN} are taken")]
    TooLong { length: usize },
    #[error("the token is not a JWT that can be read: {0}")]
    Malformed(&'static str),
    #[error("the token is signed with {asked}{}", ours(.known))]
    Algorithm { asked: &'static str, known: Vec<&'static str> },
    #[error("the token names a key (`kid`) that this server does not have")]
    KeyUnknown,
    #[error("this server has not been able to fetch the keys that tokens are checked with")]
    KeysUnavailable,
    #[error("this server has no key to check a token with")]
    NoKeys,
    #[error("the token's signature does not match this server's key")]
    Signature,
    #[error("the token expired at {}, {} ago", written(*.since), humantime::format_duration(Duration::from_secs(.ago.as_secs())))]
    Expired { since: SystemTime, ago: Duration },
    #[error("the token is not valid before {}", written(*.0))]
    NotYetValid(SystemTime),
    #[error("the token is not for this server: its `aud` must be {}", one_of(.expected))]
    Audience { expected: Vec<String> },
    #[error("the token is not from whom this server trusts: its `iss` must be {}", one_of(.expected))]
    Issuer { expected: Vec<String> },
    #[error("the token has no claim `{0}`")]
    ClaimMissing(String),
    #[error("the token's claim `{name}` is wrong: {why}")]
    ClaimWrong { name: String, why: &'static str },
    #[error("the fresh token is of another user than the session")]
    OtherUser,
}

fn ours(known: &[&str]) -> String {
    if known.is_empty() { String::new() } else { format!(", and this server's keys are for {}", known.join(", ")) }
}

fn one_of(expected: &[String]) -> String {
    let quoted: Vec<_> = expected.iter().map(|text| format!("`{}`", text.escape_debug())).collect();
    quoted.join(" or ")
}

/// What is said of an error in all its answers.
struct Parts {
    cause: &'static str,
    /// For `WWW-Authenticate` (RFC 6750, 3).
    description: &'static str,
    cure: &'static str,
}

impl TokenError {
    /// The short name of the cause.
    pub(crate) fn cause(&self) -> &'static str {
        self.parts().cause
    }

    /// What to do about it.
    pub(crate) fn cure(&self) -> &'static str {
        self.parts().cure
    }

    fn parts(&self) -> Parts {
        let parts = |cause, description, cure| Parts { cause, description, cure };
        match self {
            Self::Missing => parts(
                "token-missing",
                "",
                "send a token as `Authorization: Bearer TOKEN`, as the subprotocol `silverback.bearer.TOKEN` beside `silverback`, as the cookie \
                 `silverback_token`, or as `?token=TOKEN`",
            ),
            Self::TooLong { .. } => {
                parts("token-too-long", "the token is too long", "put less into the token: a user, and what a session needs")
            }
            Self::Malformed(_) => parts(
                "token-malformed",
                "the token is malformed",
                "send the JWT as it was made (three parts of base64url, with dots in between): `silverback token --user NAME` prints one",
            ),
            Self::Algorithm { .. } => parts(
                "token-algorithm",
                "the token has an algorithm that is not taken here",
                "sign the token with the algorithm that this server's key is for (auth.secret is for HS256, auth.keys say theirs); unsigned tokens are never taken",
            ),
            Self::KeyUnknown => parts(
                "token-key-unknown",
                "the token's key is not known here",
                "sign the token with a key that this server has, or give the server the key: auth.keys, or the key set at auth.jwks_url",
            ),
            Self::KeysUnavailable => parts(
                "token-keys-unavailable",
                "",
                "connect again in a few seconds; if it stays so, look for `key set` in the server's log: the address in auth.jwks_url does not answer",
            ),
            Self::NoKeys => parts(
                "token-key-unknown",
                "the token's key is not known here",
                "connect without a token, or give the server a key: SILVERBACK_AUTH_SECRET, auth.keys or auth.jwks_url",
            ),
            Self::Signature => parts(
                "token-signature",
                "the token's signature is wrong",
                "make the token with the key that this server has: with SILVERBACK_AUTH_SECRET, `silverback token --user NAME` does",
            ),
            Self::Expired { .. } => parts("token-expired", "the token expired", "get a fresh token and connect again"),
            Self::NotYetValid(_) => parts(
                "token-not-yet-valid",
                "the token is not valid yet",
                "compare the clock of whoever makes the tokens with this server's; auth.leeway says how far they may differ",
            ),
            Self::Audience { .. } => parts("token-audience", "the token is for somebody else", "get a token that is for this server"),
            Self::Issuer { .. } => {
                parts("token-issuer", "the token is from somebody else", "get a token from one of those whom this server trusts")
            }
            Self::ClaimMissing(_) => parts(
                "token-claim-missing",
                "a claim is missing",
                "let whoever makes the tokens add the claim, or change auth.claims or auth.required",
            ),
            Self::ClaimWrong { .. } => {
                parts("token-claim-wrong", "a claim is wrong", "let whoever makes the tokens put another value into the claim")
            }
            Self::OtherUser => parts(
                "token-other-user",
                "the token is of another user",
                "send a token of the same user, or open a connection for the other one",
            ),
        }
    }

    /// `source` is where the token was found.
    pub(crate) fn refusal(&self, source: Option<&'static str>) -> Refusal {
        let Parts { cause, description, cure } = self.parts();
        let arrived = match source {
            Some(source) => format!("{self} (it came by the {source})"),
            None => self.to_string(),
        };
        if *self == Self::KeysUnavailable {
            return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, cause, "who you are cannot be checked at the moment")
                .arrived(arrived)
                .cure(cure)
                .header(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        let refusal =
            Refusal::new(StatusCode::UNAUTHORIZED, cause, "a token that says who you are is needed here").arrived(arrived).cure(cure);
        let challenge = match description {
            "" => "Bearer realm=\"silverback\"".to_owned(),
            text => format!("Bearer realm=\"silverback\", error=\"invalid_token\", error_description=\"{text}\""),
        };
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => refusal.header(WWW_AUTHENTICATE, challenge),
            Err(_) => refusal,
        }
    }
}
