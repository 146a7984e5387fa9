//! `silverback serve`.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use sd_notify::NotifyState;
use silverback_hub::Hub;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Authenticator, Mint};
use crate::config::{Config, Layers, Loaded, Secret};
use crate::door::Doors;
use crate::draining::Draining;
use crate::hooks::Hooks;
use crate::limits::Bounds;
use crate::listening::{Inherited, bind, exposed};
use crate::live::Live;
use crate::log::{Limit, LogFilter, tell_left_out};
use crate::metrics::Metrics;
use crate::routes::App;
use crate::shards::Shards;
use crate::stop::{StoppedAtOnce, stop};
use crate::traces::Traces;
use crate::{process, reload, welcome};

/// What a process has from its beginning.
pub(crate) struct Start {
    pub(crate) inherited: Inherited,
    pub(crate) traces: Option<Traces>,
    pub(crate) log: LogFilter,
    /// What keeps the log readable.
    pub(crate) limit: Arc<Limit>,
    /// What all clients may cost together.
    pub(crate) bounds: Bounds,
}

/// `layers` are loaded once more when the server is hung up (SIGHUP).
pub(crate) async fn serve(loaded: Loaded, layers: Layers, start: Start) -> Result<(), Box<dyn Error>> {
    let Start { inherited, traces, log, limit, bounds } = start;
    let shards = Arc::new(Shards::start(loaded.config.runtime)?); // first: its threads may have tables with what is open by then
    let exposed = exposed(&loaded.config, &inherited);
    let app = app(&loaded, exposed.as_deref(), bounds)?;
    let bound = bind(&loaded.config, inherited, shards.have_own_tables()).await?;
    // Before anybody is told that we are there.
    let mut stopped = pin!(process::stopped()?);
    app.tasks.spawn(reload::when_hung_up(process::hung_up()?, layers, app.clone(), log));
    for tls in bound.iter().filter_map(|bound| bound.tls.clone()) {
        app.tasks.spawn(tls.keep(process::hung_up()?, app.stopping.clone()));
    }
    app.tasks.spawn(app.metrics.clone().keep(app.stopping.clone()));
    let live = app.live.clone();
    let memory = move || live.now().config.limits.memory.map(|size| size.as_u64());
    app.tasks.spawn(app.bounds.clone().keep(memory, app.stopping.clone()));
    tracing::info!(clients = app.bounds.most_connections(&loaded.config.limits), "how many clients may be connected");
    app.tasks.spawn(tell_left_out(limit, app.stopping.clone()));
    let welcome = welcome::text(&bound, &app)?;
    let doors = Doors::open(bound, &app, &shards).await?;
    welcome::print(&welcome);
    process::tell_manager(&[NotifyState::Ready]);
    let cause = tokio::select! {
        signal = &mut stopped => signal,
        () = app.draining.exit.cancelled() => "POST /v1/drain",
    };
    let again = process::stopped()?;
    process::tell_manager(&[NotifyState::Stopping]);
    let stopped = async {
        stop(&app, doors, cause, app.live.now().config.drain.drain()).await;
        if let Some(traces) = traces {
            traces.flush().await;
        }
    };
    tokio::select! {
        () = stopped => Ok(()),
        signal = again => Err(StoppedAtOnce { signal, sessions: app.hub.len() }.into()),
    }
}

/// What keeps a configuration from being served though there is nothing wrong with any of its keys. `exposed` is an address that can be reached from
/// outside.
pub(crate) fn check(config: &Config, exposed: Option<&str>) -> Result<(), Box<dyn Error>> {
    let is_asked = config.auth.has_keys() || config.hooks.authenticates();
    match exposed {
        Some(address) if !is_asked && !config.allow_anonymous => Err(format!(
            "{address} can be reached from outside, and nothing says who may connect: set SILVERBACK_AUTH_SECRET (at least 32 bytes, as from \
             `openssl rand -base64 32`), auth.keys or auth.jwks_url, let your back end judge (hooks.url), or let everybody in with --allow-anonymous"
        )
        .into()),
        _ => Ok(()),
    }
}

/// What the configuration makes, with secrets made up where none are needed.
fn app(loaded: &Loaded, exposed: Option<&str>, bounds: Bounds) -> Result<App, Box<dyn Error>> {
    let is_local = exposed.is_none();
    loaded.check_strength(is_local)?;
    let config = &loaded.config;
    check(config, exposed)?;
    let is_throw_away = !config.auth.has_keys() && is_local && !config.hooks.authenticates();
    let auth = Auth { secret: config.auth.secret.clone().or_else(|| is_throw_away.then(made_up)), ..config.auth.clone() };
    let (tasks, everybody_gone) = (TaskTracker::new(), CancellationToken::new());
    let metrics = Metrics::install()?;
    Ok(App {
        hub: Hub::builder().policy(config.sessions.policy()).build(),
        live: Live::new(config.clone(), is_local.then(made_up)),
        bounds,
        is_local,
        is_tls: false, // each door says
        metrics,
        draining: Draining::default(),
        auth: if auth.has_keys() { Some(Arc::new(Authenticator::new(&auth)?)) } else { None },
        tokens: auth.secret.as_ref().map(|secret| Arc::new(Mint::new(secret, &auth))),
        is_throw_away,
        hooks: Hooks::start(&config.hooks, config.limits.message(), &tasks, &everybody_gone)?,
        tasks,
        stopping: CancellationToken::new(),
        everybody_gone,
    })
}

fn made_up() -> Secret {
    use base64::Engine as _;
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}
