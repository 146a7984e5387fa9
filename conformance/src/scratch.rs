//! A directory for the length of one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Result, installed};

/// A new empty directory below `target/conformance/`, removed with all it holds when this is dropped.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the directory.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("scratch-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = installed::directory()?.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Where it is: an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path); // left behind, it is only in the way
    }
}
