//! Where a program can be told to listen.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Failure, Result};

const PORTS: Range<u16> = 12_000..32_000;

/// An address that nobody listens at. It is below those that the kernel gives out, so that nobody gets it before the program does that is told to listen there.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(61); // another test is another process
    let ports =
        (0..PORTS.len()).map(|_| PORTS.start + (own.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)) % PORTS.len() as u32) as u16);
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).ok_or_else(|| Failure::new(format!("no port of {PORTS:?} is free")))
}
