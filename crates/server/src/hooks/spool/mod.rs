//! Events of sessions that the back end has not taken yet, on the disk: they outlive this process, also when it is killed.
//!
//! ```text
//!   Spool (a handle for tasks) ── commands ──▶ a thread of its own ──▶ Log (segments of records, and an index)
//!     ├─ reserve: room for all that a session may need, before it is let in
//!     ├─ append: once it returns, the event is on the disk
//!     ├─ delivered, remove: what the back end has
//!     └─ read: what an earlier process left
//! ```
//!
//! A session's first event stays until its last one is delivered, so that of every session that was told to have begun the end is told, even
//! when the process had no time to. Where to start reading: `log.rs`, then `keeper.rs`.

mod keeper;
mod log;
mod record;

pub(crate) use keeper::Room;
pub(super) use keeper::{Left, Spool};
pub(super) use record::Sequence;

use std::io;
use std::path::PathBuf;

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    #[error("the directory {directory} (hooks.spool.directory) cannot be used: name one that this server may write to")]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the directory {0} (hooks.spool.directory) is in use by another server: give each its own")]
    InUse(PathBuf),
    #[error("the file {file} of the spool cannot be read")]
    File {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
}
