//! The sections `[tls]` and `[api.tls]` of the configuration.

use std::path::PathBuf;

use crate::config::{Problem, section, words};

section! {
    /// TLS at the TCP addresses of `listen`, or of `api.listen`. The files are read again when they change, and by SIGHUP.
    pub(crate) struct TlsSettings {
        /// A file with the certificates (PEM), the server's own first.
        pub(crate) cert: Option<PathBuf> = None, like "\"/etc/letsencrypt/live/example.com/fullchain.pem\"" => restart;
        /// A file with the private key (PEM).
        pub(crate) key: Option<PathBuf> = None, like "\"/etc/letsencrypt/live/example.com/privkey.pem\"" => restart;
        /// The oldest version that is spoken: `1.2` or `1.3`.
        pub(crate) min_version: MinVersion = MinVersion::Tls12 => restart;
    }
}

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MinVersion {
    Tls12,
    Tls13,
}

words!(MinVersion, "write \"1.2\" or \"1.3\"", { "1.2" => Self::Tls12, "1.3" => Self::Tls13 });

impl TlsSettings {
    /// Whether TLS is spoken.
    pub(crate) fn is_on(&self) -> bool {
        self.cert.is_some()
    }

    /// What cannot be. `section` is `tls` or `api.tls`.
    pub(crate) fn problems(&self, section: &str) -> Option<Problem> {
        let (set, missing) = match (&self.cert, &self.key) {
            (Some(_), None) => ("cert", "key"),
            (None, Some(_)) => ("key", "cert"),
            _ => return None,
        };
        Some(Problem::of(format!("{section}.{set}"), format!("has no {section}.{missing} beside it: give both, or neither")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_and_its_key_go_together() {
        let problem = |cert: Option<&str>, key: Option<&str>| {
            let settings = TlsSettings { cert: cert.map(Into::into), key: key.map(Into::into), ..TlsSettings::default() };
            settings.problems("api.tls").map(|problem| problem.key)
        };
        assert_eq!((problem(None, None), problem(Some("c"), Some("k"))), (None, None));
        assert_eq!(problem(Some("c"), None).as_deref(), Some("api.tls.cert"));
        assert_eq!(problem(None, Some("k")).as_deref(), Some("api.tls.key"));
    }
}
