//! Names and addresses: DNS, and TCP to each address.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use url::Host;

use super::observed::{Attempt, Connected, Names, Tcp};
use super::subject::Subject;

/// More addresses than this are not tried.
const MOST_ADDRESSES: usize = 16;

/// How long the other addresses have once one has taken the connection.
const OTHERS: Duration = Duration::from_millis(500);

/// All addresses of the host, in the order in which the system gives them.
pub(super) async fn names(subject: &Subject, within: Duration) -> Names {
    let port = subject.port();
    let name = match subject.host() {
        Host::Ipv4(ip) => return Names::NotNeeded((ip, port).into()),
        Host::Ipv6(ip) => return Names::NotNeeded((ip, port).into()),
        Host::Domain(name) => name.to_owned(),
    };
    match timeout(within, tokio::net::lookup_host((name, port))).await {
        Err(_) => Names::TimedOut(within),
        Ok(Err(error)) => Names::Failed(error.to_string()),
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() { Names::Failed("the name has no address".to_owned()) } else { Names::Found(addresses) }
        }
    }
}

impl Names {
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        match self {
            Self::NotNeeded(address) => vec![*address],
            Self::Found(addresses) => addresses.clone(),
            Self::Failed(_) | Self::TimedOut(_) => Vec::new(),
        }
    }
}

/// Connects to all of them at once, so that an address that leads nowhere is seen beside one that does. The stream is that of the first in the list
/// that took it.
pub(super) async fn tcp(addresses: &[SocketAddr], within: Duration) -> (Tcp, Option<TcpStream>) {
    let began = Instant::now();
    let mut until = began + within;
    let mut outcomes: Vec<(Connected, Option<TcpStream>)> = addresses.iter().map(|_| (Connected::TimedOut, None)).collect();
    let connect = |(at, address): (usize, SocketAddr)| async move { (at, TcpStream::connect(address).await, began.elapsed()) };
    let mut attempts: FuturesUnordered<_> = addresses.iter().copied().enumerate().map(connect).collect();
    let mut is_connected = false;
    loop {
        let (at, connected, took) = tokio::select! {
            ended = attempts.next() => match ended {
                Some(ended) => ended,
                None => break,
            },
            () = sleep_until(until) => break,
        };
        outcomes[at] = match connected {
            Ok(stream) => {
                is_connected = true;
                until = until.min(Instant::now() + OTHERS);
                let _ = stream.set_nodelay(true);
                (Connected::Yes(took), Some(stream))
            }
            Err(error) => (Connected::Failed(error.kind()), None),
        };
    }
    drop(attempts);
    let mut stream = None;
    let attempts = addresses.iter().zip(outcomes).map(|(address, (outcome, connected))| {
        let outcome = if is_connected && outcome == Connected::TimedOut { Connected::Dropped } else { outcome };
        if stream.is_none() {
            stream = connected;
        }
        Attempt { address: *address, outcome }
    });
    let attempts = attempts.collect();
    (Tcp { attempts, within }, stream)
}

/// One more connection to an address that has taken one.
pub(super) async fn again(address: SocketAddr, within: Duration) -> Option<TcpStream> {
    let stream = timeout(within, TcpStream::connect(address)).await.ok()?.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}
