//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytesize::ByteSize;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::bench::{self, Bench};
use crate::config::{self, Flag, Layers};
use crate::connect::{self, Connect};
use crate::doctor::{self, Doctor};
use crate::limits::{self, Bounds};
use crate::listening::{Address, Addresses, Inherited};
use crate::serve::Start;
use crate::traces::Traces;
use crate::why::{self, About};
use crate::{auth, echo, log, process, serve, wrapped};

#[derive(Debug, Parser)]
#[command(name = "silverback", version, about = "Holds WebSocket connections, knows who is connected, and says why when they are not")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The server: clients at /ws, the API at /v1, the console at /console
    Serve(Serve),
    /// Looks at the configuration
    #[command(subcommand)]
    Config(Config),
    /// A bare echo server, for conformance runs and benchmarks
    Echo(Echo),
    /// An interactive client, and one for pipes: history, JSON laid out, frames and timings with -v
    Connect(Box<Connect>),
    /// Mints a token for a user with the key in SILVERBACK_AUTH_SECRET or in the configuration
    Token(Token),
    /// Goes the whole way to a WebSocket server, and says what is wrong and how to mend it
    Doctor(Box<Doctor>),
    /// Tells why a user or a session was disconnected: asks the API of a running server, with the key in SILVERBACK_API_KEY
    Why(Why),
    /// Load for a WebSocket server: how much it takes, how fast it answers, and what goes wrong on the way
    Bench(Box<Bench>),
}

#[derive(Debug, Args)]
#[command(after_help = "SIGHUP reads the configuration, the key files and the key set again, and drops no connection. \
    `silverback config example` shows every key and its variable.")]
struct Serve {
    #[command(flatten)]
    settings: Settings,
}

/// What says how the server is configured.
#[derive(Debug, Args)]
struct Settings {
    /// A configuration file (TOML). The environment overrides it, flags override both
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, as in 0.0.0.0:8080 or unix:/run/silverback.sock; may be repeated [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", value_parser = config::parse_listen)]
    listen: Vec<Address>,
    /// Lets clients without a token in, each as a user `anonymous-…` of its own
    #[arg(long)]
    allow_anonymous: bool,
    /// Lets pages of this origin connect, besides the server's own, as in https://app.example.com; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Says all that is wrong with the configuration: where, which key, and what to do
    Check(Settings),
    /// Prints what is in effect as TOML, and where each value is from; secrets are masked
    Print(Settings),
    /// Prints a file with every key, its default and what it is for
    Example,
}

#[derive(Debug, Args)]
struct Echo {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001", value_parser = config::parse_address)]
    listen: SocketAddr,
    /// The largest message that is taken, as in 64MiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = config::parse_size)]
    max_message: ByteSize,
}

#[derive(Debug, Args)]
struct Token {
    /// The user whom the token is for
    #[arg(long)]
    user: String,
    /// How long it is good, as in 15m or 24h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = config::parse_time)]
    ttl: Duration,
    /// A configuration file (TOML) with the key in `auth.secret`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["user", "session"])))]
struct Why {
    /// The user whose sessions are meant
    #[arg(long)]
    user: Option<String>,
    /// The session that is meant, by its id
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// How many of the user's sessions that have ended are told of
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=1000))]
    last: u16,
    /// The server's address [default: that of the configuration, http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A configuration file (TOML) with the address and the key of the server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs the command line; the exit code is 0 only when all went well.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| without_secrets(error).exit());
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}", wrapped::for_stderr(&format!("silverback: {error}")));
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("{}", wrapped::for_stderr(&format!("  because: {cause}")));
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// What a secret was to be is not repeated.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let is_secret = |argument: &str| ["--token", "--header", "<URL>"].iter().any(|secret| argument.starts_with(secret));
    if matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(argument)) if is_secret(argument)) {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".to_owned()));
    }
    error
}

impl Settings {
    fn layers(self) -> Layers {
        let Self { config, listen, allow_anonymous, origins } = self;
        let flag = |name, key, value: String| Flag { name, key, value };
        let mut layers = Layers::of(config);
        layers.flags.extend((!listen.is_empty()).then(|| flag("--listen", "listen", Addresses(listen).to_string())));
        layers.flags.extend(allow_anonymous.then(|| flag("--allow-anonymous", "allow_anonymous", true.to_string())));
        layers.flags.extend(origins.into_iter().map(|origin| flag("--origin", "origins", origin)));
        layers
    }
}

fn run(command: Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let done: Result<(), Box<dyn std::error::Error>> = match command {
        Command::Doctor(arguments) => {
            let is_well = process::block_on(doctor::doctor(*arguments))??;
            return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Serve(arguments) => {
            let layers = arguments.settings.layers();
            let loaded = layers.load()?;
            let inherited = Inherited::take()?; // before there are other threads
            let runtime = process::runtime()?;
            let within = runtime.enter();
            let traces = Traces::start(&loaded.config.otlp)?;
            let (log, limit) = log::start(&loaded.config.log, loaded.config.log_format, traces.as_ref().map(Traces::layer))?;
            drop(within);
            let (descriptors, threads) = (limits::raise_descriptor_limit(), loaded.config.runtime);
            let bounds = Bounds::new(descriptors.saturating_sub(threads.descriptors()), threads.tables());
            runtime.block_on(serve::serve(loaded, layers, Start { inherited, traces, log, limit, bounds }))
        }
        Command::Config(Config::Check(settings)) => config::check(&settings.layers()),
        Command::Config(Config::Print(settings)) => config::print(&settings.layers()),
        Command::Config(Config::Example) => config::example(),
        Command::Echo(arguments) => {
            log::start(&config::log_filter()?, log::Format::Text, None)?;
            limits::raise_descriptor_limit();
            process::block_on(echo::echo(arguments.listen, arguments.max_message))?
        }
        Command::Connect(arguments) => process::block_on(connect::connect(*arguments))?,
        Command::Token(arguments) => {
            let config = Layers::of(arguments.config).load()?.config;
            let token = auth::for_command_line(&config.auth, &arguments.user, arguments.ttl)?;
            writeln!(std::io::stdout(), "{token}")?;
            Ok(())
        }
        Command::Bench(arguments) => bench::bench(*arguments),
        Command::Why(arguments) => {
            let config = Layers::of(arguments.config).load()?.config;
            let about = match (arguments.user, arguments.session) {
                (Some(name), _) => About::User { name, last: arguments.last.into() },
                (None, session) => About::Session(session.unwrap_or_default()),
            };
            process::block_on(why::why(config, arguments.url, about))?
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
