//! The keys of the configuration, and of the files that it names.

use std::io;
use std::path::Path;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::Value;

use super::key::{Key, KeyError, shortest_secret};
use super::settings::{Auth, KeySetting};

/// The most keys that are kept, so that a token without `kid` is tried with a bounded number of them.
pub(super) const MOST_KEYS: usize = 64;

/// The largest file of keys, in bytes.
const LARGEST_FILE: u64 = 256 * 1024;

/// What keeps the keys of the configuration from being used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key file {file} (auth.keys) cannot be read: {error}")]
    Read { file: String, error: io::Error },
    #[error("the key file {0} (auth.keys) is larger than {LARGEST_FILE} bytes")]
    TooLarge(String),
    #[error("the key file {file} (auth.keys) cannot be used: {problem}")]
    File { file: String, problem: String },
    #[error("auth.keys, number {number}: {problem}")]
    Entry { number: usize, problem: String },
    #[error("auth.keys has more than {MOST_KEYS} keys")]
    TooMany,
    #[error("the secret number {number} of auth.keys has {length} bytes, and {algorithm} needs at least {shortest}")]
    Weak { number: usize, length: usize, algorithm: &'static str, shortest: usize },
    #[error("the key set's address (auth.jwks_url) cannot be used: {0}")]
    Address(String),
}

/// Reads every key. Waits for the disk.
pub(super) fn read(auth: &Auth) -> Result<Vec<Key>, KeysError> {
    let mut keys = Vec::new();
    if let Some(secret) = &auth.secret {
        let key = Key::from_secret(None, Algorithm::HS256, secret.expose().as_bytes());
        keys.push(key.map_err(|error| KeysError::Entry { number: 0, problem: error.to_string() })?);
    }
    for (index, setting) in auth.keys.iter().enumerate() {
        keys.extend(keys_of(index + 1, setting)?);
        if keys.len() > MOST_KEYS {
            return Err(KeysError::TooMany);
        }
    }
    Ok(keys)
}

/// Secrets must be long enough that nobody can guess them.
pub(crate) fn check_strength(auth: &Auth) -> Result<(), KeysError> {
    for (index, setting) in auth.keys.iter().enumerate() {
        let (Some(secret), Some(algorithm)) = (&setting.secret, setting.algorithm) else { continue };
        let shortest = shortest_secret(algorithm);
        let length = secret.expose().len();
        if length < shortest {
            return Err(KeysError::Weak { number: index + 1, length, algorithm: super::head::name(algorithm), shortest });
        }
    }
    Ok(())
}

fn keys_of(number: usize, setting: &KeySetting) -> Result<Vec<Key>, KeysError> {
    let kid = setting.kid.clone();
    match (setting, setting.algorithm) {
        (KeySetting { secret: Some(secret), .. }, Some(algorithm)) => {
            if algorithm.family() != AlgorithmFamily::Hmac {
                let problem = "a secret is for HS256, HS384 or HS512; for the others, name a file: `public_key` or `jwk`".to_owned();
                return Err(KeysError::Entry { number, problem });
            }
            let key = Key::from_secret(kid, algorithm, secret.expose().as_bytes());
            Ok(vec![key.map_err(|error| KeysError::Entry { number, problem: error.to_string() })?])
        }
        (KeySetting { public_key: Some(file), .. }, Some(algorithm)) => {
            Ok(vec![Key::from_pem(kid, algorithm, &contents(file)?).map_err(|error| unusable(file, &error))?])
        }
        (KeySetting { jwk: Some(file), .. }, algorithm) => jwks(file, kid, algorithm),
        _ => Ok(Vec::new()), // checked before
    }
}

fn jwks(file: &Path, kid: Option<String>, algorithm: Option<Algorithm>) -> Result<Vec<Key>, KeysError> {
    let json: Value = serde_json::from_slice(&contents(file)?).map_err(|_| unusable(file, &KeyError::NotJwk("it is not JSON")))?;
    let Some(set) = json.get("keys").and_then(Value::as_array) else {
        return Ok(vec![Key::from_jwk(kid, algorithm, &json).map_err(|error| unusable(file, &error))?]);
    };
    set.iter().map(|jwk| Key::from_jwk(kid.clone(), algorithm, jwk).map_err(|error| unusable(file, &error))).collect()
}

fn contents(path: &Path) -> Result<Vec<u8>, KeysError> {
    use std::io::Read as _;
    let file = path.display().to_string();
    let fail = |error| KeysError::Read { file: file.clone(), error };
    let mut contents = Vec::new();
    std::fs::File::open(path).map_err(fail)?.take(LARGEST_FILE + 1).read_to_end(&mut contents).map_err(fail)?;
    if contents.len() as u64 > LARGEST_FILE { Err(KeysError::TooLarge(file)) } else { Ok(contents) }
}

fn unusable(file: &Path, error: &KeyError) -> KeysError {
    KeysError::File { file: file.display().to_string(), problem: error.to_string() }
}
