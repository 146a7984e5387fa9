//! Many peers that go away badly leave nothing in the server: no session, no descriptor.

use std::time::Duration;

use silverback_conformance::Sessions::All;
use silverback_conformance::{FAR_AWAY, NEARBY, Place, RawPeer, Result, Server, eventually};

const COUNT: usize = 50;
const SOON: Duration = Duration::from_secs(5);

#[test]
fn killed_clients_leave_nothing() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let before = server.process.descriptors()?;
    let clients = server.peers("alice", COUNT, NEARBY)?;
    server.wait_for_sessions(All, COUNT, SOON)?;
    clients.signal("KILL")?;
    nothing_is_left(&server, before)
}

#[test]
fn clients_that_reset_tcp_leave_nothing() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let before = server.process.descriptors()?;
    let target = format!("/ws?token={}", server.token("alice")?);
    let clients = (0..COUNT).map(|_| RawPeer::connect(server.address, &target)).collect::<Result<Vec<_>>>()?;
    server.wait_for_sessions(All, COUNT, SOON)?;
    clients.into_iter().try_for_each(RawPeer::reset)?;
    nothing_is_left(&server, before)
}

#[test]
fn half_open_clients_leave_nothing() -> Result<()> {
    let (place, network) = Place::new_network()?;
    let quick = [("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms"), ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1s")];
    let server = Server::start(&place, &quick)?;
    let before = server.process.descriptors()?;
    let clients = server.peers("alice", COUNT, FAR_AWAY)?;
    server.wait_for_sessions(All, COUNT, SOON)?;
    network.cut(FAR_AWAY)?;
    clients.signal("KILL")?; // the server does not hear of it
    nothing_is_left(&server, before)
}

fn nothing_is_left(server: &Server, descriptors_before: usize) -> Result<()> {
    server.wait_for_sessions(All, 0, SOON)?;
    let what = format!("the server's descriptors to return to {descriptors_before}");
    eventually(SOON, &what, || Ok((server.process.descriptors()? <= descriptors_before).then_some(())))
}
