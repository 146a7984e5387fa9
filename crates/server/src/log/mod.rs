//! The log: lines of text for a terminal, or JSON for a machine, on standard error; standard output is for what a command was asked for.
//!
//! ```text
//!   tracing ─┬─▶ the level (`log`) ─▶ limit.rs (so many of a kind in a second) ─▶ text or JSON (`log_format`) ─▶ standard error
//!            └─▶ spans of traces.rs ─▶ a collector, if one is configured
//! ```

mod limit;

use std::error::Error;
use std::io::IsTerminal as _;
use std::sync::Arc;

use serde::Deserialize;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::traces;

use limit::Limited;
pub(crate) use limit::{Limit, tell_left_out};

/// What is told of each session, which is not limited: a beginning and an end for each.
pub(crate) const SESSIONS: &str = "silverback_server::sessions";

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Something else that is told what happens.
pub(crate) type More = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to log. `filter_text` is a level, or a filter of tracing's.
pub(crate) fn start(filter_text: &str, format: Format, more: Option<More>) -> Result<Arc<Limit>, Box<dyn Error>> {
    let filter = EnvFilter::try_new(filter_text).map_err(|error| {
        format!("SILVERBACK_LOG (`log`) {filter_text:?} is not a log filter: {error}; write error, warn, info, debug or trace")
    })?;
    if let Some(word) = unknown_level(filter_text) {
        return Err(format!("SILVERBACK_LOG (`log`) {word:?} is not a level: write error, warn, info, debug or trace").into());
    }
    let limit = Arc::new(Limit::default());
    let lines = layer().with_writer(std::io::stderr).with_target(false).log_internal_errors(false);
    let lines = match format {
        Format::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            lines.map_event_format(|format| Limited::new(format, limit.clone())).boxed()
        }
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            lines.map_event_format(|format| Limited::new(format, limit.clone())).boxed()
        }
    };
    let filter = filter.and(filter_fn(|metadata| metadata.target() != traces::TARGET));
    tracing_subscriber::registry().with(more).with(lines.with_filter(filter)).init();
    Ok(limit)
}

/// A word of a log filter that stands where a level belongs and is none. Left to itself the filter would take it for a module's name and
/// log nothing at all.
fn unknown_level(filter: &str) -> Option<&str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_known = |word: &str| word.contains('=') || LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    filter.split(',').map(str::trim).find(|word| !is_known(word))
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
