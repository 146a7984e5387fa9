//! `cargo xtask setup`: everything that the tests need from outside.

use crate::run::target_directory;
use crate::stages::Stages;
use crate::{autobahn, debian, fuzz, peers, schemathesis};

pub(crate) fn setup(stages: &mut Stages) -> Result<(), String> {
    let directory = target_directory()?.join("conformance"); // where the tests look for it
    stages.run("programs", debian::install_missing)?;
    stages.run("Autobahn", || autobahn::install_runner(&directory))?;
    stages.run("peers", || peers::install(&directory))?;
    stages.run("schemathesis", || schemathesis::install(&directory))?;
    stages.run("cargo-fuzz", fuzz::install)
}
