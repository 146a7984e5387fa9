//! Values of the command line.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;

use crate::listening::Address;

/// An address.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, as in 127.0.0.1:8080")
}

/// An address to listen on, which may be a Unix socket.
pub(crate) fn parse_listen(text: &str) -> Result<Address, &'static str> {
    text.parse()
}

/// A time.
pub(crate) fn parse_time(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "write a time, as in 15m or 24h")
}

/// A size.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| "write a size, as in 64MiB")
}
