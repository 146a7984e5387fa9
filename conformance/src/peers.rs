//! Clients in a process of their own, for what can only be done to a process: stopping it, killing it, cutting it off.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::{Process, Result, Server, installed};

/// Where ordinary clients come from.
pub const NEARBY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where clients come from whose network is to be cut; the rest of the test goes on.
pub const FAR_AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

impl Server {
    /// Starts a process with so many connections of this user, and waits until all are held. It answers pings.
    pub fn peers(&self, user: &str, count: usize, source: IpAddr) -> Result<Process> {
        let target = format!("/ws?token={}", self.token(user)?);
        let mut command = self.place().command(installed::binary("peer")?)?;
        command.args([&source.to_string(), &self.address.to_string(), &target, &count.to_string()]);
        let process = Process::start("peer", &mut command)?;
        process.wait_for_line("holding", Duration::from_secs(10))?;
        Ok(process)
    }
}
