//! The section `[hooks]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use http::HeaderValue;
use serde::Deserialize;

use super::event::Kind;
use super::signature::{KeyError, Signer};
use crate::config::Secret;
use crate::http_url::HttpUrl;

/// What the back end is told, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where the back end listens. None: it is told nothing.
    pub(crate) url: Option<HttpUrl>,
    /// What requests are signed with: one secret, or several while they are changed.
    pub(crate) secret: Secrets,
    /// What it is told of.
    pub(crate) events: Vec<Kind>,
    /// How this server calls itself.
    pub(crate) source: String,
    /// How long one request may take.
    #[serde(with = "humantime_serde")]
    pub(crate) timeout: Duration,
    /// How long a client may wait for the answer to its handshake.
    #[serde(with = "humantime_serde")]
    pub(crate) connect_timeout: Duration,
    /// How long a message is tried.
    #[serde(with = "humantime_serde")]
    pub(crate) give_up_after: Duration,
    /// How many requests may be under way: so many for handshakes, and so many for the rest.
    pub(crate) concurrency: usize,
    pub(crate) when_down: WhenDown,
    pub(crate) spool: SpoolSettings,
}

/// Where that is kept which the back end has not taken yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SpoolSettings {
    pub(crate) directory: PathBuf,
    /// The most bytes that may be kept.
    pub(crate) limit: ByteSize,
    /// How long an event is kept and tried.
    #[serde(with = "humantime_serde")]
    pub(crate) keep: Duration,
    /// Whether each event must be on the disk, and not only with the kernel, before it is sent.
    pub(crate) sync: bool,
}

/// What becomes of handshakes while the back end cannot be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenDown {
    /// They get 503.
    #[default]
    Refuse,
    /// Those with a good token are let in, as their token says.
    Allow,
}

/// One secret or a list of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "OneOrMore")]
pub(crate) struct Secrets(pub(crate) Vec<Secret>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a list of texts")]
enum OneOrMore {
    One(Secret),
    More(Vec<Secret>),
}

impl From<OneOrMore> for Secrets {
    fn from(secrets: OneOrMore) -> Self {
        match secrets {
            OneOrMore::One(secret) => Self(vec![secret]),
            OneOrMore::More(secrets) => Self(secrets),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: None,
            secret: Secrets::default(),
            events: Kind::ALL.to_vec(),
            source: "silverback".to_owned(),
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            concurrency: 64,
            when_down: WhenDown::Refuse,
            spool: SpoolSettings::default(),
        }
    }
}

impl Default for SpoolSettings {
    fn default() -> Self {
        let keep = Duration::from_secs(72 * 3600);
        Self { directory: PathBuf::from("silverback-spool"), limit: ByteSize::mib(256), keep, sync: true }
    }
}

/// The most requests under way: each holds a descriptor.
const MOST_CONCURRENCY: usize = 4096;

/// The least that a spool may hold.
const SMALLEST_SPOOL: ByteSize = ByteSize::kib(64);

impl Settings {
    pub(crate) fn wants(&self, kind: Kind) -> bool {
        self.url.is_some() && self.events.contains(&kind)
    }

    /// Whether handshakes without a token are the back end's to judge.
    pub(crate) fn authenticates(&self) -> bool {
        self.wants(Kind::Connect)
    }

    /// What is wrong: the key and the problem.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let fail = |key, problem: &str| Err((key, problem.to_owned()));
        if self.url.is_none() {
            return if self.secret.0.is_empty() { Ok(()) } else { fail("hooks.url", "is missing: say where the back end listens") };
        }
        match Signer::new(&self.secret.0) {
            Ok(_) => {}
            Err(KeyError::None) => {
                return fail(
                    "hooks.secret",
                    "is missing: make one with `echo whsec_$(openssl rand -base64 32)`, for here and for the back end",
                );
            }
            Err(error) => return Err(("hooks.secret", error.to_string())),
        }
        if self.events.is_empty() {
            return fail("hooks.events", "is empty: name some of connect, connected, message, ended");
        }
        if self.source.is_empty() || HeaderValue::from_str(&self.source).is_err() || !self.source.is_ascii() {
            return fail("hooks.source", "must be an address or a name of printable ASCII, as in silverback");
        }
        let times = [
            ("hooks.timeout", self.timeout),
            ("hooks.connect_timeout", self.connect_timeout),
            ("hooks.give_up_after", self.give_up_after),
            ("hooks.spool.keep", self.spool.keep),
        ];
        if let Some((key, _)) = times.into_iter().find(|(_, time)| time.is_zero()) {
            return fail(key, "must be above 0");
        }
        if !(1..=MOST_CONCURRENCY).contains(&self.concurrency) {
            return Err(("hooks.concurrency", format!("({}) must be 1 to {MOST_CONCURRENCY}", self.concurrency)));
        }
        if self.spool.limit < SMALLEST_SPOOL {
            return Err(("hooks.spool.limit", format!("must be at least {SMALLEST_SPOOL}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(toml: &str) -> Result<Settings, String> {
        use figment::providers::{Format as _, Toml};
        figment::Figment::from(Toml::string(toml)).extract().map_err(|error| error.to_string())
    }

    const GOOD: &str = "url = \"http://127.0.0.1:3000/hooks\"\nsecret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n";

    #[test]
    fn nothing_configured_tells_nobody() {
        let settings = Settings::default();
        settings.check().unwrap();
        assert!(!settings.authenticates() && Kind::ALL.iter().all(|kind| !settings.wants(*kind)));
    }

    #[test]
    fn an_address_and_a_secret_are_enough() {
        let settings = parsed(GOOD).unwrap();
        settings.check().unwrap();
        assert!(Kind::ALL.iter().all(|kind| settings.wants(*kind)));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_cure() {
        for (more, key) in [
            ("events = []", "hooks.events"),
            ("source = \"\"", "hooks.source"),
            ("source = \"a\\nb\"", "hooks.source"),
            ("timeout = \"0s\"", "hooks.timeout"),
            ("connect_timeout = \"0s\"", "hooks.connect_timeout"),
            ("give_up_after = \"0s\"", "hooks.give_up_after"),
            ("concurrency = 0", "hooks.concurrency"),
            ("concurrency = 4097", "hooks.concurrency"),
            ("spool = { keep = \"0s\" }", "hooks.spool.keep"),
            ("spool = { limit = \"65535B\" }", "hooks.spool.limit"),
        ] {
            assert_eq!(parsed(&format!("{GOOD}{more}")).unwrap().check().unwrap_err().0, key, "{more}");
        }
        for good in ["concurrency = 1", "concurrency = 4096", "spool = { limit = \"64KiB\" }", "when_down = \"allow\""] {
            parsed(&format!("{GOOD}{good}")).unwrap().check().unwrap();
        }
        assert_eq!(parsed("url = \"http://a/\"").unwrap().check().unwrap_err().0, "hooks.secret");
        assert_eq!(parsed("secret = \"whsec_AAAA\"").unwrap().check().unwrap_err().0, "hooks.url");
    }

    #[test]
    fn a_secret_is_never_shown() {
        let short = parsed("url = \"http://a/\"\nsecret = [\"whsec_aHVzaA==\"]").unwrap();
        let (key, problem) = short.check().unwrap_err();
        assert_eq!(key, "hooks.secret");
        assert!(!format!("{short:?}{problem}").contains("aHVzaA"), "{problem}");
    }
}
