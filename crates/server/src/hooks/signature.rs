//! Signatures after Standard Webhooks (<https://www.standardwebhooks.com>): `v1,` and the HMAC-SHA256 of `id.timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::config::Secret;

const PREFIX: &str = "whsec_";

/// How long a key may be, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// The most secrets at once.
const MOST: usize = 8;

/// Why nothing can be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("is missing")]
    None,
    #[error("has more than {MOST} secrets: take out those that no back end checks any more")]
    TooMany,
    #[error("(number {0}) does not begin with `whsec_` and go on in base64: make one with `echo whsec_$(openssl rand -base64 32)`")]
    Malformed(usize),
    #[error("(number {0}) is a key of {1} bytes and must have {least} to {most}: make one with `echo whsec_$(openssl rand -base64 32)`",
        least = LENGTHS.start(), most = LENGTHS.end())]
    Length(usize, usize),
}

/// Signs with every secret, so that they can be changed one end after the other.
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    pub(super) fn new(secrets: &[Secret]) -> Result<Self, KeyError> {
        match secrets.len() {
            0 => return Err(KeyError::None),
            1..=MOST => {}
            _ => return Err(KeyError::TooMany),
        }
        secrets.iter().enumerate().map(|(index, secret)| key(secret, index + 1)).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`. Seconds are those since 1970.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let signatures = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn key(secret: &Secret, number: usize) -> Result<hmac::Key, KeyError> {
    let encoded = secret.expose().strip_prefix(PREFIX).ok_or(KeyError::Malformed(number))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::Malformed(number))?;
    if !LENGTHS.contains(&bytes.len()) {
        return Err(KeyError::Length(number, bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Result<Signer, KeyError> {
        Signer::new(&secrets.iter().map(|secret| Secret::new((*secret).to_owned())).collect::<Vec<_>>())
    }

    /// The example of the specification's reference implementations.
    #[test]
    fn a_signature_is_as_standard_webhooks_has_it() {
        let signer = signer(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]).unwrap();
        let signature = signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs() {
        let (old, new) = ("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let both = signer(&[new, old]).unwrap().sign("a", 1, b"b");
        let each = [new, old].map(|secret| signer(&[secret]).unwrap().sign("a", 1, b"b"));
        assert_eq!(both, each.join(" "));
        assert_ne!(each[0], each[1]);
    }

    #[test]
    fn a_key_has_24_to_64_bytes() {
        let of = |length: usize| format!("whsec_{}", STANDARD.encode(vec![7; length]));
        for length in [24, 64] {
            assert!(signer(&[&of(length)]).is_ok(), "{length}");
        }
        for length in [23, 65] {
            assert_eq!(signer(&[&of(length)]).err(), Some(KeyError::Length(1, length)));
        }
        for malformed in ["", "whsec_?", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"] {
            assert_eq!(signer(&[&of(32), malformed]).err(), Some(KeyError::Malformed(2)), "{malformed}");
        }
        let many = vec![of(32); MOST + 1];
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(signer(&many[1..]).is_ok());
        assert_eq!(signer(&many).err(), Some(KeyError::TooMany));
        assert_eq!(signer(&[]).err(), Some(KeyError::None));
    }
}
