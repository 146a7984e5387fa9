//! A back end in a process of its own: what it was told by hooks, across its lives.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::{Failure, Process, Result, Scratch, eventually, installed};

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A back end that takes everything, and notes it before it answers.
pub struct BackEnd {
    /// Where it listens, in all its lives.
    pub address: SocketAddr,
    notes: PathBuf,
    process: Option<Process>,
    /// So many bytes of the notes were read.
    read: u64,
    noted: Vec<Noted>,
    ids: HashSet<String>,
    counts: HashMap<String, usize>,
}

/// A line of its notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// `connect`, `connected`, `message` or `ended`.
    pub kind: String,
    /// The session's id, empty for `connect`.
    pub session: String,
    /// The event's id.
    pub id: String,
    /// Of a message, what it says; of an end, how many messages were given up.
    pub text: String,
}

impl BackEnd {
    /// The secret that it would check, for `hooks.secret`.
    pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    /// Starts one.
    pub fn start(place: &Scratch) -> Result<Self> {
        let mut back_end = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            notes: place.path().join("notes"),
            process: None,
            read: 0,
            noted: Vec::new(),
            ids: HashSet::new(),
            counts: HashMap::new(),
        };
        back_end.restart()?;
        Ok(back_end)
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it again, where it was.
    pub fn restart(&mut self) -> Result<()> {
        let mut command = Command::new(installed::binary("back_end")?);
        command.arg(self.address.to_string()).arg(&self.notes);
        let process = Process::start("back_end", &mut command)?;
        self.address = process.wait_for_line("listening on ", STARTS_WITHIN)?.parse()?;
        self.process = Some(process);
        Ok(())
    }

    /// All that it was told, in order, each event once.
    pub fn noted(&mut self) -> Result<&[Noted]> {
        let mut file = File::open(&self.notes)?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        self.read += whole.len() as u64;
        for line in whole.lines() {
            let mut parts = line.splitn(4, ' ').map(str::to_owned);
            if let (Some(kind), Some(session), Some(id), Some(text)) = (parts.next(), parts.next(), parts.next(), parts.next())
                && self.ids.insert(id.clone())
            {
                *self.counts.entry(kind.clone()).or_default() += 1;
                self.noted.push(Noted { kind, session, id, text });
            }
        }
        Ok(&self.noted)
    }

    /// How many of each kind it was told, each event counted once.
    pub fn counts(&mut self) -> Result<&HashMap<String, usize>> {
        self.noted()?;
        Ok(&self.counts)
    }

    /// Waits until it was told of so many.
    pub fn wait_for(&mut self, kind: &str, count: usize, within: Duration) -> Result<()> {
        let outcome = eventually(within, &format!("{count} events {kind}"), || {
            let has = self.counts()?.get(kind).copied().unwrap_or(0);
            Ok((has >= count).then_some(()))
        });
        outcome.map_err(|failure| Failure::new(format!("{failure}; there were {:?}", self.counts)))
    }
}
