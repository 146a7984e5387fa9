//! `cargo xtask test`: the whole test run, and `cargo xtask conformance`: the part of it that takes long, in full.

use std::process::Command;

use crate::run::{cargo, root, run, rust_files};
use crate::setup::setup;
use crate::stages::Stages;
use crate::{bench, fuzz, instructions};

const CONFORMANCE: &str = "silverback-conformance";

pub(crate) fn test(stages: &mut Stages) -> Result<(), String> {
    setup(stages)?;
    stages.run("build", || {
        build_for_conformance()?;
        run(cargo().args(["test", "--no-run", "--quiet"]))
    })?;
    stages.run("cargo test", || run(cargo().arg("test")))?;
    stages.run("the queues' locks, by loom", || run(&mut model()))?;
    instructions::instructions(stages, false)?;
    fuzz::smoke(stages)?;
    bench::smoke(stages)?;
    for name in rust_files("conformance/tests")? {
        stages.run(&format!("conformance {name}"), || run(&mut conformance(&name)))?;
    }
    Ok(())
}

/// All of Autobahn's cases, of which a test run takes a minute's choice.
pub(crate) fn all_of_autobahn(stages: &mut Stages) -> Result<(), String> {
    setup(stages)?;
    stages.run("build", build_for_conformance)?;
    stages.run("all of Autobahn", || run(conformance("autobahn").env("SILVERBACK_AUTOBAHN_CASES", "all")))
}

/// Every interleaving of the locks that a connection shares with its handles. It is another build of everything, in a place of its own.
fn model() -> Command {
    let mut command = cargo();
    command.env("RUSTFLAGS", "--cfg silverback_loom").args(["test", "--package", "silverback", "--lib", "--target-dir"]);
    command.arg(root().join("target/loom")).arg("shared_model");
    command
}

fn build_for_conformance() -> Result<(), String> {
    run(cargo().arg("build"))?; // the binaries that the conformance tests start
    run(cargo().args(["test", "--no-run", "--quiet", "--package", CONFORMANCE]))
}

fn conformance(test: &str) -> Command {
    let mut command = cargo();
    command.args(["test", "--quiet", "--package", CONFORMANCE, "--test", test, "--", "--nocapture"]);
    command
}
