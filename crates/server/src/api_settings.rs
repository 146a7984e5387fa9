//! The section `[api]` of the configuration: the keys.

use serde::Deserialize;

use crate::api_key::{Keys, Right};
use crate::config::{ConfigError, Secret};
use crate::listening::{Addresses, TlsSettings};

const KEYS: &str = "api.keys";

/// The least bytes of a key, where anybody can try.
const SHORTEST: usize = 16;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Api {
    /// The key that may do everything.
    pub(crate) key: Option<Secret>,
    /// Keys that may do some things.
    pub(crate) keys: Vec<ApiKey>,
    /// Where the API, the console and the metrics are, if not at the addresses for clients.
    pub(crate) listen: Option<Addresses>,
    /// TLS at these addresses.
    pub(crate) tls: TlsSettings,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKey {
    pub(crate) key: Secret,
    /// What it may do.
    pub(crate) rights: Vec<Right>,
    /// What it is called in the log, and in answers to whoever has it.
    pub(crate) name: String,
}

impl Api {
    /// The keys that open the API.
    pub(crate) fn open_by(&self, master: Option<Secret>) -> Keys {
        let mut keys = Keys::default();
        if let Some(master) = master {
            keys.add_master(master);
        }
        for ApiKey { key, rights, name } in &self.keys {
            keys.add(name, key.clone(), rights);
        }
        keys
    }

    /// A key that may see who is connected.
    pub(crate) fn reading_key(&self) -> Option<&Secret> {
        let reads = |entry: &&ApiKey| entry.rights.contains(&Right::Read);
        self.key.as_ref().or_else(|| self.keys.iter().find(reads).map(|entry| &entry.key))
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.tls.check("api.tls")?;
        if self.listen.is_none() && self.tls.is_on() {
            let problem = "is for the addresses of api.listen, and there are none: set api.listen, or give `cert` and `key` in [tls]";
            return Err(ConfigError::Key { key: "api.tls", problem: problem.to_owned() });
        }
        for (number, ApiKey { key, rights, name }) in self.keys.iter().enumerate() {
            let problem = match key.expose() {
                "" => "has an empty `key`",
                text if !text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    "has a `key` that no `Authorization` header can carry: it has a space, a line break or a letter beyond ASCII"
                }
                _ if rights.is_empty() => "has no `rights`: give it some of send, read, close, drain",
                _ if name.is_empty() => "has an empty `name`: say whose it is",
                _ if self.key.as_ref() == Some(key) => "has the same `key` as api.key",
                _ if self.keys.iter().take(number).any(|earlier| earlier.key == *key) => "has the same `key` as an earlier one",
                _ => continue,
            };
            return Err(ConfigError::Key { key: KEYS, problem: format!("number {} (named {name:?}) {problem}", number + 1) });
        }
        Ok(())
    }

    pub(crate) fn check_strength(&self) -> Result<(), ConfigError> {
        match self.keys.iter().find(|entry| entry.key.expose().len() < SHORTEST) {
            Some(ApiKey { key, name, .. }) => {
                let length = key.expose().len();
                let problem = format!(
                    "has a `key` (named {name:?}) of {length} bytes and needs at least {SHORTEST}: make one with `openssl rand -base64 32`"
                );
                Err(ConfigError::Key { key: KEYS, problem })
            }
            None => Ok(()),
        }
    }
}
