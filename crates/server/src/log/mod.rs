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

use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Layer, Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::config::words;
use crate::traces;

use limit::Limited;
pub(crate) use limit::{Limit, tell_left_out};

/// What is told of each session, which is not limited: a beginning and an end for each.
pub(crate) const SESSIONS: &str = "silverback_server::sessions";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

words!(Format, "write \"text\" or \"json\"", { "text" => Self::Text, "json" => Self::Json });

/// Something else that is told what happens.
pub(crate) type More = Box<dyn Layer<Registry> + Send + Sync>;

/// What is logged, which can be changed.
#[derive(Clone)]
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Layered<Option<More>, Registry>>);

/// Begins to log. `filter` is a level, or a filter of tracing's.
pub(crate) fn start(filter: &str, format: Format, more: Option<More>) -> Result<(LogFilter, Arc<Limit>), Box<dyn Error>> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(filter)?);
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
    Ok((LogFilter(handle), limit))
}

impl LogFilter {
    /// A filter that was checked is never refused.
    pub(crate) fn replace(&self, filter: &str) {
        let replaced = EnvFilter::try_new(filter).map(|filter| self.0.reload(filter));
        if !matches!(replaced, Ok(Ok(()))) {
            tracing::warn!(filter, "the log's filter could not be changed");
        }
    }
}
