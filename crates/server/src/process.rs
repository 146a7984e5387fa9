//! What the process asks of the system.

use std::error::Error;
use std::future::Future;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs a command's future on a runtime of its own, on this thread. Those that serve connections have more of them: [`Shards`](crate::shards::Shards).
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Box<dyn Error>> {
    Ok(runtime()?.block_on(future))
}

pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Waits for SIGINT or SIGTERM, from the moment of this call on and not only once it is awaited.
pub(crate) fn stopped() -> std::io::Result<impl Future<Output = &'static str>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        }
    })
}

/// SIGHUP, each time, from the moment of this call on.
pub(crate) fn hung_up() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Tells the service manager, if there is one that wants to know (systemd's `Type=notify`).
pub(crate) fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager (NOTIFY_SOCKET) could not be told");
    }
}
