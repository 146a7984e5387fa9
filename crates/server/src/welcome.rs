//! What `serve` prints for the person who started it.

use std::io::Write as _;
use std::time::Duration;

use crate::auth::MintError;
use crate::config::Secret;
use crate::listening::{Bound, Serves};
use crate::routes::App;

const DEMO_USER: &str = "demo";
const DEMO_TTL: Duration = Duration::from_secs(24 * 3600);

/// Nobody has to read it.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The lines that say that the server is ready, and what a person may do with it. Secrets that were made up for this run are shown, on standard
/// output; configured ones never are.
pub(crate) fn text(bound: &[Bound], app: &App) -> Result<String, MintError> {
    let in_force = app.live.now();
    if in_force.config.allow_anonymous {
        tracing::warn!("clients without a token are let in (--allow-anonymous): whoever reaches this server can connect");
    }
    let mut text = String::new();
    for bound in bound {
        let purpose = if bound.is_for_api { " for the API, the console and the metrics" } else { "" };
        text += &format!("listening on {bound}{purpose}\n");
    }
    text.push('\n');
    // The console is no page of a Unix socket, but a proxy may show it.
    let http = bound.iter().filter(|bound| bound.serves == Serves::All).find_map(|bound| bound.url("http")).unwrap_or_else(|| "…".into());
    let made_up_key = in_force.made_up_key().map(Secret::expose);
    text += &match (made_up_key, &in_force.api_key) {
        (Some(key), _) => format!("  console:  {http}/console#key={key}\n  API key:  {key}\n"),
        (None, Some(_)) => format!("  console:  {http}/console\n"),
        (None, None) if !in_force.config.api.keys.is_empty() => format!("  console:  {http}/console\n"),
        (None, None) => "  The API and the console are closed: set SILVERBACK_API_KEY to open them.\n".to_owned(),
    };
    let Some(tokens) = app.tokens.as_deref().filter(|_| app.is_throw_away) else { return Ok(text + "\n") };
    let (token, _) = tokens.mint(DEMO_USER, DEMO_TTL)?;
    let key = made_up_key.unwrap_or("…");
    let ws = bound.iter().find_map(|bound| bound.url("ws")).unwrap_or_else(|| "…".into());
    Ok(text
        + &format!(
            "  token:    {token}
            (for the user {DEMO_USER}, good for 24 hours)

  Nothing is configured, so the secrets above are good until this server stops.
  Set SILVERBACK_AUTH_SECRET and SILVERBACK_API_KEY to choose your own.

  In the developer tools of the console's page:
    ws = new WebSocket(\"{ws}/ws?token={token}\"); ws.onmessage = (e) => console.log(e.data)

  Then, from a back end:
    export SILVERBACK_API_KEY={key}
    curl -H \"Authorization: Bearer $SILVERBACK_API_KEY\" --data hello \"{http}/v1/users/{DEMO_USER}/messages\"

"
        ))
}
