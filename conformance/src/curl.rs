//! HTTP as a person asks it: with curl.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::{Failure, Place, Result, installed};

/// One request.
pub struct Curl {
    command: Command,
    url: String,
}

impl Curl {
    /// A request from this place.
    pub fn new(place: &Place, method: &str, url: impl Into<String>) -> Result<Self> {
        let mut command = place.command(installed::program("curl")?)?;
        // --disable: no ~/.curlrc. --include would keep the head of a 101 back until the connection ends.
        command.args(["--disable", "--silent", "--show-error", "--dump-header", "-", "--no-buffer", "--noproxy", "*"]);
        command.args(["--max-time", "10", "--request", method]);
        Ok(Self { command, url: url.into() })
    }

    /// With this header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.command.arg("--header").arg(format!("{name}: {value}"));
        self
    }

    /// With the headers that ask for a WebSocket.
    pub fn asking_for_a_websocket(self) -> Self {
        self.header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// With this body.
    pub fn body(mut self, content_type: &str, body: &str) -> Self {
        self.command.arg("--data-raw").arg(body);
        self.header("Content-Type", content_type)
    }

    /// With another option of curl's, such as `--http1.0`.
    pub fn option(mut self, option: &str) -> Self {
        self.command.arg(option);
        self
    }

    /// Asks, and waits for the whole answer; of a 101, for its head.
    pub fn send(mut self) -> Result<Answer> {
        let mut curl = self.command.arg(&self.url).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let Some(stdout) = curl.stdout.take() else { return Err(Failure::new("curl has no stdout")) };
        let answer = Answer::read(BufReader::new(stdout));
        if answer.as_ref().is_ok_and(|answer| answer.status == 101) {
            curl.kill()?; // curl would wait for the end of the connection
            curl.wait()?;
            return answer;
        }
        let output = curl.wait_with_output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        match answer {
            Ok(answer) if output.status.success() => Ok(answer),
            Ok(answer) => Err(Failure::new(format!("{}: {} after {answer:?}", self.url, stderr.trim()))),
            Err(failure) => Err(Failure::new(format!("{}: {} ({failure})", self.url, stderr.trim()))),
        }
    }
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    /// The status, such as 101 or 426.
    pub status: u16,
    /// The headers as they came, names in their own case.
    pub headers: Vec<(String, String)>,
    /// The body; empty for a 101.
    pub body: String,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, of an answer that is a success.
    pub fn json(&self) -> Result<serde_json::Value> {
        if !(200..300).contains(&self.status) {
            return Err(Failure::new(format!("refused: {self:?}")));
        }
        serde_json::from_str(&self.body).map_err(|error| Failure::new(format!("{error} in {self:?}")))
    }

    fn read(mut curl: impl BufRead) -> Result<Self> {
        let mut line = String::new();
        curl.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.trim().parse().ok());
        let Some(status) = status else { return Err(Failure::new(format!("no status in {line:?}"))) };
        let mut headers = Vec::new();
        loop {
            line.clear();
            curl.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut body = String::new();
        if status != 101 {
            curl.read_to_string(&mut body)?;
        }
        Ok(Self { status, headers, body })
    }
}
