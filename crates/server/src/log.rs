//! The log.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// What is logged, which can be changed.
#[derive(Clone)]
pub(crate) struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// Logs go to standard error; standard output is for what a command was asked for.
pub(crate) fn start(filter: &str) -> Result<LogFilter, Box<dyn std::error::Error>> {
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(filter)?);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal).with_target(false).log_internal_errors(false);
    tracing_subscriber::registry().with(filter).with(lines).init();
    Ok(LogFilter(handle))
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
