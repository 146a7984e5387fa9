//! `cargo xtask`: sets a machine up and runs every test. Nothing is hidden in shell, nothing is needed but Rust.
//!
//! | command | what it does |
//! | --- | --- |
//! | `cargo xtask setup` | installs what the tests need from outside: Debian packages, the Autobahn suite, other libraries, cargo-fuzz |
//! | `cargo xtask test` | sets up, builds, runs `cargo test`, then the fuzz targets for a minute and the conformance tests, one after another |
//! | `cargo xtask fuzz [--seconds N] [TARGET…]` | runs the fuzz targets, for a minute each unless told otherwise |
//! | `cargo xtask bench [--quick] [TABLE…]` | measures beside other libraries, and writes `bench/RESULTS.md` |
//! | `cargo xtask instructions [--write]` | counts the instructions of the echo path, and compares with the record or makes it anew |
//! | `cargo xtask bench micro` | measures the hot parts beside their floors, and writes `bench/MICRO.md` |
//! | `cargo xtask conformance` | sets up, builds, and runs all 517 cases of Autobahn for server and client; `test` runs 375 |
//!
//! The run stops at the first failure and ends with a table of what ran and how long it took, then one line that says
//! whether all is well. `test.rs` is the place to start reading.

mod autobahn;
mod bench;
mod debian;
mod fuzz;
mod instructions;
mod micro;
mod peers;
mod python;
mod run;
mod schemathesis;
mod setup;
mod stages;
mod test;

use std::process::ExitCode;

use stages::Stages;

const USAGE: &str = "usage: cargo xtask setup   installs what the tests need from outside
       cargo xtask test    sets up, builds, and runs every test
       cargo xtask fuzz [--seconds N] [TARGET…]    runs these fuzz targets, or all, for 60 or N seconds each
       cargo xtask bench [--quick] [--report] [TABLE…]    measures these tables, or all but `million`, beside other libraries, and writes bench/RESULTS.md
       cargo xtask instructions [--write]    counts the instructions of the echo path, and compares with the record or makes it anew
       cargo xtask bench micro    measures the hot parts beside their floors, and writes bench/MICRO.md
       cargo xtask conformance    runs all of Autobahn's cases, of which `test` runs a minute's choice";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut stages = Stages::default();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["setup"] => setup::setup(&mut stages),
        ["test"] => test::test(&mut stages),
        ["fuzz", ref options @ ..] => fuzz::fuzz(&mut stages, options),
        ["instructions"] => instructions::instructions(&mut stages, false),
        ["instructions", "--write"] => instructions::instructions(&mut stages, true),
        ["bench", "micro"] => micro::micro(&mut stages),
        ["bench", ref options @ ..] => bench::bench(&mut stages, options),
        ["conformance"] => test::all_of_autobahn(&mut stages),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("\n{stages}");
    match outcome {
        Ok(()) => {
            println!("all is well");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}
