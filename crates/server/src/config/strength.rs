//! Secrets must be long enough that nobody can guess them, where anybody can try.

use super::{Config, ConfigError, Loaded, Problem, Source};
use crate::auth;

impl Loaded {
    /// On one machine, for trying things out, secrets need not be strong; then it is only said.
    pub(crate) fn check_strength(&self, is_local: bool) -> Result<(), ConfigError> {
        match self.strength() {
            Err(weak) if is_local => {
                tracing::warn!("{weak} (good enough on a loopback address, refused on any other)");
                Ok(())
            }
            strength => strength,
        }
    }

    pub(super) fn strength(&self) -> Result<(), ConfigError> {
        let Config { auth, api, .. } = &self.config;
        let mut weak = Vec::new();
        // A key of HS256 is as long as the hash (RFC 7518, 3.2).
        for (key, secret, shortest) in [("auth.secret", &auth.secret, 32), ("api.key", &api.key, 16)] {
            if let Some(length) = secret.as_ref().map(|secret| secret.expose().len()).filter(|length| *length < shortest) {
                let text = format!("has {length} bytes and needs at least {shortest}: make one with `openssl rand -base64 32`");
                let source = self.sources.get(key).cloned().unwrap_or(Source::Default);
                weak.push(Problem { source, ..Problem::of(key, text) });
            }
        }
        weak.extend(api.weak_keys().into_iter().map(|problem| {
            let source = self.sources.get(&problem.key).cloned().unwrap_or(Source::Default);
            Problem { source, ..problem }
        }));
        if weak.is_empty() { Ok(auth::check_strength(auth)?) } else { Err(ConfigError::Problems(weak)) }
    }
}
