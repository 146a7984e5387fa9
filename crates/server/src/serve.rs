//! `silverback serve`.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use silverback::CloseCode;
use silverback_hub::Hub;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Config, Secret};
use crate::routes::{App, router};
use crate::token::Tokens;
use crate::{front, process, welcome};

/// How long connections may take to end when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(5);

pub(crate) async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let app = app(&config)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    welcome::print(address, &config, &app)?;

    let router = router(app.clone());
    let mut connections = JoinSet::new();
    let stopped = process::stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            signal = &mut stopped => {
                tracing::info!(signal = signal?, sessions = app.hub.sessions().len(), "stopping");
                break;
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => drop(connections.spawn(front::serve(stream, remote, app.clone(), router.clone()))),
                Err(error) => {
                    // Out of descriptors, most likely. Those who wait are served when others have left.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(ended) = connections.join_next(), if !connections.is_empty() => report_panic(ended),
        }
    }
    drop(listener);
    for session in app.hub.sessions() {
        app.hub.user(&session.identity.user).close(CloseCode::GOING_AWAY, "the server is stopping");
    }
    let _ = timeout(LAST_WORDS, async { while !app.hub.sessions().is_empty() && connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// What the configuration makes, with secrets made up where none are needed.
fn app(config: &Config) -> Result<App, Box<dyn Error>> {
    let is_local = config.listen.ip().is_loopback();
    let is_throw_away = config.auth.secret.is_none() && is_local;
    let secret = config.auth.secret.clone().or_else(|| is_throw_away.then(made_up));
    if secret.is_none() && !config.allow_anonymous {
        return Err(format!(
            "{} can be reached from outside, and nothing says who may connect: set SILVERBACK_AUTH_SECRET (at least 32 bytes, as from \
             `openssl rand -base64 32`), or let everybody in with --allow-anonymous",
            config.listen
        )
        .into());
    }
    Ok(App {
        hub: Hub::new(),
        upgrader: config.upgrader()?,
        api_key: config.api.key.clone().or_else(|| is_local.then(made_up)),
        tokens: secret.as_ref().map(|secret| Arc::new(Tokens::new(secret))),
        allow_anonymous: config.allow_anonymous,
        is_throw_away,
        message_limit: config.message_limit(),
    })
}

fn made_up() -> Secret {
    use base64::Engine as _;
    Secret::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended badly; the others go on");
    }
}
