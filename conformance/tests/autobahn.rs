//! The Autobahn test suite against `silverback echo` and against a client built on the library.

use std::process::Command;
use std::time::Instant;

use silverback_conformance::autobahn::{Report, Runner};
use silverback_conformance::{Echo, Opcode, RawPeer, Result, installed};

#[test]
fn the_server_is_ok_in_every_case() -> Result<()> {
    let runner = Runner::find()?;
    let cases = runner.cases()?;
    let echo = Echo::start()?;
    let start = Instant::now();
    let report = runner.test_server(echo.address, cases)?;
    summarise("server", runner, &report, start);
    report.require_all_good(cases).map_err(|failure| echo.process.failure(failure.to_string()))
}

#[test]
fn the_client_is_ok_in_every_case() -> Result<()> {
    let runner = Runner::find()?;
    let cases = runner.cases()?;
    let client = installed::binary("autobahn_client")?;
    let start = Instant::now();
    let report = runner.test_client(
        |server| {
            let mut command = Command::new(client);
            command.arg(server.to_string());
            Ok(command)
        },
        cases,
    )?;
    summarise("client", runner, &report, start);
    report.require_all_good(cases)
}

/// Case 7.3.6 and those like it, in the part that kosoku overlooks.
#[test]
fn tcp_ends_after_a_protocol_error_also_when_the_peer_does_not_answer_the_close() -> Result<()> {
    let echo = Echo::start()?;
    let mut peer = RawPeer::connect(echo.address, "/")?;
    let mut too_long = 1000_u16.to_be_bytes().to_vec();
    too_long.extend([b'*'; 124]);
    peer.send(Opcode::Close, &too_long)?;

    let close = peer.message()?;
    assert_eq!((close.opcode, close.payload.get(..2)), (Opcode::Close, Some(&1002_u16.to_be_bytes()[..])));
    assert!(peer.has_ended()?, "something came after the Close frame");
    Ok(())
}

fn summarise(role: &str, runner: Runner, report: &Report, start: Instant) {
    println!("Autobahn, {role}: {report}; {} s by {runner}", start.elapsed().as_secs());
    if let Some(overlooked) = runner.overlooks() {
        println!("  {runner} does not judge {overlooked}; other tests do");
    }
    println!("  every frame: {}", report.page.display());
}
