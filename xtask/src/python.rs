//! Python environments below `target/conformance/`, each with one package of one version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian;
use crate::run::run;

/// A Python environment that holds one package.
pub(crate) struct Environment {
    /// Where it is.
    pub(crate) root: PathBuf,
    requirement: &'static str,
}

impl Environment {
    pub(crate) fn new(directory: &Path, name: &str, requirement: &'static str) -> Self {
        Self { root: directory.join(name), requirement }
    }

    /// Complete, and of the version we want: the stamp is written last.
    pub(crate) fn is_ready(&self) -> bool {
        let ready = fs::read_to_string(self.stamp()).is_ok_and(|stamp| stamp == self.requirement);
        if ready {
            println!("{} is in {}", self.requirement, self.root.display());
        }
        ready
    }

    /// Makes the environment and installs the package.
    pub(crate) fn make(&self, python3: &Path) -> Result<(), String> {
        self.clear()?;
        run(Command::new(python3).args(["-m", "venv"]).arg(&self.root))?;
        self.install()
    }

    /// Installs the package in an environment that was made otherwise.
    pub(crate) fn install(&self) -> Result<(), String> {
        let pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", self.requirement];
        run(Command::new(self.program("python")).args(pip))?;
        fs::write(self.stamp(), self.requirement).map_err(|error| format!("{}: {error}", self.stamp().display()))
    }

    /// Takes away what may be there of another version, or of an attempt that failed.
    pub(crate) fn clear(&self) -> Result<(), String> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", self.root.display())),
            _ => Ok(()),
        }
    }

    /// A program of the environment's.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    fn stamp(&self) -> PathBuf {
        self.root.join(".ready")
    }
}

/// The Python that environments are made with.
pub(crate) fn python3() -> Result<PathBuf, String> {
    debian::python3().ok_or_else(|| "no Python 3.11 or later that can make environments was found".to_owned())
}
