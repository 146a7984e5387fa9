//! `cargo xtask setup`: everything that the tests need from outside.

use std::path::PathBuf;

use crate::stages::Stages;
use crate::{autobahn, debian};

pub(crate) fn setup(stages: &mut Stages) -> Result<(), String> {
    let directory = conformance_directory()?;
    stages.run("programs", debian::install_missing)?;
    stages.run("Autobahn", || autobahn::install_runner(&directory))
}

/// `target/conformance/`, where the tests look for what we install. Found from our own place, as they find it from
/// theirs, so it holds whatever `CARGO_TARGET_DIR` says.
fn conformance_directory() -> Result<PathBuf, String> {
    let ourselves = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    let target = ourselves.ancestors().nth(2).ok_or_else(|| format!("no target above {}", ourselves.display()))?;
    Ok(target.join("conformance"))
}
