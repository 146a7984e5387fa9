//! The configuration: a TOML file, overridden by the environment, overridden by flags.
//!
//! ```text
//!   Layers (file, variables, flags) ── load ──▶ Loaded { Config, where each value is from } │ every Problem, with line, key and cure
//!                                                 ├─ print, example: as TOML              (`config print`, `config example`)
//!                                                 └─ changes: what a hang-up has changed  (SIGHUP)
//! ```
//!
//! **To add a section**, describe it with [`section!`] in a file of its own (`heartbeat.rs` is a short one), and give it a field in
//! [`Config`] below. The doc comments are what the example says, the types ([`Setting`]: see `values.rs`, and `words!` for an enum) know how
//! a value is written, `like "…"` shows one where there is none by default, and `=> restart` marks what a hang-up cannot change. Settings
//! come first, lists of sections next, sections last. What cannot be is told by a `problems()` of the section, which [`Config::problems`]
//! asks. Then `silverback config example > docs/silverback.example.toml` and a line in the table of docs/server.md: tests compare both with
//! the model.
//!
//! Where to start reading: `heartbeat.rs`, then `model.rs` and `load.rs`.

mod arguments;
mod changes;
mod command;
mod compression;
mod environment;
mod example;
mod heartbeat;
mod load;
mod log;
mod metrics;
mod model;
mod print;
mod problem;
mod runtime;
mod secret;
mod sessions;
mod strength;
mod values;

use silverback::wire::handshake::{Origin, Origins};
use silverback::{Budget, Upgrader};

use crate::api_settings::Api;
use crate::auth::Auth;
use crate::drain_settings::DrainTimes;
use crate::hooks::Settings as Hooks;
use crate::limits::Limits;
use crate::listening::{Addresses, TlsSettings};
use crate::log::Format;
use crate::otlp_settings::OtlpSettings;
use crate::proxies::Proxies;

pub(crate) use arguments::{parse_address, parse_count, parse_listen, parse_size, parse_time};
pub(crate) use changes::{Change, changes, keep_what_needs_a_restart};
pub(crate) use command::{check, example, print};
use compression::Compression;
pub(crate) use environment::variable;
use heartbeat::HeartbeatTimes;
pub(crate) use load::{Flag, Layers, Loaded, number};
pub(crate) use log::log_filter;
use metrics::Metrics;
pub(crate) use model::{About, Entries, Field, Secrets, Section, Setting, Slot, Visitor, section};
pub(crate) use problem::{ConfigError, Problem, Source};
pub(crate) use runtime::Runtime;
pub(crate) use secret::Secret;
use sessions::Sessions;
pub(crate) use values::words;

section! {
    /// Everything that can be configured.
    pub(crate) struct Config {
        /// Where to listen: an address or a list of them, each an IP address and a port, or `unix:/path/to.sock`.
        pub(crate) listen: Addresses = Addresses::default() => restart;
        /// What to log: `error`, `warn`, `info`, `debug`, `trace`, or a filter of tracing's. `debug` shows every message that clients
        /// send.
        pub(crate) log: String = "info".to_owned();
        /// How a line of the log looks: `text` for people, `json` for machines.
        pub(crate) log_format: Format = Format::Text => restart;
        /// Whether clients without a token are let in, each as a user of its own. On a loopback address that lets in any web page that plays
        /// DNS tricks: for trying out only.
        pub(crate) allow_anonymous: bool = false;
        /// Whose pages may connect, besides those of this server.
        pub(crate) origins: Vec<String> = Vec::new(), like "[\"https://app.example.com\"]";
        pub(crate) tls: TlsSettings = TlsSettings::default();
        pub(crate) auth: Auth = Auth::default();
        pub(crate) api: Api = Api::default();
        pub(crate) metrics: Metrics = Metrics::default();
        pub(crate) heartbeat: HeartbeatTimes = HeartbeatTimes::default();
        pub(crate) limits: Limits = Limits::default();
        pub(crate) runtime: Runtime = Runtime::default();
        pub(crate) proxies: Proxies = Proxies::default();
        pub(crate) sessions: Sessions = Sessions::default();
        pub(crate) hooks: Hooks = Hooks::default();
        pub(crate) drain: DrainTimes = DrainTimes::default();
        pub(crate) compression: Compression = Compression::default();
        pub(crate) otlp: OtlpSettings = OtlpSettings::default();
    }
}

impl Config {
    /// What cannot be, though each value is of the right kind.
    fn problems(&self) -> Vec<Problem> {
        let sections = [
            self.auth.problems(),
            self.api.problems(),
            self.heartbeat.problems(),
            self.limits.problems(),
            self.hooks.problems(),
            self.compression.problems(),
        ];
        let log = log::problem(&self.log).map(|text| Problem::of("log", text));
        let origins = self.origins().err().map(|text| Problem::of("origins", text));
        let operation = [self.drain.problems(), self.otlp.problems()];
        let tls = self.tls.problems("tls");
        sections.into_iter().chain(operation).flatten().chain(log).chain(origins).chain(tls).collect()
    }

    fn origins(&self) -> Result<Origins, String> {
        if self.origins.is_empty() {
            return Ok(Origins::Same);
        }
        let origins = self.origins.iter().map(|text| Origin::parse(text)).collect::<Result<_, _>>();
        origins.map(Origins::SameAnd).map_err(|error| format!("has a wrong entry: {error}"))
    }

    /// How connections of clients are taken and kept.
    pub(crate) fn upgrader(&self, budget: &Budget) -> Upgrader {
        Upgrader::builder()
            .origins(self.origins().unwrap_or_default()) // checked when it was loaded
            .subprotocols([crate::identity::SUBPROTOCOL])
            .message_limit(self.limits.message())
            .queue(self.limits.queue())
            .head_limit(self.limits.head())
            .handshake_timeout(self.limits.handshake_timeout)
            .heartbeat(self.heartbeat.heartbeat())
            .deflate(self.compression.deflate(budget))
            .build()
    }

    /// Whether the server can only be reached from its own machine.
    pub(crate) fn is_local(&self) -> bool {
        self.listen.are_local() && self.api.listen.as_ref().is_none_or(Addresses::are_local)
    }

    /// Where the API is, as far as the configuration says.
    pub(crate) fn api_url(&self) -> Option<String> {
        match &self.api.listen {
            Some(addresses) => addresses.url(self.api.tls.is_on()),
            None => self.listen.url(self.tls.is_on()),
        }
    }
}

/// What a text of TOML configures.
#[cfg(test)]
pub(crate) fn from_toml(text: &str) -> Result<Config, ConfigError> {
    load::from_text("test.toml", text).map(|loaded| loaded.config)
}

/// A key of the configuration.
pub(crate) struct Key {
    pub(crate) path: String,
    pub(crate) is_scalar: bool,
}

/// Every key, but those in lists.
pub(crate) fn keys() -> Vec<Key> {
    #[derive(Default)]
    struct Keys {
        section: String,
        found: Vec<Key>,
    }
    impl Visitor for Keys {
        fn setting(&mut self, about: &About, slot: &mut dyn Slot) {
            self.found.push(Key { path: format!("{}{}", self.section, about.name), is_scalar: slot.is_scalar() });
        }

        fn section(&mut self, about: &About, section: &mut dyn Section) {
            let inner = format!("{}{}.", self.section, about.name);
            let outer = std::mem::replace(&mut self.section, inner);
            section.visit(self);
            self.section = outer;
        }

        fn entries(&mut self, about: &About, _: &mut dyn Entries) {
            self.found.push(Key { path: format!("{}{}", self.section, about.name), is_scalar: false });
        }
    }
    let mut keys = Keys::default();
    Config::default().visit(&mut keys);
    keys.found
}

#[cfg(test)]
mod tests;
