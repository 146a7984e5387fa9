//! The key `log`.

use tracing_subscriber::EnvFilter;

use super::{Config, variable};

/// What is wrong with a filter.
pub(super) fn problem(filter: &str) -> Option<String> {
    if let Err(error) = EnvFilter::try_new(filter) {
        return Some(format!("{filter:?} is not a log filter: {error}; write error, warn, info, debug or trace"));
    }
    unknown_level(filter).map(|word| format!("{word:?} is not a level: write error, warn, info, debug or trace"))
}

/// A word of a log filter that stands where a level belongs and is none. Left to itself the filter would take it for a module's name and
/// log nothing at all.
fn unknown_level(filter: &str) -> Option<&str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = |word: &str| word.contains('=') || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    filter.split(',').map(str::trim).find(|word| !is_known(word))
}

/// What to log, for a command that needs nothing else of the configuration.
pub(crate) fn log_filter() -> Result<String, String> {
    let filter = std::env::var(variable("log")).unwrap_or_else(|_| Config::default().log);
    match problem(&filter) {
        Some(problem) => Err(format!("log ({}) {problem}", variable("log"))),
        None => Ok(filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_found_in_a_filter() {
        assert_eq!(unknown_level("verbose"), Some("verbose"));
        assert_eq!(unknown_level("info,silverback_hub=debug, xx"), Some("xx"));
        assert_eq!(unknown_level("INFO,silverback_hub=debug"), None);
    }
}
