//! SIGHUP: the configuration is changed while sessions live.

use std::error::Error;

use tokio::signal::unix::Signal;

use crate::auth::Authenticator;
use crate::config::{Change, Config, Layers, changes, keep_what_needs_a_restart};
use crate::log::LogFilter;
use crate::routes::App;

/// Loads the configuration again, each time that the server is hung up, until it stops. One that is not good changes nothing.
pub(crate) async fn when_hung_up(mut hung_up: Signal, layers: Layers, app: App, log: LogFilter) {
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            _ = hung_up.recv() => {}
        }
        let (layers, changed) = (layers.clone(), app.clone());
        let reloaded = tokio::task::spawn_blocking(move || reload(&layers, &changed).map_err(|error| error.to_string())).await;
        match reloaded.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(reloaded) => reloaded.apply(&app, &log),
            Err(error) => tracing::error!(error, "SIGHUP: the configuration is not good; it and the keys stay as they were"),
        }
    }
}

/// A new configuration that is good, and whose keys are in force.
struct Reloaded {
    config: Config,
    changes: Vec<Change>,
    /// Whether keys of clients were read again; made-up ones are good until the server stops.
    has_read_keys: bool,
}

/// Reads the configuration's file, and the files that it names. Waits for the disk.
fn reload(layers: &Layers, app: &App) -> Result<Reloaded, Box<dyn Error>> {
    let loaded = layers.load()?;
    loaded.check_strength(app.is_local)?;
    let in_force = app.live.now();
    let auth = app.auth.as_deref().filter(|_| !app.is_throw_away);
    let mut changes = changes(&in_force.config, &loaded.config);
    let mut config = loaded.config;
    match auth {
        Some(auth) => read_keys(auth, &config)?,
        None => changes.iter_mut().filter(|change| change.key.starts_with("auth.")).for_each(|change| change.needs_restart = true),
    }
    keep_what_needs_a_restart(&mut config, &in_force.config);
    Ok(Reloaded { config, changes, has_read_keys: auth.is_some() })
}

fn read_keys(auth: &Authenticator, config: &Config) -> Result<(), Box<dyn Error>> {
    if !config.auth.has_keys() {
        return Err("the configuration has no keys any more".into());
    }
    Ok(auth.reload(&config.auth)?)
}

impl Reloaded {
    /// What is in force already is not touched: only what has changed is.
    fn apply(self, app: &App, log: &LogFilter) {
        let Self { config, changes, has_read_keys } = self;
        if has_read_keys {
            tracing::info!("SIGHUP: the keys were read again");
        }
        if changes.iter().any(|change| change.key == "log") {
            log.replace(&config.log);
        }
        app.hub.set_policy(config.sessions.policy());
        app.live.replace(config);
        if changes.is_empty() {
            tracing::info!("SIGHUP: nothing else has changed in the configuration");
        }
        for Change { key, needs_restart } in changes {
            match needs_restart {
                false => tracing::info!(key, "SIGHUP: applied"),
                true => tracing::warn!(key, "SIGHUP: needs a restart, and stays as it was until then"),
            }
        }
    }
}
