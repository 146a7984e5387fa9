//! The Autobahn fuzzing client against `silverback echo`.

use silverback_conformance::autobahn::{CASE_COUNT, CASES, Runner};
use silverback_conformance::{Echo, Failure, Opcode, RawPeer, Result};

#[test]
fn every_case_is_ok_in_behaviour_and_in_close() -> Result<()> {
    let runner = Runner::find()?;
    let echo = Echo::start()?;
    let report = runner.run(echo.address, &CASES)?;

    let ran = report.verdicts.len();
    let bad: Vec<String> =
        report.verdicts.iter().filter(|(_, verdict)| !verdict.is_good()).map(|(id, verdict)| format!("{id}: {verdict}")).collect();

    println!("Autobahn, run by {runner}: {ran} cases of {CASE_COUNT}, {} not OK", bad.len());
    if let Some(overlooked) = runner.overlooks() {
        println!("  {runner} does not judge {overlooked}; the test beside this one does");
    }
    println!("  every frame: {}", report.page.display());

    if !bad.is_empty() {
        return Err(echo.process.failure(format!("not OK by {runner}:\n  {}", bad.join("\n  "))));
    }
    if ran == CASE_COUNT { Ok(()) } else { Err(Failure::new(format!("{runner} ran {ran} cases, not {CASE_COUNT}"))) }
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
