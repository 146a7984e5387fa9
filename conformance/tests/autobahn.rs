//! The Autobahn fuzzing client against `silverback echo`.

use silverback_conformance::autobahn::{CASE_COUNT, CASES, Runner};
use silverback_conformance::{Echo, Failure, Result};

#[test]
fn every_case_is_ok_in_behaviour_and_in_close() -> Result<()> {
    let runner = Runner::find()?;
    let echo = Echo::start()?;
    let report = runner.run(echo.address, &CASES)?;

    let excused = runner.cannot_judge();
    let is_excused = |id: &str| excused.iter().any(|(case, _)| *case == id);
    let bad: Vec<String> = report
        .verdicts
        .iter()
        .filter(|(id, verdict)| !verdict.is_good() && !is_excused(id))
        .map(|(id, verdict)| format!("{id}: {verdict}"))
        .collect();

    let ran = report.verdicts.len();
    println!("Autobahn, run by {runner}: {ran} cases, {} judged, {} not OK", ran - excused.len(), bad.len());
    for (case, why) in excused {
        println!("  {runner} cannot judge {case}: {why}");
    }
    println!("  every frame: {}", report.page.display());

    assert_eq!(ran, CASE_COUNT, "{runner} left cases out, or took more in");
    if bad.is_empty() { Ok(()) } else { Err(Failure::new(format!("not OK by {runner}:\n  {}", bad.join("\n  ")))) }
}
