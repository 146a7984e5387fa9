//! What the process asks of the system.

use std::error::Error;
use std::future::Future;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs a command's future on a runtime of its own, on this thread. Those that serve connections have more of them: [`Shards`](crate::shards::Shards).
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, Box<dyn Error>> {
    let runtime = runtime()?;
    let output = runtime.block_on(future);
    runtime.shutdown_background(); // a name server that does not answer is not waited for
    Ok(output)
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_command_ends_though_something_that_cannot_be_stopped_goes_on() {
        let (end, ending) = mpsc::sync_channel(1);
        let (tell, told) = mpsc::sync_channel(1);
        block_on(async {
            tokio::task::spawn_blocking(move || tell.send(ending.recv_timeout(Duration::from_secs(20)).is_ok()));
        })
        .unwrap();
        end.send(()).unwrap();
        assert!(told.recv().unwrap(), "it was waited for");
    }
}
