//! From a host to its addresses.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;

use url::Host;

/// Addresses that are known without asking: the host as an address has it, and port 0 for the port that was asked for.
pub(super) type Known = HashMap<String, Vec<SocketAddr>>;

/// All addresses of `host`, in the order in which the system gives them (RFC 6724).
pub(super) async fn resolve(host: Host<&str>, port: u16, known: &Known) -> io::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Ipv4(ip) => return Ok(vec![(ip, port).into()]),
        Host::Ipv6(ip) => return Ok(vec![(ip, port).into()]),
        Host::Domain(name) => name,
    };
    let addresses: Vec<SocketAddr> = match known.get(name) {
        Some(known) => known.iter().map(|known| SocketAddr::new(known.ip(), if known.port() == 0 { port } else { known.port() })).collect(),
        None => tokio::net::lookup_host((name, port)).await?.collect(),
    };
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    }
    Ok(addresses)
}
