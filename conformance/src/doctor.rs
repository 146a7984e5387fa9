//! What `silverback doctor` says of an address.

use serde_json::Value;

use crate::server::silverback;
use crate::{Failure, Place, Result};

/// An examination that is over.
#[derive(Debug)]
pub struct Diagnosis {
    /// The exit status.
    pub status: Option<i32>,
    /// What it said, as `--json` does.
    pub said: Value,
}

impl Diagnosis {
    /// Has this address examined, with these arguments as well.
    pub fn of(url: &str, arguments: &[&str]) -> Result<Self> {
        let output = silverback(&Place::Here, "doctor")?.args(["--json", "--no-proxy"]).args(arguments).arg(url).output()?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let said = serde_json::from_str(&stdout).map_err(|error| {
            Failure::new(format!("silverback doctor {url}: {error} in {stdout:?}, and {:?}", String::from_utf8_lossy(&output.stderr)))
        })?;
        Ok(Self { status: output.status.code(), said })
    }

    /// The cause that it names, such as `idle-timeout`; `well` when all is well.
    pub fn cause(&self) -> &str {
        self.said["verdict"]["cause"].as_str().unwrap_or_default()
    }

    /// The proxy that it recognised.
    pub fn proxy(&self) -> Option<&str> {
        self.said["verdict"]["proxy"].as_str()
    }

    /// The lines to change in the configuration of this proxy, as `--for` names it, and where they belong.
    pub fn lines_for(&self, proxy: &str) -> Option<String> {
        let all = self.said["verdict"]["lines"].as_array()?;
        let lines = all.iter().find(|lines| lines["for"] == proxy)?;
        Some(format!("{}: {}", lines["at"].as_str()?, lines["lines"].as_str()?))
    }
}
