//! One key, and the one algorithm that it is for.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, Validation};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::TokenError;
use super::head::name;

/// RFC 7518, 3.3: "A key of size 2048 bits or larger MUST be used".
const SHORTEST_MODULUS: usize = 256;

/// Checks signatures. The algorithm is the key's, never the token's: a public key cannot be taken for a secret.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    decoding: DecodingKey,
    validation: Validation,
}

/// Why a key cannot be used. None of these quotes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    #[error("it is not a public key in PEM: it needs one between -----BEGIN PUBLIC KEY----- and -----END PUBLIC KEY-----")]
    NotPem,
    #[error("it holds a private key, which only whoever makes the tokens should have: write its public half with `openssl pkey -pubout`")]
    Private,
    #[error("{0} is for secrets; a key in PEM is for RS256, PS256, ES256, EdDSA and their like")]
    SecretAlgorithm(&'static str),
    #[error("it is not a key for {0}: {1}")]
    Mismatch(&'static str, &'static str),
    #[error("it is not a JWK: {0}")]
    NotJwk(&'static str),
    #[error("it is for {0}, and the configuration says {1}")]
    OtherAlgorithm(&'static str, &'static str),
    #[error("it is for encryption, not for signatures")]
    ForEncryption,
    #[error("it does not say for which algorithm it is (`alg`)")]
    NoAlgorithm,
    #[error("its algorithm or its curve is none that this server knows")]
    Unknown,
    #[error("it is a secret, and what an address serves is not secret")]
    PublishedSecret,
}

impl Key {
    pub(super) fn from_secret(kid: Option<String>, algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        Self::new(kid, algorithm, DecodingKey::from_secret(secret))
    }

    /// A public key in PEM: PKCS#8 ("PUBLIC KEY"), or PKCS#1 ("RSA PUBLIC KEY").
    pub(super) fn from_pem(kid: Option<String>, algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let is_there = |label: &str| pem.windows(label.len()).any(|part| part == label.as_bytes());
        if is_there("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        if !is_there("-----BEGIN PUBLIC KEY-----") && !is_there("-----BEGIN RSA PUBLIC KEY-----") {
            return Err(KeyError::NotPem); // of a certificate the first number would be taken for the key
        }
        let decoding = match algorithm.family() {
            AlgorithmFamily::Hmac => return Err(KeyError::SecretAlgorithm(name(algorithm))),
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
        };
        Self::new(kid, algorithm, decoding.map_err(|_| KeyError::Mismatch(name(algorithm), "it is of another kind"))?)
    }

    /// A JWK (RFC 7517) of a file, which may be a secret. `kid` and `algorithm` are what the configuration says of it.
    pub(super) fn from_jwk(kid: Option<String>, algorithm: Option<Algorithm>, jwk: &Value) -> Result<Self, KeyError> {
        if ["d", "p", "q"].iter().any(|part| jwk.get(part).is_some()) {
            return Err(KeyError::Private);
        }
        let its_own = match jwk.get("alg") {
            // RFC 9864's name for what this server does of EdDSA.
            Some(Value::String(alg)) if alg == "Ed25519" => Some(Algorithm::EdDSA),
            Some(Value::String(alg)) => Some(alg.parse().map_err(|_| KeyError::Unknown)?),
            Some(_) => return Err(KeyError::NotJwk("its `alg` is not a text")),
            None => None,
        };
        let Jwk { common, algorithm: parameters } =
            Jwk::deserialize(jwk).map_err(|_| KeyError::NotJwk("its members are not those of RFC 7517"))?;
        if !is_for_signatures(&common) {
            return Err(KeyError::ForEncryption);
        }
        let algorithm = match (algorithm, its_own.or_else(|| implied(&parameters))) {
            (Some(told), Some(own)) if told != own && its_own.is_some() => return Err(KeyError::OtherAlgorithm(name(own), name(told))),
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => return Err(KeyError::NoAlgorithm),
        };
        let kid = kid.or_else(|| common.key_id.clone());
        let fits = match &parameters {
            AlgorithmParameters::OctetKey(_) => algorithm.family() == AlgorithmFamily::Hmac,
            AlgorithmParameters::RSA(_) => algorithm.family() == AlgorithmFamily::Rsa,
            AlgorithmParameters::EllipticCurve(ec) => {
                matches!((&ec.curve, algorithm), (EllipticCurve::P256, Algorithm::ES256) | (EllipticCurve::P384, Algorithm::ES384))
            }
            AlgorithmParameters::OctetKeyPair(pair) => matches!((&pair.curve, algorithm), (EllipticCurve::Ed25519, Algorithm::EdDSA)),
            _ => return Err(KeyError::Unknown),
        };
        if !fits {
            return Err(KeyError::Mismatch(name(algorithm), "it is of another kind"));
        }
        let decoding =
            DecodingKey::from_jwk(&Jwk { common, algorithm: parameters }).map_err(|_| KeyError::NotJwk("it is not base64url"))?;
        Self::new(kid, algorithm, decoding)
    }

    /// A JWK of an address, where no secret can be.
    pub(super) fn from_published_jwk(jwk: &Value) -> Result<Self, KeyError> {
        let key = Self::from_jwk(None, None, jwk)?;
        if key.algorithm.family() == AlgorithmFamily::Hmac { Err(KeyError::PublishedSecret) } else { Ok(key) }
    }

    fn new(kid: Option<String>, algorithm: Algorithm, decoding: DecodingKey) -> Result<Self, KeyError> {
        if decoding.family() != algorithm.family() {
            return Err(KeyError::Mismatch(name(algorithm), "it is of another kind"));
        }
        let length = match decoding.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => bytes.len(),
            DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
        };
        let wrong = match algorithm {
            Algorithm::ES256 if length != 65 => Some("its point is not one of P-256"),
            Algorithm::ES384 if length != 97 => Some("its point is not one of P-384"),
            Algorithm::EdDSA if length != 32 => Some("it is not one of Ed25519"),
            _ if algorithm.family() == AlgorithmFamily::Rsa && length < SHORTEST_MODULUS => Some("it has fewer than 2048 bits"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(KeyError::Mismatch(name(algorithm), wrong));
        }
        let mut validation = Validation::new(algorithm); // and no other
        // The claims are judged by the rules, which say what is wrong with them.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Self { kid, algorithm, decoding, validation })
    }

    /// The claims of a token that this key has signed.
    pub(super) fn verify(&self, token: &str) -> Result<Map<String, Value>, TokenError> {
        match jsonwebtoken::decode(token, &self.decoding, &self.validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::Json(_) | ErrorKind::Utf8(_) => {
                    TokenError::Malformed("its claims are not a JSON object, or its header is not a JWT's")
                }
                _ => TokenError::Signature,
            }),
        }
    }
}

/// How long a secret must be, in bytes: as long as the hash (RFC 7518, 3.2).
pub(super) fn shortest_secret(algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::HS512 => 64,
        Algorithm::HS384 => 48,
        _ => 32,
    }
}

/// Which key and what for; never the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// RFC 7517, 4.2 and 4.3: where neither is said, it is for everything.
fn is_for_signatures(common: &CommonParameters) -> bool {
    let by_use = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    by_use && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify))
}

/// The algorithm of a key that does not name one. A key of RSA could be for six; all who leave `alg` out mean the first.
fn implied(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => Some(Algorithm::ES384),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        _ => None,
    }
}
