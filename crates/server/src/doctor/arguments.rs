//! What the command line says to the doctor.

use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum};

use super::proxy::Proxy;
use crate::config;
use crate::target::Target;

/// Arguments of `silverback doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 when all is well, 1 when something is not, 2 when the command line is wrong.

Each step takes at most --timeout, and all together 17 times that and --idle; mostly it is well below a second. Nothing but handshakes, \
pings and one message of --message random bytes is sent. Credentials go to the address that is given and nowhere else, and to no server \
whose certificate is not trusted. docs/doctor.md tells more.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How long each step may take, as in 5s or 500ms
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = config::parse_time)]
    pub(crate) timeout: Duration,
    /// How long to be silent, to find a proxy's time-out, as in 75s
    #[arg(long, value_name = "DURATION", value_parser = config::parse_time)]
    pub(crate) idle: Option<Duration>,
    /// The size of the large message, as in 1MiB; 0 sends none
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = parse_message)]
    pub(crate) message: ByteSize,
    /// Whose lines to change are shown [default: those of the proxy that was recognised]
    #[arg(long = "for", value_name = "PROXY")]
    pub(crate) proxy: Option<Proxy>,
    /// Prints one JSON object, for machines
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours: auto is on a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// The largest message that is sent: no server is to be brought down by being looked at.
const LARGEST_MESSAGE: ByteSize = ByteSize::mib(64);

fn parse_message(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = if text == "0" { ByteSize::b(0) } else { config::parse_size(text)? };
    if size > LARGEST_MESSAGE { Err(format!("at most {LARGEST_MESSAGE} are sent")) } else { Ok(size) }
}
