//! `silverback bench`: load for a WebSocket server, and what became of it.
//!
//! ```text
//!   arguments ─▶ plan ─▶ crew (threads) ─┬─ connection: dial, then echo or listen ─┐
//!                         ▲              └─ poster: messages through the API ───────┴─▶ tally, one for each thread
//!                         │ phase                                                          │ four times a second
//!                        run ◀──────────────────── timeline, progress ◀────────────────────┘
//!                         └─▶ report ─▶ table, JSON, HTML
//! ```
//!
//! A message leaves nothing behind but counts: a run of a day needs no more memory than one of a second. Where to start reading: `run.rs`,
//! then `echo.rs`.

mod alarm;
mod api;
mod arguments;
mod cause;
mod chart;
mod connection;
mod crew;
mod echo;
mod html;
mod listen;
mod machine;
mod pacer;
mod payload;
mod phase;
mod plan;
mod poster;
mod progress;
mod report;
mod run;
mod schedule;
mod stamp;
mod table;
mod tally;
mod timeline;
mod units;
mod warnings;

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

pub(crate) use arguments::Bench;

use self::arguments::JSON_TO_STDOUT;
use self::plan::Plan;
use self::report::Report;
use crate::process;

/// Runs the load and tells of it. An error when not all was well, so that scripts notice.
pub(crate) fn bench(arguments: Bench) -> Result<(), Box<dyn Error>> {
    let (json, html) = (arguments.json.clone(), arguments.html.clone());
    for file in json.iter().filter(|file| *file != JSON_TO_STDOUT).map(Path::new).chain(html.as_deref()) {
        writable(file)?; // before the run, not after it
    }
    let plan = Plan::new(arguments)?;
    let report = process::block_on(run::run(plan))??;
    let mut stdout = std::io::stdout().lock();
    if json.as_deref() == Some(JSON_TO_STDOUT) {
        writeln!(stdout, "{}", report.json()?)?;
    } else {
        let is_coloured = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        stdout.write_all(table::table(&report, is_coloured).as_bytes())?;
    }
    if let Some(file) = json.as_deref().filter(|file| *file != JSON_TO_STDOUT) {
        write(Path::new(file), &report.json()?)?;
    }
    if let Some(file) = &html {
        write(file, &html::page(&report))?;
    }
    verdict(&report)
}

fn verdict(report: &Report) -> Result<(), Box<dyn Error>> {
    if report.ok { Ok(()) } else { Err(format!("not all was well: {}", report.problems.join(", ")).into()) }
}

fn writable(file: &Path) -> Result<(), Box<dyn Error>> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.map(drop).map_err(|error| format!("the report cannot be written to {}: {error}", file.display()).into())
}

fn write(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    std::fs::write(file, text).map_err(|error| format!("the report could not be written to {}: {error}", file.display()).into())
}
