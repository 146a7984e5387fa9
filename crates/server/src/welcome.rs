//! What `serve` prints for the person who started it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use crate::auth::MintError;
use crate::config::Secret;
use crate::live::InForce;
use crate::routes::App;

const DEMO_USER: &str = "demo";
const DEMO_TTL: Duration = Duration::from_secs(24 * 3600);

/// The line that says that the server is ready, and what a person may do with it. Secrets that were made up for this run are shown, on standard
/// output; configured ones never are. Nobody has to read it.
pub(crate) fn print(address: SocketAddr, app: &App) -> Result<(), MintError> {
    let in_force = app.live.now();
    if in_force.config.allow_anonymous {
        tracing::warn!("clients without a token are let in (--allow-anonymous): whoever reaches {address} can connect");
    }
    let welcome = welcome(address, &in_force, app)?;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(welcome.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

fn welcome(address: SocketAddr, in_force: &InForce, app: &App) -> Result<String, MintError> {
    let mut text = format!("listening on http://{address}\n\n");
    let made_up_key = in_force.made_up_key().map(Secret::expose);
    text += &match (made_up_key, &in_force.api_key) {
        (Some(key), _) => format!("  console:  http://{address}/console#key={key}\n  API key:  {key}\n"),
        (None, Some(_)) => format!("  console:  http://{address}/console\n"),
        (None, None) if !in_force.config.api.keys.is_empty() => format!("  console:  http://{address}/console\n"),
        (None, None) => "  The API and the console are closed: set SILVERBACK_API_KEY to open them.\n".to_owned(),
    };
    let Some(tokens) = app.tokens.as_deref().filter(|_| app.is_throw_away) else { return Ok(text + "\n") };
    let (token, _) = tokens.mint(DEMO_USER, DEMO_TTL)?;
    let key = made_up_key.unwrap_or("…");
    Ok(text
        + &format!(
            "  token:    {token}
            (for the user {DEMO_USER}, good for 24 hours)

  Nothing is configured, so the secrets above are good until this server stops.
  Set SILVERBACK_AUTH_SECRET and SILVERBACK_API_KEY to choose your own.

  In the developer tools of the console's page:
    ws = new WebSocket(\"ws://{address}/ws?token={token}\"); ws.onmessage = (e) => console.log(e.data)

  Then, from a back end:
    export SILVERBACK_API_KEY={key}
    curl -H \"Authorization: Bearer $SILVERBACK_API_KEY\" --data hello \"http://{address}/v1/users/{DEMO_USER}/messages\"

"
        ))
}
