//! Peers that are there no more, and whose sockets do not say so: a stopped process, a network that is cut.
//!
//! Beside each dead peer stands a living one, which must stay: what is noticed is the death, not the silence.

use std::time::{Duration, Instant};

use silverback_conformance::Sessions::{All, Of};
use silverback_conformance::{FAR_AWAY, NEARBY, Place, Process, Result, Server};

const QUICK: [(&str, &str); 2] = [("SILVERBACK_HEARTBEAT_PING_AFTER", "500ms"), ("SILVERBACK_HEARTBEAT_DEAD_AFTER", "1s")];
/// One second is configured; the rest is for a busy machine, and still far from the default.
const QUICKLY: Duration = Duration::from_secs(5);
/// The promise is 30 s; the rest is for our own questions, each of which starts a curl.
const BY_DEFAULT: Duration = Duration::from_secs(33);

#[test]
fn a_stopped_client_is_removed_as_soon_as_configured() -> Result<()> {
    stopped_client_is_removed(&QUICK, QUICKLY)
}

#[test]
fn a_stopped_client_is_removed_within_thirty_seconds_by_default() -> Result<()> {
    stopped_client_is_removed(&[], BY_DEFAULT)
}

#[test]
fn a_client_whose_network_is_cut_is_removed_as_soon_as_configured() -> Result<()> {
    cut_client_is_removed(&QUICK, QUICKLY)
}

#[test]
fn a_client_whose_network_is_cut_is_removed_within_thirty_seconds_by_default() -> Result<()> {
    cut_client_is_removed(&[], BY_DEFAULT)
}

fn stopped_client_is_removed(settings: &[(&str, &str)], within: Duration) -> Result<()> {
    let server = Server::start(&Place::Here, settings)?;
    dead_client_is_removed(&server, within, |client| client.signal("STOP"))
}

fn cut_client_is_removed(settings: &[(&str, &str)], within: Duration) -> Result<()> {
    let (place, network) = Place::new_network()?;
    let server = Server::start(&place, settings)?;
    dead_client_is_removed(&server, within, |_| network.cut(FAR_AWAY))
}

fn dead_client_is_removed(server: &Server, within: Duration, kill: impl FnOnce(&Process) -> Result<()>) -> Result<()> {
    let _bob = server.peers("bob", 1, NEARBY)?;
    let alice = server.peers("alice", 1, FAR_AWAY)?;
    server.wait_for_sessions(All, 2, Duration::from_secs(5))?;

    let start = Instant::now();
    kill(&alice)?;
    server.wait_for_sessions(Of("alice"), 0, within)?;
    println!("removed after {:.1} s", start.elapsed().as_secs_f64());

    assert_eq!(server.sessions(Of("bob"))?, 1, "a living client was removed with the dead one");
    Ok(())
}
