//! The configuration: a TOML file, overridden by the environment, overridden by flags.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use serde::Deserialize;
use silverback::wire::handshake::{Origin, Origins};
use silverback::{Budget, Deflate, Heartbeat, Upgrader};
use silverback_hub::Policy;

use crate::api_settings::Api;
use crate::auth::{self, Auth, KeysError};
use crate::drain_settings::DrainTimes;
use crate::listening::{Address, Addresses, TlsSettings};
use crate::log;
use crate::otlp_settings::OtlpSettings;

/// Everything that can be configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: Addresses,
    pub(crate) tls: TlsSettings,
    /// What to log: `info`, `debug`, or a filter of tracing's.
    pub(crate) log: String,
    /// How a line of the log looks.
    pub(crate) log_format: log::Format,
    pub(crate) otlp: OtlpSettings,
    /// Whether clients without a token are let in.
    pub(crate) allow_anonymous: bool,
    /// Whose pages may connect, besides those of this server.
    pub(crate) origins: Vec<String>,
    pub(crate) auth: Auth,
    pub(crate) api: Api,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: HeartbeatTimes,
    pub(crate) limits: Limits,
    pub(crate) compression: Compression,
    pub(crate) sessions: Sessions,
    pub(crate) drain: DrainTimes,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    /// Whether they are shown to anybody, without a key.
    pub(crate) public: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeartbeatTimes {
    #[serde(with = "humantime_serde")]
    pub(crate) ping_after: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) dead_after: Duration,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// The largest message, from a client or for one.
    pub(crate) message: ByteSize,
}

/// How many sessions a user may have.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sessions {
    /// None is any number.
    pub(crate) max_per_user: Option<NonZeroUsize>,
    /// Whether a device has one session at most.
    pub(crate) one_per_device: bool,
    pub(crate) when_full: WhenFull,
}

/// Who gives way when a user has as many sessions as it may.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenFull {
    /// The oldest session, with 4409.
    #[default]
    CloseOldest,
    /// The handshake, with 429 or 409.
    RefuseNew,
}

impl Sessions {
    pub(crate) fn policy(&self) -> Policy {
        let when_full = match self.when_full {
            WhenFull::CloseOldest => silverback_hub::WhenFull::close_oldest(),
            WhenFull::RefuseNew => silverback_hub::WhenFull::RefuseNew,
        };
        Policy { max_sessions: self.max_per_user, one_per_device: self.one_per_device, when_full }
    }
}

/// Compression of messages, for clients that offer it (permessage-deflate).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Compression {
    pub(crate) enabled: bool,
    /// From 1 (fast) to 9 (small).
    pub(crate) level: u8,
    /// Smaller messages go as they are.
    pub(crate) threshold: ByteSize,
    /// What all connections may hold together to let messages refer to earlier ones, which makes small ones smaller: about 400 KiB each. 0 is none.
    pub(crate) context_memory: ByteSize,
}

impl Default for Compression {
    fn default() -> Self {
        Self { enabled: true, level: 1, threshold: ByteSize::b(128), context_memory: ByteSize::b(0) }
    }
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// For use, not for printing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Addresses::default(),
            tls: TlsSettings::default(),
            log: "info".to_owned(),
            log_format: log::Format::default(),
            otlp: OtlpSettings::default(),
            allow_anonymous: false,
            origins: Vec::new(),
            auth: Auth::default(),
            api: Api::default(),
            metrics: Metrics::default(),
            heartbeat: HeartbeatTimes::default(),
            limits: Limits::default(),
            compression: Compression::default(),
            sessions: Sessions::default(),
            drain: DrainTimes::default(),
        }
    }
}

impl Default for HeartbeatTimes {
    fn default() -> Self {
        let Heartbeat { ping_after, dead_after } = Heartbeat::default();
        Self { ping_after, dead_after }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: ByteSize::mib(1) }
    }
}

/// The keys that the environment can set, as `SILVERBACK_` and the key in capitals.
const ENVIRONMENT: [&str; 16] = [
    "listen",
    "log",
    "auth.secret",
    "auth.jwks_url",
    "auth.audience",
    "auth.issuer",
    "api.key",
    "heartbeat.ping_after",
    "heartbeat.dead_after",
    "limits.message",
    "drain.over",
    "api.listen",
    "tls.cert",
    "tls.key",
    "log_format",
    "otlp.endpoint",
];

const AUTH_SECRET: &str = "auth.secret (SILVERBACK_AUTH_SECRET)";
const API_KEY: &str = "api.key (SILVERBACK_API_KEY)";

/// What is wrong with the configuration, where, and what to do. It never quotes a value, which may be a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("the configuration file {0} cannot be read")]
    File(String, #[source] std::io::Error),
    #[error("{place}: {problem}")]
    Value { place: String, problem: String },
    #[error("{key} {problem}")]
    Key { key: &'static str, problem: String },
    #[error(transparent)]
    AuthKeys(#[from] KeysError),
}

impl Config {
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("SILVERBACK_") && !variables().iter().any(|known| *known == name) {
                eprintln!("silverback: {name} is not a setting and has no effect; the settings are {}", variables().join(", "));
            }
        }
        Self::load_with(file, |name| std::env::var_os(name))
    }

    fn load_with(file: Option<&Path>, environment: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|error| ConfigError::File(file.display().to_string(), error))?;
            figment = figment.merge(Toml::string(&text));
        }
        let is_set = |key: &str| environment(&variable(key)).is_some();
        for key in ENVIRONMENT {
            let name = variable(key);
            let Some(value) = environment(&name) else { continue };
            let Ok(value) = value.into_string() else {
                return Err(ConfigError::Value { place: name, problem: "its value is not UTF-8".to_owned() });
            };
            // As text, whatever it looks like: a secret of digits is not a number.
            figment = figment.merge(Serialized::default(key, value));
        }
        let config: Self = figment.extract().map_err(|error| explain(error, file, is_set))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fail = |key, problem: String| Err(ConfigError::Key { key, problem });
        for (key, secret) in [(AUTH_SECRET, &self.auth.secret), (API_KEY, &self.api.key)] {
            if secret.as_ref().is_some_and(|secret| secret.expose().is_empty()) {
                return fail(key, "is empty: set it, or take it out".to_owned());
            }
        }
        if let Some(key) = &self.api.key
            && !key.expose().bytes().all(|byte| byte.is_ascii_graphic())
        {
            let problem = "has a space, a line break or a letter beyond ASCII, which no `Authorization` header can carry";
            return fail(API_KEY, problem.to_owned());
        }
        self.api.check()?;
        self.drain.check()?;
        self.otlp.check()?;
        self.tls.check("tls")?;
        if self.heartbeat.ping_after.is_zero() || self.heartbeat.dead_after <= self.heartbeat.ping_after {
            let HeartbeatTimes { ping_after, dead_after } = self.heartbeat;
            let times = format!("{} after a ping at {}", humantime::format_duration(dead_after), humantime::format_duration(ping_after));
            return fail("heartbeat.dead_after", format!("({times}) must be longer than heartbeat.ping_after, which must be above 0"));
        }
        if self.limits.message.as_u64() == 0 {
            return fail("limits.message", "must be above 0".to_owned());
        }
        if !(1..=9).contains(&self.compression.level) {
            return fail("compression.level", format!("({}) must be 1 (fast) to 9 (small)", self.compression.level));
        }
        self.auth.check().or_else(|(key, problem)| fail(key, problem))?;
        self.origins()?;
        Ok(())
    }

    /// Secrets must be long enough that nobody can guess them, where anybody can try. Only for trying things out on one machine they need not be.
    pub(crate) fn check_strength(&self, is_local: bool) -> Result<(), ConfigError> {
        match self.strength() {
            Err(weak) if is_local => {
                tracing::warn!("{weak} (good enough on a loopback address, refused on any other)");
                Ok(())
            }
            strength => strength,
        }
    }

    fn strength(&self) -> Result<(), ConfigError> {
        // A key of HS256 is as long as the hash (RFC 7518, 3.2).
        for (key, secret, shortest) in [(AUTH_SECRET, &self.auth.secret, 32), (API_KEY, &self.api.key, 16)] {
            if let Some(length) = secret.as_ref().map(|secret| secret.expose().len()).filter(|length| *length < shortest) {
                let problem = format!("has {length} bytes and needs at least {shortest}: make one with `openssl rand -base64 32`");
                return Err(ConfigError::Key { key, problem });
            }
        }
        self.api.check_strength()?;
        Ok(auth::check_strength(&self.auth)?)
    }

    fn origins(&self) -> Result<Origins, ConfigError> {
        if self.origins.is_empty() {
            return Ok(Origins::Same);
        }
        let origins = self.origins.iter().map(|text| Origin::parse(text)).collect::<Result<_, _>>();
        origins.map(Origins::SameAnd).map_err(|error| ConfigError::Key { key: "origins", problem: format!("has a wrong entry: {error}") })
    }

    /// How connections of clients are taken and kept.
    pub(crate) fn upgrader(&self) -> Result<Upgrader, ConfigError> {
        Ok(Upgrader::builder()
            .origins(self.origins()?)
            .subprotocols([crate::identity::SUBPROTOCOL])
            .message_limit(self.message_limit())
            .heartbeat(Heartbeat { ping_after: self.heartbeat.ping_after, dead_after: self.heartbeat.dead_after })
            .deflate(self.deflate())
            .build())
    }

    fn deflate(&self) -> Option<Deflate> {
        let Compression { enabled, level, threshold, context_memory } = self.compression;
        let options = Deflate::default().level(level).threshold(bytes(threshold));
        let options = if context_memory.as_u64() > 0 { options.context_takeover(Budget::new(bytes(context_memory))) } else { options };
        enabled.then_some(options)
    }

    /// Where the API is, as far as the configuration says.
    pub(crate) fn api_url(&self) -> Option<String> {
        match &self.api.listen {
            Some(addresses) => addresses.url(self.api.tls.is_on()),
            None => self.listen.url(self.tls.is_on()),
        }
    }

    pub(crate) fn message_limit(&self) -> usize {
        bytes(self.limits.message)
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}

/// The variables that set something.
pub(crate) fn variables() -> [String; ENVIRONMENT.len()] {
    ENVIRONMENT.map(variable)
}

/// An address of the command line.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:8080")
}

/// An address of the command line to listen on, which may be a Unix socket.
pub(crate) fn parse_listen(text: &str) -> Result<Address, &'static str> {
    text.parse()
}

/// A time of the command line.
pub(crate) fn parse_time(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "write a time, as in 15m or 24h")
}

/// A size of the command line.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| "write a size, as in 64MiB")
}

/// What to log, for a command that needs nothing else of the configuration.
pub(crate) fn log_filter() -> String {
    std::env::var(variable("log")).unwrap_or_else(|_| Config::default().log)
}

fn variable(key: &str) -> String {
    format!("SILVERBACK_{}", key.replace('.', "_").to_uppercase())
}

/// Says where and what is wrong, without the value that is wrong.
fn explain(error: figment::Error, file: Option<&Path>, is_set: impl Fn(&str) -> bool) -> ConfigError {
    let key = error.path.join(".");
    let file = file.map_or("the configuration".to_owned(), |file| file.display().to_string());
    let place = match key.as_str() {
        "" => file,
        key if is_set(key) => variable(key),
        key => format!("{file}, {key}"),
    };
    let hint = match key.as_str() {
        "listen" | "api.listen" => ": write an IP address and a port, as in 127.0.0.1:8080, or unix:/path/to.sock, or a list of them",
        "tls.min_version" | "api.tls.min_version" => ": write \"1.2\" or \"1.3\"",
        "log_format" => ": write \"text\" or \"json\"",
        "otlp.endpoint" => ": write an address with http:// or https://, as in http://127.0.0.1:4318",
        "sessions.max_per_user" => ": write a number above 0",
        "sessions.when_full" => ": write \"close-oldest\" or \"refuse-new\"",
        "limits.message" | "compression.threshold" | "compression.context_memory" => ": write a size, as in 1MiB",
        "heartbeat.ping_after"
        | "heartbeat.dead_after"
        | "auth.leeway"
        | "auth.expiry_warning"
        | "auth.jwks_min_interval"
        | "drain.over"
        | "drain.come_back_within" => ": write a time, as in 20s or 500ms",
        "auth.jwks_url" => ": write an address with http:// or https:// and no user in it",
        key if key.starts_with("auth.keys.") && key.ends_with(".algorithm") => {
            ": write one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
        }
        key if key.starts_with("api.keys") => ": write [[api.keys]] with `key`, `rights` (some of send, read, close, drain) and `name`",
        _ => "",
    };
    let problem = match error.kind {
        Kind::UnknownField(field, known) => format!("there is no key `{field}` here; the keys are {}", known.join(", ")),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("the value is not good{hint} (expected {expected})"),
        // The parser of TOML quotes the line in between.
        Kind::Message(text) if text.contains('\n') => {
            let lines = text.lines().filter(|line| !line.contains('|') && !line.trim().is_empty());
            lines.collect::<Vec<_>>().join(": ")
        }
        _ => format!("the value is not good{hint}"),
    };
    ConfigError::Value { place, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config, String> {
        let find = |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(*value));
        Config::load_with(None, find).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_configured_is_a_good_configuration() {
        let config = load(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!((config.heartbeat.ping_after.as_secs(), config.heartbeat.dead_after.as_secs()), (20, 30));
        assert_eq!(config.message_limit(), 1 << 20);
    }

    #[test]
    fn the_environment_sets_keys_in_human_units_and_never_as_numbers() {
        let config = load(&[
            ("SILVERBACK_LISTEN", "127.0.0.1:9"),
            ("SILVERBACK_AUTH_SECRET", "01234567890123456789012345678901"),
            ("SILVERBACK_API_KEY", "12345678901234567890"),
            ("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms"),
            ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1s"),
            ("SILVERBACK_LIMITS_MESSAGE", "2MiB"),
        ]);
        let config = config.unwrap();
        assert_eq!(config.api.key.unwrap().expose(), "12345678901234567890");
        assert_eq!(config.heartbeat.dead_after, Duration::from_secs(1));
        assert_eq!(config.limits.message, ByteSize::mib(2));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_cure_and_without_the_secret() {
        for (name, value, part) in [
            ("SILVERBACK_AUTH_SECRET", "", "is empty"),
            ("SILVERBACK_API_KEY", "", "is empty"),
            ("SILVERBACK_HEARTBEAT_PING_AFTER", "30s", "longer than heartbeat.ping_after"),
            ("SILVERBACK_HEARTBEAT_PING_AFTER", "soon", "SILVERBACK_HEARTBEAT_PING_AFTER: the value is not good: write a time"),
            ("SILVERBACK_LIMITS_MESSAGE", "0", "above 0"),
            ("SILVERBACK_LISTEN", "localhost", "SILVERBACK_LISTEN: the value is not good: write an IP address"),
            ("SILVERBACK_API_KEY", "a key with spaces in it", "no `Authorization` header"),
        ] {
            let error = load(&[(name, value)]).unwrap_err();
            assert!(error.contains(part), "{error}");
            assert!(!error.contains("spaces in it"), "{error}");
        }
    }

    #[test]
    fn a_file_sets_the_compression_within_its_bounds() {
        let load = |text: &str| {
            let file = std::env::temp_dir().join(format!("silverback-config-{}-{}.toml", std::process::id(), text.len()));
            std::fs::write(&file, text).unwrap();
            let loaded = Config::load_with(Some(&file), |_| None).map_err(|error| error.to_string());
            std::fs::remove_file(&file).unwrap();
            loaded
        };
        let config = load("[compression]\nlevel = 9\nthreshold = \"1KiB\"\ncontext_memory = \"64MiB\"").unwrap();
        assert_eq!(config.deflate().unwrap().budget().limit(), 64 << 20);
        assert!(load("[compression]\nenabled = false").unwrap().deflate().is_none());
        assert!(load("").unwrap().deflate().is_some(), "on unless it is switched off");
        for bad in ["level = 0", "level = 10", "threshold = \"small\"", "windows = 1"] {
            let error = load(&format!("[compression]\n{bad}")).unwrap_err();
            assert!(error.contains("compression"), "{error}");
        }
    }

    #[test]
    fn what_a_users_sessions_may_be_is_any_number_unless_a_bound_is_set() {
        assert_eq!(load(&[]).unwrap().sessions.policy().max_sessions, None);
    }

    #[test]
    fn secrets_have_a_shortest_length_and_are_never_shown() {
        for (variable, shortest) in [("SILVERBACK_AUTH_SECRET", 32), ("SILVERBACK_API_KEY", 16)] {
            assert!(load(&[(variable, &"x".repeat(shortest))]).unwrap().strength().is_ok());
            let short = load(&[(variable, &"x".repeat(shortest - 1))]).unwrap();
            let error = short.strength().unwrap_err().to_string();
            assert!(error.contains(&format!("needs at least {shortest}")), "{error}");
            assert!(!format!("{short:?}{error}").contains("xxx"));
        }
    }
}
