//! How long each stage of dialling took, from what the library logs of it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

const DIALER: &str = "silverback::dialer";

/// More stages than any way has, redirects included.
const MOST: usize = 64;

/// What was logged since it was last asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Stages(Arc<Mutex<Vec<Stage>>>);

/// A stage of the way, or a turn of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    /// What was done.
    pub(super) what: String,
    /// How long it took, or where it led.
    pub(super) took: String,
}

impl Stages {
    /// Hears what this process's dialers do.
    pub(super) fn hear() -> Self {
        let stages = Self::default();
        let subscriber = tracing_subscriber::registry().with(stages.clone());
        let _ = tracing::subscriber::set_global_default(subscriber); // it is the first: no command has two logs
        stages
    }

    pub(super) fn take(&self) -> Vec<Stage> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Stages {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(DIALER)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut stage = Stage::default();
        event.record(&mut stage);
        let mut stages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !stage.what.is_empty() && stages.len() < MOST {
            stages.push(stage);
        }
    }
}

impl Visit for Stage {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "stage" => self.what = format!("{value:?}"),
            "took" => self.took = format!("{value:.1?}"),
            "address" => (self.what, self.took) = ("redirected to".to_owned(), format!("{value:?}")),
            _ => {}
        }
    }
}
