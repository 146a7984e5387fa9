//! Hooks: the back end is told what happens and is asked who may come, by CloudEvents over HTTP that are signed.
//!
//! ```text
//!   a handshake ─▶ Asking ──┐ (nobody waits for long)
//!   a session ──▶ Line ─────┼──▶ Courier (pauses that grow, a breaker, so many at once) ──▶ Backend (one signed request)
//!     │ its begin and end ──┘
//!     └──▶ Spool (on the disk before it is sent) ──▶ sent again by the next process, where this one could not
//! ```
//!
//! Where to start reading: `line.rs` (what a session tells), then `courier.rs` (how it gets there). What each request and answer looks like is in
//! docs/hooks.md.

mod asking;
mod backend;
mod breaker;
mod courier;
mod event;
mod leftovers;
mod line;
mod meter;
mod seldom;
mod settings;
mod signature;
mod spool;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use asking::Asking;
pub(crate) use line::{Line, Told};
pub(crate) use settings::Settings;
pub(crate) use spool::{Room, SpoolError};

use backend::Backend;
use courier::Courier;
use event::Kind;
use seldom::Seldom;
use spool::Spool;

/// Everything that is told to the back end.
pub(crate) struct Hooks {
    settings: Settings,
    courier: Arc<Courier>,
    /// `None` where neither begins nor ends of sessions are told.
    spool: Option<Spool>,
    /// Every task that tells something.
    tasks: TaskTracker,
    log: Lines,
}

/// The lines of the log that clients and the back end can cause.
#[derive(Default)]
struct Lines {
    refused: Seldom,
    given_up: Seldom,
    answer_lost: Seldom,
    nonsense: Seldom,
}

/// Why there are no hooks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HooksError {
    #[error("hooks.url is missing")]
    NoAddress,
    #[error("hooks.url cannot be used: {0}")]
    Address(String),
    #[error("hooks.secret {0}")]
    Secret(String),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Hooks {
    /// Begins, with what an earlier process left in the spool. `None` where no hooks are configured. It must be called on a runtime.
    ///
    /// `stopped` is told when the server stops and no session is left; what is under way then has two seconds.
    pub(crate) fn start(
        settings: &Settings,
        message_limit: usize,
        tasks: &TaskTracker,
        stopped: &CancellationToken,
    ) -> Result<Option<Arc<Self>>, HooksError> {
        if settings.url.is_none() {
            return Ok(None);
        }
        // So much for a message's answer; what else is answered is small.
        let backend = Backend::new(settings, settings.concurrency.get(), message_limit.max(asking::LARGEST_ANSWER))?;
        let courier = Courier::new(backend, settings.concurrency.get(), settings.timeout, stopped.clone());
        let mut hooks = Self { settings: settings.clone(), courier, spool: None, tasks: tasks.clone(), log: Lines::default() };
        if !hooks.settings.wants(Kind::Connected) && !hooks.settings.wants(Kind::Ended) {
            return Ok(Some(Arc::new(hooks)));
        }
        let (spool, left) = Spool::open(&settings.spool)?;
        hooks.spool = Some(spool);
        let hooks = Arc::new(hooks);
        tasks.spawn(leftovers::tell(hooks.clone(), left));
        Ok(Some(hooks))
    }

    /// Whether handshakes are the back end's to judge.
    pub(crate) fn judges_handshakes(&self) -> bool {
        self.settings.wants(Kind::Connect)
    }
}
