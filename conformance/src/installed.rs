//! Where things are: programs of the machine, our own binaries, what `cargo xtask setup` made.

use std::path::{Path, PathBuf};

use crate::{Failure, Result};

/// Where a service's program lives that an ordinary user's `PATH` does not name.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A program of the machine, such as `nginx`.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SBIN.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Failure::new(format!("{name} is not installed; run `cargo xtask setup`")))
}

/// A binary of this workspace, such as `silverback`. `SILVERBACK_BINARY` names another `silverback`.
pub fn binary(name: &str) -> Result<PathBuf> {
    if name == "silverback"
        && let Some(path) = std::env::var_os("SILVERBACK_BINARY")
    {
        return Ok(path.into());
    }
    let path = profile_directory()?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::new(format!("{} is not built; run `cargo build`, or `cargo xtask test` for everything", path.display())))
}

/// `target/conformance/`: the Python environments, the reports, the pictures.
pub fn directory() -> Result<PathBuf> {
    let profile = profile_directory()?;
    let target = profile.parent().ok_or_else(|| Failure::new(format!("nothing above {}", profile.display())))?;
    let directory = target.join("conformance");
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// A file of the repository, by its path from the root.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("").join(path)
}

/// `target/debug`: a test runs from `target/debug/deps`, so it is found whatever `CARGO_TARGET_DIR` says.
fn profile_directory() -> Result<PathBuf> {
    let ourselves = std::env::current_exe()?;
    let found = ourselves.ancestors().find(|path| path.ends_with("deps")).and_then(Path::parent);
    found.map(Path::to_owned).ok_or_else(|| Failure::new(format!("{} is not below target/*/deps", ourselves.display())))
}
