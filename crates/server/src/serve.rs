//! `silverback serve`.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use silverback::CloseCode;
use silverback_hub::Hub;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, Authenticator, Mint};
use crate::config::{Config, Layers, Loaded, Secret};
use crate::hooks::Hooks;
use crate::limits::Bounds;
use crate::live::Live;
use crate::log::LogFilter;
use crate::metrics::Metrics;
use crate::routes::{App, router};
use crate::{accept, front, process, reload, welcome};

/// How long sessions may take to end when the server stops: the time for a client's Close, the time for its FIN, and a second to tell of it.
const LAST_WORDS: Duration = Duration::from_secs(8);

/// How long everything else may take after that.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

/// `layers` are loaded once more when the server is hung up (SIGHUP).
pub(crate) async fn serve(loaded: Loaded, layers: Layers, log: LogFilter, bounds: Bounds) -> Result<(), Box<dyn Error>> {
    let app = app(&loaded, bounds)?;
    let config = loaded.config;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}; choose another address with --listen", config.listen))?;
    let address = listener.local_addr()?;
    // Before anybody is told that we are there.
    let mut stopped = pin!(process::stopped()?);
    let hung_up = process::hung_up()?;
    app.tasks.spawn(reload::when_hung_up(hung_up, layers, app.clone(), log));
    welcome::print(address, &app)?;

    app.tasks.spawn(app.metrics.clone().keep(app.stopping.clone()));
    let live = app.live.clone();
    let memory = move || live.now().config.limits.memory.map(|size| size.as_u64());
    app.tasks.spawn(app.bounds.clone().keep(memory, app.stopping.clone()));
    tracing::info!(clients = app.bounds.most_connections(&config.limits), "how many clients may be connected");
    let router = router(app.clone());
    let signal = loop {
        tokio::select! {
            signal = &mut stopped => break signal,
            (stream, remote) = accept::next(&listener) => {
                if let Some(socket) = app.bounds.socket() {
                    app.tasks.spawn(front::serve(stream, remote, socket, app.clone(), router.clone()));
                }
            }
        }
    };
    drop(listener);
    let again = process::stopped()?;
    tokio::select! {
        () = stop(&app, signal) => {}
        signal = again => tracing::warn!(signal, "stopped at once"),
    }
    Ok(())
}

/// Closes every session, and waits in bounded time until they and then the requests that are under way have ended.
async fn stop(app: &App, signal: &str) {
    let sessions = app.hub.sessions().len();
    tracing::info!(signal, sessions, within = ?(LAST_WORDS + LAST_REQUESTS), "stopping");
    app.stopping.cancel();
    app.tasks.close();
    let no_session = async {
        loop {
            // Again and again: a handshake that was under way may have become a session.
            app.hub.close_all(CloseCode::GOING_AWAY, "the server is stopping");
            let is_over = timeout(Duration::from_millis(50), app.tasks.wait()).await.is_ok();
            if is_over || app.hub.sessions().is_empty() {
                return;
            }
        }
    };
    let _ = timeout(LAST_WORDS, no_session).await;
    app.everybody_gone.cancel();
    if timeout(LAST_REQUESTS, app.tasks.wait()).await.is_err() {
        tracing::warn!(connections = app.tasks.len(), "some did not end in time and are dropped");
    }
    tracing::info!("stopped");
}

/// What keeps a configuration from being served though there is nothing wrong with any of its keys.
pub(crate) fn check(config: &Config) -> Result<(), Box<dyn Error>> {
    let is_asked = config.auth.has_keys() || config.hooks.authenticates();
    if !is_asked && !config.is_local() && !config.allow_anonymous {
        return Err(format!(
            "{} can be reached from outside, and nothing says who may connect: set SILVERBACK_AUTH_SECRET (at least 32 bytes, as from \
             `openssl rand -base64 32`), auth.keys or auth.jwks_url, let your back end judge (hooks.url), or let everybody in with --allow-anonymous",
            config.listen
        )
        .into());
    }
    Ok(())
}

/// What the configuration makes, with secrets made up where none are needed.
fn app(loaded: &Loaded, bounds: Bounds) -> Result<App, Box<dyn Error>> {
    loaded.check_strength()?;
    let config = &loaded.config;
    check(config)?;
    let is_local = config.is_local();
    let is_throw_away = !config.auth.has_keys() && is_local && !config.hooks.authenticates();
    let auth = Auth { secret: config.auth.secret.clone().or_else(|| is_throw_away.then(made_up)), ..config.auth.clone() };
    let (tasks, everybody_gone) = (TaskTracker::new(), CancellationToken::new());
    let metrics = Metrics::install()?;
    Ok(App {
        hub: Hub::builder().policy(config.sessions.policy()).build(),
        live: Live::new(config.clone(), is_local.then(made_up)),
        bounds,
        metrics,
        has_drained: Arc::default(),
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
