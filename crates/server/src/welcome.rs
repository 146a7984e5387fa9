//! What `serve` prints for the person who started it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::{Config, Secret};
use crate::routes::App;
use crate::token::MintError;

const DEMO_USER: &str = "demo";
const DEMO_TTL: Duration = Duration::from_secs(24 * 3600);

/// Secrets that were made up for this run are shown, on standard output; configured ones never are.
pub(crate) fn print(address: SocketAddr, config: &Config, app: &App) -> Result<(), MintError> {
    if app.allow_anonymous {
        tracing::warn!("clients without a token are let in (--allow-anonymous): whoever reaches {address} can connect");
    }
    match (&app.api_key, &config.api.key) {
        (None, _) => println!("\n  The API and the console are closed: set SILVERBACK_API_KEY to open them."),
        (Some(_), Some(_)) => println!("\n  console:  http://{address}/console"),
        (Some(made_up), None) => print_console(address, made_up),
    }
    let Some(tokens) = app.tokens.as_deref().filter(|_| app.is_throw_away) else { return Ok(()) };
    let (token, _) = tokens.mint(DEMO_USER, DEMO_TTL)?;
    println!("  token:    {token}");
    println!("            (for the user {DEMO_USER}, good for 24 hours)");
    println!();
    println!("  Nothing is configured, so the secrets above are good until this server stops.");
    println!("  Set SILVERBACK_AUTH_SECRET and SILVERBACK_API_KEY to choose your own.");
    println!();
    println!("  In the developer tools of the console's page:");
    println!("    ws = new WebSocket(\"ws://{address}/ws?token={token}\"); ws.onmessage = (e) => console.log(e.data)");
    println!();
    println!("  Then, from a back end:");
    let key = if config.api.key.is_none() { app.api_key.as_ref().map_or("KEY", Secret::expose) } else { "$SILVERBACK_API_KEY" };
    println!("    curl -H \"Authorization: Bearer {key}\" --data hello http://{address}/v1/users/{DEMO_USER}/messages");
    println!();
    Ok(())
}

fn print_console(address: SocketAddr, key: &Secret) {
    println!("\n  console:  http://{address}/console#key={}", key.expose());
    println!("  API key:  {}", key.expose());
}
