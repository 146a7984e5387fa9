//! `silverback serve`.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use sd_notify::NotifyState;
use silverback_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Authenticator, Mint};
use crate::config::{Config, ConfigError, Secret};
use crate::door::Doors;
use crate::draining::Draining;
use crate::listening::{Inherited, bind, exposed};
use crate::log::{Limit, tell_left_out};
use crate::metrics::Metrics;
use crate::routes::App;
use crate::stop::{StoppedAtOnce, stop};
use crate::traces::Traces;
use crate::{process, reload, welcome};

/// What a process has from its beginning.
pub(crate) struct Start {
    pub(crate) inherited: Inherited,
    pub(crate) traces: Option<Traces>,
    /// What keeps the log readable.
    pub(crate) limit: Arc<Limit>,
}

/// `again` loads the configuration once more, for a server that is told to take its keys from there anew (SIGHUP).
pub(crate) async fn serve(
    config: Config,
    start: Start,
    again: impl Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let Start { inherited, traces, limit } = start;
    let exposed = exposed(&config, &inherited);
    let app = app(&config, exposed.as_deref())?;
    let bound = bind(&config, inherited).await?;
    // Before anybody is told that we are there.
    let mut stopped = pin!(process::stopped()?);
    app.tasks.spawn(reload::when_hung_up(process::hung_up()?, again, app.clone(), exposed.is_none()));
    for tls in bound.iter().filter_map(|bound| bound.tls.clone()) {
        app.tasks.spawn(tls.keep(process::hung_up()?, app.stopping.clone()));
    }
    app.tasks.spawn(app.metrics.clone().keep(app.stopping.clone()));
    app.tasks.spawn(tell_left_out(limit, app.stopping.clone()));
    welcome::print(&bound, &config, &app)?;
    let doors = Doors::open(bound, &app);
    process::tell_manager(&[NotifyState::Ready]);
    let cause = tokio::select! {
        signal = &mut stopped => signal,
        () = app.draining.exit.cancelled() => "POST /v1/drain",
    };
    let again = process::stopped()?;
    process::tell_manager(&[NotifyState::Stopping]);
    let stopped = async {
        stop(&app, doors, cause, config.drain.drain()).await;
        if let Some(traces) = traces {
            traces.flush().await;
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        signal = again => Err(StoppedAtOnce { signal, sessions: app.hub.len() }.into()),
    }
}

/// What the configuration makes, with secrets made up where none are needed. `exposed` is an address that can be reached from outside.
fn app(config: &Config, exposed: Option<&str>) -> Result<App, Box<dyn Error>> {
    let is_local = exposed.is_none();
    config.check_strength(is_local)?;
    let is_throw_away = !config.auth.has_keys() && is_local;
    let auth = Auth { secret: config.auth.secret.clone().or_else(|| is_throw_away.then(made_up)), ..config.auth.clone() };
    if !auth.has_keys() && !config.allow_anonymous {
        return Err(format!(
            "{} can be reached from outside, and nothing says who may connect: set SILVERBACK_AUTH_SECRET (at least 32 bytes, as from \
             `openssl rand -base64 32`), auth.keys or auth.jwks_url, or let everybody in with --allow-anonymous",
            exposed.unwrap_or("this server")
        )
        .into());
    }
    let api_key = config.api.key.clone().or_else(|| (is_local && config.api.keys.is_empty()).then(made_up));
    Ok(App {
        hub: Hub::builder().policy(config.sessions.policy()).build(),
        upgrader: config.upgrader()?,
        keys: Arc::new(config.api.open_by(api_key.clone())),
        api_key,
        metrics: Metrics::install(config.metrics.public)?,
        drain: config.drain.drain(),
        draining: Draining::default(),
        auth: if auth.has_keys() { Some(Arc::new(Authenticator::new(&auth)?)) } else { None },
        tokens: auth.secret.as_ref().map(|secret| Arc::new(Mint::new(secret, &auth))),
        allow_anonymous: config.allow_anonymous,
        is_throw_away,
        message_limit: config.message_limit(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
        everybody_gone: CancellationToken::new(),
    })
}

fn made_up() -> Secret {
    use base64::Engine as _;
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}
