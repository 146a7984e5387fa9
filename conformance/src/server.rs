//! The binary under test: `silverback serve` and `silverback echo`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::{Curl, Failure, Place, Process, Result, eventually, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(10);
const SECRET: &str = "a secret that signs the tokens of tests, and nothing else";
const KEY: &str = "a-key-for-the-tests";

/// A running `silverback serve`.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, for its descriptors and its output.
    pub process: Process,
    place: Place,
    key: String,
}

impl Server {
    /// What signs the tokens of [`token`](Self::token), for the configuration of a server that is to take them.
    pub const SECRET: &str = SECRET;

    /// Starts a server with a known secret and key, and these settings: `("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms")`.
    pub fn start(place: &Place, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = silverback(place, "serve")?;
        command.args(["--listen", "127.0.0.1:0"]).envs(settings.iter().copied());
        command.env("SILVERBACK_API_KEY", KEY);
        let (process, address) = listening("silverback serve", &mut command, "listening on http://")?;
        Ok(Self { address, process, place: place.clone(), key: KEY.to_owned() })
    }

    /// Starts a server with this configuration file, these settings, and no secret but those in the file.
    pub fn start_configured(file: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = silverback(&Place::Here, "serve")?;
        command.args(["--listen", "127.0.0.1:0", "--config"]).arg(file).envs(settings.iter().copied());
        command.env_remove("SILVERBACK_AUTH_SECRET").env("SILVERBACK_API_KEY", KEY);
        let (process, address) = listening("silverback serve", &mut command, "listening on http://")?;
        Ok(Self { address, process, place: Place::Here, key: KEY.to_owned() })
    }

    /// Starts a server anew, where this one was, with this configuration file and these settings.
    pub fn start_again(self, file: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let address = self.address;
        drop(self);
        let mut command = silverback(&Place::Here, "serve")?;
        command.args(["--listen", &address.to_string(), "--config"]).arg(file).envs(settings.iter().copied());
        command.env_remove("SILVERBACK_AUTH_SECRET").env("SILVERBACK_API_KEY", KEY);
        let (process, address) = listening("silverback serve", &mut command, "listening on http://")?;
        Ok(Self { address, process, place: Place::Here, key: KEY.to_owned() })
    }

    /// Starts a server with nothing configured, and returns the address of the console that it prints.
    pub fn start_unconfigured() -> Result<(Self, String)> {
        let mut command = silverback(&Place::Here, "serve")?;
        command.args(["--listen", "127.0.0.1:0"]).env_remove("SILVERBACK_AUTH_SECRET");
        let (process, address) = listening("silverback serve", &mut command, "listening on http://")?;
        let console = process.wait_for_line("console:", STARTS_WITHIN)?;
        let Some((_, key)) = console.split_once("#key=") else {
            return Err(process.failure(format!("no #key= in the console's address, {console}")));
        };
        let key = key.to_owned();
        Ok((Self { address, process, place: Place::Here, key }, console))
    }

    /// Where it runs, and where what talks to it must run.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// A token for this user, from `silverback token`.
    pub fn token(&self, user: &str) -> Result<String> {
        let output = silverback(&self.place, "token")?.args(["--user", user]).output()?;
        if !output.status.success() {
            return Err(Failure::new(format!("silverback token: {}", String::from_utf8_lossy(&output.stderr))));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The key of its API.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A request to the server, with nothing that identifies us.
    pub fn curl(&self, method: &str, path: &str) -> Result<Curl> {
        Curl::new(&self.place, method, format!("http://{}{path}", self.address))
    }

    /// A request to the API, with its key.
    pub fn api(&self, method: &str, path: &str) -> Result<Curl> {
        Ok(self.curl(method, path)?.header("Authorization", &format!("Bearer {}", self.key)))
    }

    /// Sends a text to a user, and returns what the server says about its delivery.
    pub fn post_text(&self, user: &str, text: &str) -> Result<Value> {
        self.api("POST", &format!("/v1/users/{user}/messages"))?.body("text/plain", text).send()?.json()
    }

    /// How many sessions the server says there are, of this user or in all.
    pub fn sessions(&self, of: Sessions<'_>) -> Result<usize> {
        let path = match of {
            Sessions::Of(user) => format!("/v1/users/{user}"),
            Sessions::All => "/v1/sessions".to_owned(),
        };
        let body = self.api("GET", &path)?.send()?.json()?;
        let sessions = body.get("sessions").and_then(Value::as_array);
        sessions.map(Vec::len).ok_or_else(|| Failure::new(format!("no sessions in {body}")))
    }

    /// Waits until there are so many sessions.
    pub fn wait_for_sessions(&self, of: Sessions<'_>, count: usize, within: Duration) -> Result<()> {
        let mut seen = 0;
        let outcome = eventually(within, &format!("{count} sessions, {of:?}"), || {
            seen = self.sessions(of)?;
            Ok((seen == count).then_some(()))
        });
        outcome.map_err(|failure| self.process.failure(format!("{failure}; there were {seen}")))
    }
}

/// Whose sessions.
#[derive(Clone, Copy, Debug)]
pub enum Sessions<'a> {
    /// This user's.
    Of(&'a str),
    /// Everybody's.
    All,
}

/// A running `silverback echo`.
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process, for its output.
    pub process: Process,
}

impl Echo {
    /// Starts an echo server.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts an echo server with these flags as well. It logs how each connection ended.
    pub fn start_with(flags: &[&str]) -> Result<Self> {
        let mut command = silverback(&Place::Here, "echo")?;
        command.args(["--listen", "127.0.0.1:0"]).args(flags).env("SILVERBACK_LOG", "debug");
        let (process, address) = listening("silverback echo", &mut command, "listening on ws://")?;
        Ok(Self { address, process })
    }
}

/// A command of the binary, with nothing from the environment of whoever runs the tests but the secret for tests.
fn silverback(place: &Place, subcommand: &str) -> Result<Command> {
    let mut command = place.command(installed::binary("silverback")?)?;
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SILVERBACK_")) {
        command.env_remove(name);
    }
    command.arg(subcommand).env("SILVERBACK_AUTH_SECRET", SECRET);
    Ok(command)
}

fn listening(name: &str, command: &mut Command, beginning: &str) -> Result<(Process, SocketAddr)> {
    let process = Process::start(name, command)?;
    let address = process.wait_for_line(beginning, STARTS_WITHIN)?;
    match address.parse() {
        Ok(address) => Ok((process, address)),
        Err(error) => Err(process.failure(format!("{address:?} is no address: {error}"))),
    }
}
