//! `cargo xtask test`: the whole test run.

use crate::fuzz;
use crate::run::{cargo, run, rust_files};
use crate::setup::setup;
use crate::stages::Stages;

const CONFORMANCE: &str = "silverback-conformance";

pub(crate) fn test(stages: &mut Stages) -> Result<(), String> {
    setup(stages)?;
    stages.run("build", || {
        run(cargo().arg("build"))?; // the binaries that the conformance tests start
        run(cargo().args(["test", "--no-run", "--quiet"]))?;
        run(cargo().args(["test", "--no-run", "--quiet", "--package", CONFORMANCE]))
    })?;
    stages.run("cargo test", || run(cargo().arg("test")))?;
    fuzz::smoke(stages)?;
    for name in rust_files("conformance/tests")? {
        let arguments = ["test", "--quiet", "--package", CONFORMANCE, "--test", &name, "--", "--nocapture"];
        stages.run(&format!("conformance {name}"), || run(cargo().args(arguments)))?;
    }
    Ok(())
}
