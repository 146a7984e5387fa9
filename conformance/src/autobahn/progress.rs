//! How far a run is, told as it goes: ten minutes of silence look like a hang.

use std::time::Instant;

use crate::Process;

/// Tells of each section as it begins.
pub(super) struct Progress {
    role: &'static str,
    start: Instant,
    section: String,
}

impl Progress {
    pub(super) fn new(role: &'static str) -> Self {
        Self { role, start: Instant::now(), section: String::new() }
    }

    /// Looks at what wstest printed, and says so if it has come to another section.
    pub(super) fn look(&mut self, wstest: &Process) {
        let Some(case) = wstest.last_line("Running test case ID ") else { return };
        let section = section(&case);
        if section != self.section {
            println!("  {}: {:4} s, section {section}", self.role, self.start.elapsed().as_secs());
            self.section = section;
        }
    }
}

/// `7` of `7.1.1`, and `12.3` of `12.3.1`, for those of compression are long.
fn section(case: &str) -> String {
    let parts: Vec<&str> = case.split(['.', ' ']).collect();
    match parts[..] {
        [section @ ("12" | "13"), part, ..] => format!("{section}.{part}"),
        [section, ..] => section.to_owned(),
        [] => String::new(),
    }
}
