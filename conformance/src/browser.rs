//! A headless Chromium behind its driver.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::free_address::free_address;
use crate::{Curl, Failure, Place, Process, Result, Scratch, installed};

/// A running ChromeDriver, killed when this is dropped. The browser is its child: end the session first.
pub struct Driver {
    /// Where a WebDriver client connects.
    pub url: String,
    profile: Scratch,
    _process: Process,
}

impl Driver {
    /// Starts a driver on a free port.
    pub fn start() -> Result<Self> {
        installed::program("chromium")?;
        let profile = Scratch::new()?;
        let mut command = Command::new(installed::program("chromedriver")?);
        // Told 0, it takes a free port of IPv6 and wants the same of IPv4, which somebody may have.
        let process = Process::start("chromedriver", command.arg(format!("--port={}", free_address()?.port())))?;
        let port = process.wait_for_line("ChromeDriver was started successfully on port ", Duration::from_secs(20))?;
        let url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));
        Ok(Self { url, profile, _process: process })
    }

    /// What to ask of a new session: headless, silent towards the internet, with its console kept.
    pub fn capabilities(&self) -> Result<serde_json::Map<String, Value>> {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": installed::program("chromium")?,
                "args": [
                    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    "--disable-quic", profile,
                ],
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        match capabilities {
            Value::Object(map) => Ok(map),
            other => Err(Failure::new(format!("no object: {other}"))),
        }
    }

    /// Tells the browser something of its own protocol (CDP), such as `Emulation.setEmulatedMedia`.
    pub fn tell(&self, session: &str, command: &str, parameters: &Value) -> Result<()> {
        let url = format!("{}/session/{session}/goog/cdp/execute", self.url);
        let body = json!({ "cmd": command, "params": parameters }).to_string();
        let answer = Curl::new(&Place::Here, "POST", url)?.body("application/json", &body).send()?.json()?;
        match answer["value"]["error"].as_str() {
            Some(error) => Err(Failure::new(format!("{command}: {error}"))),
            None => Ok(()),
        }
    }

    /// What the page's console holds that is severe: errors of scripts, refused resources. Reading empties it.
    pub fn severe_console_entries(&self, session: &str) -> Result<Vec<String>> {
        let url = format!("{}/session/{session}/se/log", self.url);
        let answer = Curl::new(&Place::Here, "POST", url)?.body("application/json", r#"{"type":"browser"}"#).send()?.json()?;
        let entries = answer.get("value").and_then(Value::as_array).cloned().unwrap_or_default();
        Ok(entries.iter().filter(|entry| entry["level"] == "SEVERE").map(|entry| entry["message"].to_string()).collect())
    }
}
