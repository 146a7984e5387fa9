//! Happy eyeballs: the first of many addresses that takes the connection (RFC 8305).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an attempt is alone before the next one begins beside it (RFC 8305, 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What each address answered. None took the connection.
///
/// ```
/// # fn example(error: silverback::DialError) {
/// use silverback::DialError;
///
/// if let DialError::Connect { host, source } = error {
///     for (address, answer) in source.iter() {
///         println!("{host} at {address}: {answer}");
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectFailures(Vec<(SocketAddr, io::Error)>);

impl ConnectFailures {
    /// Each address that was tried, with its answer, in the order of the answers.
    pub fn iter(&self) -> impl Iterator<Item = &(SocketAddr, io::Error)> {
        self.0.iter()
    }

    fn cure(&self) -> &'static str {
        if self.0.iter().all(|(_, error)| error.kind() == io::ErrorKind::ConnectionRefused) {
            ". Nothing listens there: is the server running, and is the port right?"
        } else {
            ""
        }
    }
}

impl fmt::Display for ConnectFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (address, error)) in self.0.iter().enumerate() {
            write!(f, "{}{address}: {error}", if at == 0 { "" } else { ", " })?;
        }
        f.write_str(self.cure())
    }
}

impl std::error::Error for ConnectFailures {}

/// Connects to the first address that takes it. The next attempt begins when the last one has failed or has been alone for 250 ms; those that
/// come too late are dropped.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectFailures> {
    let mut waiting = interleave(addresses).into_iter().peekable();
    let mut attempts = FuturesUnordered::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(async move { (address, TcpStream::connect(address).await) });
        }
        let ended = if waiting.peek().is_some() { timeout(ATTEMPT_DELAY, attempts.next()).await } else { Ok(attempts.next().await) };
        match ended {
            Ok(Some((_, Ok(stream)))) => return Ok(stream),
            Ok(Some((address, Err(error)))) => failures.push((address, error)),
            Ok(None) => return Err(ConnectFailures(failures)),
            Err(_) => {} // it may still come, and the next one begins beside it
        }
    }
}

/// The addresses with their families in turn, beginning with that of the first (RFC 8305, 4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins_with_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_ipv6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut interleaved = Vec::with_capacity(first.len() + second.len());
    while first.len() + second.len() > 0 {
        interleaved.extend(first.next());
        interleaved.extend(second.next());
    }
    interleaved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_in_the_order_that_was_given() {
        let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        assert_eq!(
            interleave(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"])),
            addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"])
        );
        assert_eq!(interleave(addresses(&["1.1.1.1:1", "[::1]:1"])), addresses(&["1.1.1.1:1", "[::1]:1"]));
        assert_eq!(interleave(Vec::new()), []);
    }
}
