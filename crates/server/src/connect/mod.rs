//! `silverback connect`: a WebSocket client for people, and for pipes.
//!
//! ```text
//!   editor, or a pipe ─▶ input ─▶ session ─▶ Sender ─▶ tap ─▶ the server
//!           ▲                        │                  │
//!        screen ◀──── view ◀─────────┴──── Receiver ◀───┘ (frames, pongs)
//! ```
//!
//! `client` dials, and again if it is to (`retry`). `session` is one connection. `tap` watches what passes and puts pings between frames. `ink` is what all
//! text goes through before a terminal gets it. `secrets` masks.

mod client;
mod command;
mod editor;
mod failure;
mod frames;
mod hex;
mod ink;
mod input;
mod keep;
mod pings;
mod pretty;
mod retry;
mod screen;
mod secrets;
mod session;
mod stages;
mod tap;
mod view;

use std::error::Error;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use http::header::ACCEPT;
use silverback::Deflate;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use self::client::{Client, Options};
use self::input::Unit;
use self::keep::Folder;
use self::screen::{Kind, Screen};
use self::stages::Stages;
use crate::config;
use crate::target::Target;

/// What comes before the person's own `Accept`: so that a refusal tells cause and cure apart.
const PROBLEMS: &str = "application/problem+json, application/json;q=0.9, */*;q=0.1";

#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal: type messages; /help tells the commands, Tab completes them. Alt+Enter, a \\ at the end of a line or an open bracket of JSON \
go on in the next line. The history is kept in $XDG_STATE_HOME/silverback/connect-history, without lines that begin with a space.

In a pipe: each line of standard input is sent as a text, what comes is written to standard output as it is, everything else goes to standard \
error: echo hi | silverback connect ws://127.0.0.1:9001/

Exit status: 0 after a normal close, 1 after anything else, 2 for a wrong command line.")]
pub(crate) struct Connect {
    #[command(flatten)]
    target: Target,
    /// Shows the handshake and its timings, pings and closes, and each message's time and size; twice: each frame
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Sends a ping each time this has passed, as in 5s, and shows how long its pong took
    #[arg(long, value_name = "INTERVAL", value_parser = parse_interval)]
    ping: Option<Duration>,
    /// Connects again, less and less often, when the connection is lost or the server restarts
    #[arg(long)]
    reconnect: bool,
    /// Offers compression (permessage-deflate), as browsers do
    #[arg(long)]
    compress: bool,
    /// The largest message that is taken or sent, as in 64MiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = config::parse_size)]
    max_message: ByteSize,
    /// Shows messages as they came: JSON is not laid out
    #[arg(long)]
    raw: bool,
    /// Saves each binary message that comes as a file in this directory
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Neither reads nor writes the history of what was typed
    #[arg(long)]
    no_history: bool,
    /// In a pipe: all of standard input is one text
    #[arg(long, conflicts_with = "binary")]
    one_message: bool,
    /// In a pipe: all of standard input is one binary message
    #[arg(long)]
    binary: bool,
    /// In a pipe: how long to wait for another message once standard input has ended, as in 5s, or `forever`
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_wait)]
    wait: Wait,
    /// Closes once so many messages have come
    #[arg(long, value_name = "COUNT", value_parser = config::parse_count)]
    count: Option<u64>,
}

/// How long, or for ever.
#[derive(Debug, Clone, Copy)]
struct Wait(Option<Duration>);

fn parse_wait(text: &str) -> Result<Wait, &'static str> {
    match text {
        "forever" => Ok(Wait(None)),
        text => config::parse_time(text).map(|time| Wait(Some(time))).map_err(|_| "write a time, as in 5s, or forever"),
    }
}

fn parse_interval(text: &str) -> Result<Duration, &'static str> {
    match config::parse_time(text) {
        Ok(time) if time >= Duration::from_millis(10) => Ok(time),
        _ => Err("write a time of at least 10ms, as in 5s"),
    }
}

/// Connects, and talks until it is over.
pub(crate) async fn connect(arguments: Connect) -> Result<(), Box<dyn Error>> {
    let Connect { target, verbose, ping, reconnect, compress, max_message, raw, output, no_history, one_message, binary, wait, count } =
        arguments;
    let max_message = usize::try_from(max_message.as_u64())?;
    let mut dialer = target.dialer()?.message_limit(max_message).deflate(compress.then(Deflate::default));
    if !target.headers.iter().any(|header| header.name == ACCEPT) {
        dialer = dialer.header(ACCEPT, PROBLEMS);
    }
    let unit = match (one_message, binary) {
        (true, _) => Unit::WholeText,
        (_, true) => Unit::WholeBinary,
        _ => Unit::Line,
    };
    let kind = Kind::here();
    let is_interactive = kind.is_terminal && std::io::stdin().is_terminal() && unit == Unit::Line && !screen::is_dumb();
    let (to_input, input) = mpsc::channel(input::LINES);
    let (to_stop, stop) = mpsc::channel(4);
    let _signals = signals(to_stop.clone())?;
    let options = Options {
        url: target.url.into(),
        verbose,
        ping,
        reconnects: reconnect,
        max_message,
        is_raw: raw,
        keeps_history: !no_history,
        unit,
        wait: wait.0,
        count,
    };
    let client = Client {
        options,
        dialer: dialer.build()?,
        screen: Screen::start(kind)?,
        stages: Stages::hear(),
        is_interactive,
        input,
        is_input_over: false,
        stop,
        is_leaving: false,
        folder: output.map(Folder::open).transpose()?,
        last: None,
        received: 0,
        sent: 0,
    };
    Ok(client.run(to_input, to_stop).await?)
}

/// SIGINT and SIGTERM, each time, for as long as the value lives. On a terminal that edits a line, Ctrl-C is a key and no signal.
fn signals(stop: mpsc::Sender<()>) -> std::io::Result<AbortOnDropHandle<()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let _ = stop.try_send(()); // two that wait are enough
        }
    })))
}
