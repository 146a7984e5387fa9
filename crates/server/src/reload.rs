//! SIGHUP: keys are changed while sessions live.

use std::error::Error;
use std::sync::Arc;

use tokio::signal::unix::Signal;

use crate::auth::Authenticator;
use crate::config::{Config, ConfigError};
use crate::routes::App;

/// Takes the keys and the rules for tokens again, each time that the server is hung up, until it stops. `load` loads the configuration.
pub(crate) async fn when_hung_up<F>(mut hung_up: Signal, load: F, app: App, is_local: bool)
where
    F: Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
{
    let load = Arc::new(load);
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = hung_up.recv() => {}
        }
        let Some(auth) = app.auth.clone().filter(|_| !app.is_throw_away) else {
            tracing::info!("SIGHUP: there are no keys to read again, since none are configured");
            continue;
        };
        let load = load.clone();
        let reloaded = tokio::task::spawn_blocking(move || reload(&*load, &auth, is_local).map_err(|error| error.to_string())).await;
        match reloaded.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(()) => tracing::info!("SIGHUP: the keys were read again"),
            Err(error) => tracing::error!(error, "SIGHUP: the keys could not be read again, and stay as they were"),
        }
    }
}

/// Reads the configuration's file, and the files that it names. Waits for the disk.
fn reload(load: impl Fn() -> Result<Config, ConfigError>, auth: &Authenticator, is_local: bool) -> Result<(), Box<dyn Error>> {
    let config = load()?;
    config.check_strength(is_local)?;
    if !config.auth.has_keys() {
        return Err("the configuration has no keys any more".into());
    }
    Ok(auth.reload(&config.auth)?)
}
