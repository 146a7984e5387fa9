//! Where connections go, where they come from, and what they ask for: options that every mode has.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::failure::{Context as _, Result};

#[derive(Args, Clone)]
pub(crate) struct Common {
    /// The server
    #[arg(long, value_parser = loopback)]
    pub(crate) address: SocketAddrV4,
    /// The server's process: its processor time and memory are read from /proc
    #[arg(long)]
    pub(crate) pid: u32,
    /// The core that the server keeps to
    #[arg(long, default_value_t = 0)]
    pub(crate) server_core: usize,
    /// The core to keep to
    #[arg(long)]
    pub(crate) core: Option<usize>,
    /// A plain TCP echo server: no handshake, and frames come back as they were sent
    #[arg(long)]
    pub(crate) raw: bool,
    /// The path of the handshake
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// A file with a token for the handshake's Authorization header; of several lines, each connection has the next
    #[arg(long)]
    pub(crate) token_file: Option<PathBuf>,
    /// Ask for permessage-deflate without context takeover, and send compressed messages
    #[arg(long, conflicts_with = "raw")]
    pub(crate) deflate: bool,
    /// How many handshakes may be under way at a time
    #[arg(long, default_value_t = 128)]
    pub(crate) handshakes: usize,
    /// The first source address; each block of connections has the next
    #[arg(long)]
    pub(crate) from: Option<Ipv4Addr>,
    /// The connections of one source address: far fewer than there are ports, or the kernel's search for a free one is what is measured
    #[arg(long, default_value_t = 10_000)]
    pub(crate) per_source: usize,
}

impl Common {
    /// The requests of so many handshakes, or one that is for all of them.
    pub(crate) fn requests(&self, first: usize, count: usize) -> Result<Vec<Vec<u8>>> {
        let Some(file) = &self.token_file else { return Ok(vec![self.request(None)]) };
        let tokens = std::fs::read_to_string(file).context(|| file.display().to_string())?;
        let tokens: Vec<&str> = tokens.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let count = count.min(tokens.len());
        Ok((first..first + count).map(|number| self.request(tokens.get(number % tokens.len()).copied())).collect())
    }

    /// The key is RFC 6455's own example.
    fn request(&self, token: Option<&str>) -> Vec<u8> {
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            self.path
        );
        if self.deflate {
            request += "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
        }
        if let Some(token) = token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        (request + "\r\n").into_bytes()
    }

    /// Where the connection of this number comes from.
    pub(crate) fn source(&self, number: usize) -> Option<Ipv4Addr> {
        let block = u32::try_from(number / self.per_source.max(1)).unwrap_or(u32::MAX);
        self.from.map(|first| Ipv4Addr::from(u32::from(first).saturating_add(block)))
    }
}

/// How long, and how much of it is only to warm up.
#[derive(Args, Clone)]
pub(crate) struct Times {
    /// How long to measure
    #[arg(long, default_value_t = 2.0)]
    pub(crate) seconds: f64,
    /// How long to run before that
    #[arg(long, default_value_t = 0.5)]
    pub(crate) warm_up: f64,
}

/// Nothing that comes back for this long ends the run.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A load generator on the open network is a weapon.
fn loopback(text: &str) -> std::result::Result<SocketAddrV4, String> {
    let address: SocketAddrV4 = text.parse().map_err(|_| "an IPv4 address and a port are wanted, as in 127.0.0.1:9001".to_owned())?;
    if address.ip().is_loopback() { Ok(address) } else { Err("only loopback addresses are measured".to_owned()) }
}
