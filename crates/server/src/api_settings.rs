//! The section `[api]` of the configuration: the keys.

use toml::Value;

use crate::api_key::{Keys, Right};
use crate::config::{self, Problem, Secret, Secrets, Setting, section};
use crate::listening::{Addresses, TlsSettings};

/// The least bytes of a key, where anybody can try.
const SHORTEST: usize = 16;

section! {
    /// The API of back ends: docs/api.md.
    pub(crate) struct Api {
        /// The key that may do everything, at least 16 bytes. On a loopback address one is made up where none is configured.
        pub(crate) key: Option<Secret> = None, like "\"at-least-16-bytes\"";
        /// Addresses of their own for the API, the console and the metrics, which then are nowhere else.
        pub(crate) listen: Option<Addresses> = None, like "\"127.0.0.1:8081\"" => restart;
        /// Keys that may do some things.
        pub(crate) keys: Vec<ApiKey> = Vec::new();
        pub(crate) tls: TlsSettings = TlsSettings::default();
    }
}

section! {
    /// A key that may do some things.
    pub(crate) struct ApiKey {
        /// At least 16 bytes.
        pub(crate) key: Secret = Secret::default(), like "\"at-least-16-bytes-too\"";
        /// What it may do: some of send, read, close, drain.
        pub(crate) rights: Vec<Right> = Vec::new(), like "[\"send\"]";
        /// What it is called in the log, and in answers to whoever has it.
        pub(crate) name: String = String::new(), like "\"billing\"";
    }
}

impl Setting for Vec<Right> {
    const CURE: &'static str = "write a list with some of send, read, close, drain";
    const IS_SCALAR: bool = false;

    fn read(value: &Value) -> Option<Self> {
        let right = |name: &Value| Right::GIVEN.into_iter().find(|right| name.as_str() == Some(&right.to_string()));
        value.as_array()?.iter().map(right).collect()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.iter().map(Right::to_string).collect::<Vec<_>>().into())
    }
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

    /// A key that may send.
    pub(crate) fn sending_key(&self) -> Option<&Secret> {
        let sends = |entry: &&ApiKey| entry.rights.contains(&Right::Send);
        self.key.as_ref().or_else(|| self.keys.iter().find(sends).map(|entry| &entry.key))
    }

    /// What cannot be.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let master = self.key.as_ref().and_then(|key| match key.expose() {
            "" => Some("is empty: set it, or take it out"),
            key if !is_graphic(key) => {
                Some("has a space, a line break or a letter beyond ASCII, which no `Authorization` header can carry")
            }
            _ => None,
        });
        let mut problems: Vec<_> = master.map(|text| Problem::of("api.key", text)).into_iter().collect();
        problems.extend(self.tls.problems("api.tls"));
        if self.listen.is_none() && self.tls.is_on() {
            let text = "is for the addresses of api.listen, and there are none: set api.listen, or use tls.cert and tls.key";
            problems.push(Problem::of("api.tls.cert", text));
        }
        for (index, ApiKey { key, rights, name }) in self.keys.iter().enumerate() {
            let text = match key.expose() {
                "" => "has an empty `key`",
                text if !is_graphic(text) => {
                    "has a `key` that no `Authorization` header can carry: it has a space, a line break or a letter beyond ASCII"
                }
                _ if rights.is_empty() => "has no `rights`: give it some of send, read, close, drain",
                _ if name.is_empty() => "has an empty `name`: say whose it is",
                _ if self.key.as_ref() == Some(key) => "has the same `key` as api.key",
                _ if self.keys.iter().take(index).any(|earlier| earlier.key == *key) => "has the same `key` as an earlier one",
                _ => continue,
            };
            problems.push(Problem::of(config::number("api.keys", index), format!("(named {name:?}) {text}")));
        }
        problems
    }

    /// Keys that can be guessed.
    pub(crate) fn weak_keys(&self) -> Vec<Problem> {
        let weak = self.keys.iter().enumerate().filter(|(_, entry)| entry.key.expose().len() < SHORTEST);
        let problem = |(index, ApiKey { key, name, .. }): (usize, &ApiKey)| {
            let length = key.expose().len();
            let text = format!(
                "(named {name:?}) has a `key` of {length} bytes and needs at least {SHORTEST}: make one with `openssl rand -base64 32`"
            );
            Problem::of(config::number("api.keys", index), text)
        };
        weak.map(problem).collect()
    }
}

/// Whether a header can carry it.
fn is_graphic(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_graphic())
}
