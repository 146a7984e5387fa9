//! Values of the command line.

use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;

use crate::listening::Address;

/// The longest time: so long that nobody means a longer one, and so short that sums of some of them are times, too.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 24 * 3600);

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
    let time = humantime::parse_duration(text).map_err(|_| "write a time, as in 15m or 24h")?;
    if time > LONGEST { Err("a time has a thousand years at most") } else { Ok(time) }
}

/// A number of things.
pub(crate) fn parse_count(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|count| *count > 0).ok_or("write a number above 0, as in 3")
}

/// A size.
pub(crate) fn parse_size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| "write a size, as in 64MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_one_that_can_be_reckoned_with() {
        assert_eq!(parse_time("1000y"), Ok(Duration::from_secs(31_557_600_000)));
        assert!(parse_time("500000000000y").is_err());
        assert!(tokio::time::Instant::now().checked_add(LONGEST * 100).is_some());
    }
}
