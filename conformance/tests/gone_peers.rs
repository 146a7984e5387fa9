//! Many peers that go away badly leave nothing in the server: no session, no descriptor.

use std::time::Duration;

use silverback_conformance::Sessions::All;
use silverback_conformance::{FAR_AWAY, NEARBY, Place, RawPeer, Result, Server, eventually};

const COUNT: usize = 50;
const SOON: Duration = Duration::from_secs(5);

#[test]
fn killed_clients_leave_nothing() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let before = descriptors_at_rest(&server)?;
    let clients = server.peers("alice", COUNT, NEARBY)?;
    assert_eq!(server.sessions(All)?, COUNT);
    clients.signal("KILL")?;
    nothing_is_left(&server, before)
}

#[test]
fn clients_that_reset_tcp_leave_nothing() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let before = descriptors_at_rest(&server)?;
    let target = format!("/ws?token={}", server.token("alice")?);
    let clients = (0..COUNT).map(|_| RawPeer::connect(server.address, &target)).collect::<Result<Vec<_>>>()?;
    assert_eq!(server.sessions(All)?, COUNT);
    clients.into_iter().try_for_each(RawPeer::reset)?;
    nothing_is_left(&server, before)
}

#[test]
fn half_open_clients_leave_nothing() -> Result<()> {
    let (place, network) = Place::new_network()?;
    let quick = [("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms"), ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1s")];
    let server = Server::start(&place, &quick)?;
    let before = descriptors_at_rest(&server)?;
    let clients = server.peers("alice", COUNT, FAR_AWAY)?;
    assert_eq!(server.sessions(All)?, COUNT);
    network.cut(FAR_AWAY)?;
    drop(clients); // the server does not hear of it
    nothing_is_left(&server, before)
}

/// The server's open descriptors after a first client came and went, when what is opened once and kept is open.
fn descriptors_at_rest(server: &Server) -> Result<usize> {
    let fresh = server.process.descriptors()?;
    let client = server.peers("first", 1, NEARBY)?;
    assert!(server.process.descriptors()? > fresh, "a connection takes a descriptor");
    drop(client);
    server.wait_for_sessions(All, 0, SOON)?;
    eventually(SOON, "the first client's descriptor to be closed", || {
        let now = server.process.descriptors()?;
        Ok((now <= fresh).then_some(now))
    })
}

fn nothing_is_left(server: &Server, descriptors_before: usize) -> Result<()> {
    server.wait_for_sessions(All, 0, SOON)?;
    let what = format!("the server's descriptors to return to {descriptors_before}");
    eventually(SOON, &what, || Ok((server.process.descriptors()? <= descriptors_before).then_some(())))
}
