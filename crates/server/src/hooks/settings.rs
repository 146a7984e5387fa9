//! The section `[hooks]` of the configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use http::HeaderValue;
use toml::Value;

use super::event::Kind;
use super::signature::{KeyError, Signer};
use crate::config::{Problem, Secret, Secrets, Setting, section, words};
use crate::http_url::HttpUrl;

section! {
    /// What the back end is told, and how: docs/hooks.md.
    pub(crate) struct Settings {
        /// Where the back end hears what happens. Unset: nowhere.
        pub(crate) url: Option<HttpUrl> = None, like "\"http://127.0.0.1:3000/hooks\"" => restart;
        /// What requests to it are signed with, as from `echo whsec_$(openssl rand -base64 32)`: a text, or a list while it is changed.
        pub(crate) secret: HookSecrets = HookSecrets::default(), like "\"whsec_dGhpcyBzZWNyZXQgaXMgb25seSBhbiBleGFtcGxl\"" => restart;
        /// What it hears of: some of `connect`, `connected`, `message`, `ended`.
        pub(crate) events: Vec<Kind> = Kind::ALL.to_vec() => restart;
        /// How this server calls itself (`ce-source`).
        pub(crate) source: String = "silverback".to_owned() => restart;
        /// How long one request may take.
        pub(crate) timeout: Duration = Duration::from_secs(10) => restart;
        /// How long a handshake may wait for its judgement.
        pub(crate) connect_timeout: Duration = Duration::from_secs(5) => restart;
        /// How long a message is tried, before its session is closed with 1013.
        pub(crate) give_up_after: Duration = Duration::from_secs(30) => restart;
        /// How many requests may be under way: so many for handshakes, and so many for the rest.
        pub(crate) concurrency: NonZeroUsize = CONCURRENCY => restart;
        /// Handshakes while the back end is down: `refuse` all, or `allow` those with a good token.
        pub(crate) when_down: WhenDown = WhenDown::Refuse => restart;
        pub(crate) spool: SpoolSettings = SpoolSettings::default();
    }
}

section! {
    /// Where begins and ends of sessions are kept until the back end has them.
    pub(crate) struct SpoolSettings {
        /// A directory of its own. It is made if it is not there.
        pub(crate) directory: PathBuf = PathBuf::from("silverback-spool") => restart;
        /// How much may be kept, about 4KiB for each session. Beyond, handshakes are refused.
        pub(crate) limit: ByteSize = ByteSize::mib(256) => restart;
        /// How long an event is kept and tried.
        pub(crate) keep: Duration = Duration::from_secs(72 * 3600) => restart;
        /// Whether each is on the disk, and not only with the kernel, before it is sent.
        pub(crate) sync: bool = true => restart;
    }
}

const CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// What becomes of handshakes while the back end cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenDown {
    /// They get 503.
    Refuse,
    /// Those with a good token are let in, as their token says.
    Allow,
}

words!(WhenDown, "write \"refuse\" or \"allow\"", { "refuse" => Self::Refuse, "allow" => Self::Allow });

/// One secret or a list of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookSecrets(pub(crate) Vec<Secret>);

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

    /// What cannot be.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, text: &str| problems.push(Problem::of(key, text));
        match (&self.url, Signer::new(&self.secret.0)) {
            (None, Err(KeyError::None)) => {}
            (None, _) => add("hooks.secret", "is set, and hooks.url is not: say where the back end listens"),
            (Some(_), Ok(_)) => {}
            (Some(_), Err(KeyError::None)) => {
                add("hooks.secret", "is missing: make one with `echo whsec_$(openssl rand -base64 32)`, for here and for the back end");
            }
            (Some(_), Err(error)) => add("hooks.secret", &error.to_string()),
        }
        if self.events.is_empty() {
            add("hooks.events", "is empty: name some of connect, connected, message, ended");
        }
        if self.source.is_empty() || HeaderValue::from_str(&self.source).is_err() || !self.source.is_ascii() {
            add("hooks.source", "must be an address or a name of printable ASCII, as in silverback");
        }
        let times = [
            ("hooks.timeout", self.timeout),
            ("hooks.connect_timeout", self.connect_timeout),
            ("hooks.give_up_after", self.give_up_after),
            ("hooks.spool.keep", self.spool.keep),
        ];
        times.into_iter().filter(|(_, time)| time.is_zero()).for_each(|(key, _)| add(key, "must be above 0"));
        if self.concurrency.get() > MOST_CONCURRENCY {
            add("hooks.concurrency", &format!("must be at most {MOST_CONCURRENCY}"));
        }
        if self.spool.limit < SMALLEST_SPOOL {
            add("hooks.spool.limit", "must be at least 64KiB");
        }
        problems
    }
}

impl Setting for HookSecrets {
    const CURE: &'static str = "write a text, or a list of texts";

    fn read(value: &Value) -> Option<Self> {
        let one = || Secret::read(value).map(|secret| vec![secret]);
        one().or_else(|| value.as_array()?.iter().map(Secret::read).collect()).map(Self)
    }

    fn written(&self, secrets: Secrets) -> Option<Value> {
        match &*self.0 {
            [] => None,
            [one] => one.written(secrets),
            more => more.iter().map(|secret| secret.written(secrets)).collect::<Option<Vec<_>>>().map(Value::Array),
        }
    }

    fn unset() -> Option<Self> {
        Some(Self::default())
    }
}

impl Setting for Vec<Kind> {
    const CURE: &'static str = "write a list of some of \"connect\", \"connected\", \"message\", \"ended\"";

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(|word| Kind::named(word.as_str()?)).collect()
    }

    fn read_text(text: &str) -> Option<Self> {
        text.split(',').map(|word| Kind::named(word.trim())).collect()
    }

    fn written(&self, _: Secrets) -> Option<Value> {
        Some(self.iter().map(|kind| kind.name()).collect::<Vec<_>>().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(toml: &str) -> Result<Settings, String> {
        crate::config::from_toml(&format!("[hooks]\n{toml}")).map(|config| config.hooks).map_err(|error| error.to_string())
    }

    const GOOD: &str = "url = \"http://127.0.0.1:3000/hooks\"\nsecret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\n";

    #[test]
    fn nothing_configured_tells_nobody() {
        let settings = Settings::default();
        assert_eq!(settings.problems(), []);
        assert!(!settings.authenticates() && Kind::ALL.iter().all(|kind| !settings.wants(*kind)));
    }

    #[test]
    fn an_address_and_a_secret_are_enough() {
        let settings = parsed(GOOD).unwrap();
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
            let error = parsed(&format!("{GOOD}{more}")).unwrap_err();
            assert!(error.contains(key), "{more}: {error}");
        }
        for good in ["concurrency = 1", "concurrency = 4096", "spool = { limit = \"64KiB\" }", "when_down = \"allow\""] {
            parsed(&format!("{GOOD}{good}")).unwrap();
        }
        assert!(parsed("url = \"http://a/\"").unwrap_err().contains("hooks.secret"));
        assert!(parsed("secret = \"whsec_AAAA\"").unwrap_err().contains("hooks.url"));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let error = parsed("url = \"http://a/\"\nsecret = [\"whsec_aHVzaA==\"]").unwrap_err();
        assert!(error.contains("hooks.secret") && !error.contains("aHVzaA"), "{error}");
        let shown = format!("{:?}", parsed(GOOD).unwrap());
        assert!(!shown.contains("MDEyMzQ1"), "{shown}");
    }
}
