//! `cargo xtask test`: the whole test run.

use std::fs;

use crate::run::{cargo, root, run};
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
    for name in conformance_tests()? {
        let arguments = ["test", "--quiet", "--package", CONFORMANCE, "--test", &name, "--", "--nocapture"];
        stages.run(&format!("conformance {name}"), || run(cargo().args(arguments)))?;
    }
    Ok(())
}

/// The conformance tests by name: each is one file, and one stage.
fn conformance_tests() -> Result<Vec<String>, String> {
    let directory = root().join("conformance/tests");
    let entries = fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}
