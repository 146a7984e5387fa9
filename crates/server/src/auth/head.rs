//! What an unverified token says of itself. None of it is believed: it only chooses the key to try.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::TokenError;

/// The longest token that is looked at, in bytes.
pub(crate) const LONGEST_TOKEN: usize = 8 * 1024;

/// A token's header (RFC 7515, 4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl Head {
    pub(super) fn read(token: &str) -> Result<Self, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::TooLong { length: token.len() });
        }
        let parts: Vec<_> = token.split('.').take(4).collect();
        let [head, payload, signature] = parts[..] else {
            return Err(TokenError::Malformed("it has not the three parts of a signed JWT, with dots in between"));
        };
        let is_base64 = |part: &str| URL_SAFE_NO_PAD.decode(part).is_ok();
        let bytes = URL_SAFE_NO_PAD.decode(head).map_err(|_| TokenError::Malformed("its header is not base64url"))?;
        let fields: Fields = serde_json::from_slice(&bytes)
            .map_err(|_| TokenError::Malformed("its header is not a JSON object with a text `alg` (and perhaps a text `kid`)"))?;
        if fields.crit.is_some() {
            return Err(TokenError::Malformed("its header has `crit`: it asks for an extension that this server does not know"));
        }
        if fields.alg.eq_ignore_ascii_case("none") {
            return Err(TokenError::Algorithm { asked: "none", known: Vec::new() });
        }
        let Ok(algorithm) = fields.alg.parse() else {
            return Err(TokenError::Algorithm { asked: "an algorithm that this server does not know", known: Vec::new() });
        };
        if !is_base64(payload) || !is_base64(signature) {
            return Err(TokenError::Malformed("its claims or its signature are not base64url"));
        }
        Ok(Self { algorithm, kid: fields.kid })
    }
}

/// The algorithm's name (RFC 7518, 3.1).
pub(super) fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HS256 => "HS256",
        Algorithm::HS384 => "HS384",
        Algorithm::HS512 => "HS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::EdDSA => "EdDSA",
        _ => "another algorithm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str, rest: &str) -> Result<Head, TokenError> {
        Head::read(&format!("{}{rest}", URL_SAFE_NO_PAD.encode(header)))
    }

    #[test]
    fn a_header_chooses_algorithm_and_key() {
        let head = read(r#"{"alg":"RS256","kid":"a","typ":"JWT"}"#, ".e30.eA").unwrap();
        assert_eq!(head, Head { algorithm: Algorithm::RS256, kid: Some("a".to_owned()) });
    }

    #[test]
    fn a_token_may_be_as_long_as_the_limit_and_no_longer() {
        for (over, is_good) in [(-1_isize, true), (0, true), (1, false)] {
            let length = LONGEST_TOKEN.checked_add_signed(over).unwrap();
            let start = format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}  "#)); // its length leaves a good one for base64
            let token = format!("{start}{}", "A".repeat(length - start.len()));
            assert_eq!(token.len(), length);
            match Head::read(&token) {
                Err(TokenError::TooLong { length: told }) => assert!(!is_good && told == length),
                // An odd length of base64 is another matter, and comes after.
                Ok(_) | Err(TokenError::Malformed(_)) => assert!(is_good),
                Err(error) => unreachable!("{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_signed_jwt_is_malformed() {
        for token in ["", "garbage", ".", "..", "a.b", "a.b.c.d", "a.b.c.d.e", "\u{1f98d}.e30.eA", "=.=.="] {
            assert!(matches!(Head::read(token), Err(TokenError::Malformed(_))), "{token}");
        }
        for header in
            ["", "{", "[]", "null", r#"{"alg":7}"#, r#"{"alg":"HS256","kid":7}"#, r#"{"typ":"JWT"}"#, r#"{"alg":"HS256","crit":["b64"]}"#]
        {
            assert!(matches!(read(header, ".e30.eA"), Err(TokenError::Malformed(_))), "{header}");
        }
        for rest in [".e30.eA=", ".{}.eA", ".e30.!", "..eA.", ". .eA"] {
            assert!(matches!(read(r#"{"alg":"HS256"}"#, rest), Err(TokenError::Malformed(_))), "{rest}");
        }
        let deep = "[".repeat(4000);
        assert!(matches!(read(&deep, ".e30.eA"), Err(TokenError::Malformed(_))));
    }

    #[test]
    fn none_in_any_case_and_what_is_unknown_are_no_algorithms() {
        for algorithm in ["none", "None", "NONE", "nOnE", "hs256", "ES512", "ES256K", "HS1", "", "RSA1_5", "dir"] {
            let head = read(&format!(r#"{{"alg":"{algorithm}"}}"#), ".e30.");
            assert!(matches!(head, Err(TokenError::Algorithm { .. })), "{algorithm}");
        }
    }
}
