//! The files of a spool: records are appended to the newest; a file that nothing is needed of any more is removed, the oldest first.
//!
//! A record of a removed event may stand in a later file than the event, so a file is never removed before an older one: an event that was
//! removed does not come back. What is needed of the oldest file is copied to the newest when the files hold much more than is needed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

use super::SpoolError;
use super::record::{Record, Sequence};

const ENDING: &str = "spool";

/// A file that has so many bytes is followed by another.
const SEGMENT: u64 = 4 << 20;

pub(super) struct Log {
    directory: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
    newest: Segment,
    /// By number, the newest included.
    segments: BTreeMap<u64, Held>,
    index: BTreeMap<Sequence, Entry>,
    /// The bytes of what is in the index.
    needed: u64,
    next: Sequence,
    /// What is to be written to the newest.
    unwritten: Vec<u8>,
    segment_size: u64,
    is_synced: bool,
}

struct Segment {
    number: u64,
    file: File,
    /// So many bytes of it are whole.
    committed: u64,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    /// Events of it that are needed.
    needed: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    segment: u64,
    /// Of the record.
    offset: u64,
    /// Of the event.
    length: usize,
    is_delivered: bool,
}

impl Log {
    /// Opens a directory, which is made if it is not there, for this process alone.
    pub(super) fn open(directory: &Path, is_synced: bool) -> Result<Self, SpoolError> {
        Self::open_with(directory, is_synced, SEGMENT)
    }

    fn open_with(directory: &Path, is_synced: bool, segment_size: u64) -> Result<Self, SpoolError> {
        let unusable = |source| SpoolError::Directory { directory: directory.to_owned(), source };
        // What is in it is about people: nobody else's business on this machine.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unusable)?;
        let lock = File::create(directory.join("lock")).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SpoolError::InUse(directory.to_owned()),
            TryLockError::Error(source) => unusable(source),
        })?;
        let mut numbers = Vec::new();
        for entry in fs::read_dir(directory).map_err(unusable)? {
            let path = entry.map_err(unusable)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING)
                && let Some(number) = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok())
            {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        // Never behind what may be torn.
        let number = numbers.last().map_or(1, |last| last + 1);
        let newest = Segment { number, file: create(directory, number).map_err(unusable)?, committed: 0 };
        let mut log = Self {
            directory: directory.to_owned(),
            _lock: lock,
            newest,
            segments: BTreeMap::from([(number, Held::default())]),
            index: BTreeMap::new(),
            needed: 0,
            next: 1,
            unwritten: Vec::new(),
            segment_size,
            is_synced,
        };
        for number in numbers {
            log.load(number)?;
        }
        log.drop_unneeded();
        Ok(log)
    }

    fn load(&mut self, number: u64) -> Result<(), SpoolError> {
        let file = path(&self.directory, number);
        let bytes = fs::read(&file).map_err(|source| SpoolError::File { file: file.clone(), source })?;
        self.segments.insert(number, Held { bytes: bytes.len() as u64, needed: 0 });
        let mut at = 0;
        while let Some((record, length)) = bytes.get(at..).and_then(Record::read) {
            let offset = at as u64;
            at += length;
            match record {
                Record::Event(sequence, event) => {
                    let is_delivered = self.index.get(&sequence).is_some_and(|entry| entry.is_delivered);
                    self.insert(sequence, Entry { segment: number, offset, length: event.len(), is_delivered });
                }
                Record::Delivered(sequence) => {
                    if let Some(entry) = self.index.get_mut(&sequence) {
                        entry.is_delivered = true;
                    }
                }
                Record::Removed(sequence) => self.forget(sequence),
            }
            let (Record::Event(sequence, _) | Record::Delivered(sequence) | Record::Removed(sequence)) = record;
            self.next = self.next.max(sequence.saturating_add(1));
        }
        if at < bytes.len() {
            let (file, ignored) = (file.display(), bytes.len() - at);
            tracing::warn!(%file, ignored, "the end of a file of the spool is not whole, as after a crash in the middle of a write; it is passed over");
        }
        Ok(())
    }

    /// The events that are there, in order, and whether the back end has each.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Sequence, bool)> {
        self.index.iter().map(|(sequence, entry)| (*sequence, entry.is_delivered))
    }

    /// The bytes of an event; `None` where it is not there any more, or is damaged.
    pub(super) fn read(&self, sequence: Sequence) -> Option<Vec<u8>> {
        let entry = self.index.get(&sequence)?;
        let mut bytes = vec![0; usize::try_from(Record::size(entry.length)).ok()?];
        let file = File::open(path(&self.directory, entry.segment)).ok()?;
        file.read_exact_at(&mut bytes, entry.offset).ok()?;
        match Record::read(&bytes)?.0 {
            Record::Event(found, event) if found == sequence => Some(event.to_vec()),
            _ => None,
        }
    }

    /// Adds an event, which is on the disk after the next [`commit`](Self::commit).
    pub(super) fn append(&mut self, event: &[u8]) -> Sequence {
        let sequence = self.next;
        self.next += 1;
        let offset = self.newest.committed + self.unwritten.len() as u64;
        self.write(Record::Event(sequence, event));
        self.insert(sequence, Entry { segment: self.newest.number, offset, length: event.len(), is_delivered: false });
        sequence
    }

    pub(super) fn deliver(&mut self, sequence: Sequence) {
        if let Some(entry) = self.index.get_mut(&sequence) {
            entry.is_delivered = true;
            self.write(Record::Delivered(sequence));
        }
    }

    pub(super) fn remove(&mut self, sequence: Sequence) {
        if self.index.contains_key(&sequence) {
            self.forget(sequence);
            self.write(Record::Removed(sequence));
        }
    }

    /// Writes what was added, and gives it to the disk if that is `urgent` and wanted. After a failure what was added since the last commit is
    /// not kept.
    pub(super) fn commit(&mut self, is_urgent: bool) -> io::Result<()> {
        let unwritten = std::mem::take(&mut self.unwritten);
        if let Err(error) = self.newest.write(&unwritten, is_urgent && self.is_synced) {
            let Segment { number, committed, .. } = self.newest;
            let lost: Vec<Sequence> = self
                .index
                .iter()
                .filter(|(_, entry)| entry.segment == number && entry.offset >= committed)
                .map(|(sequence, _)| *sequence)
                .collect();
            lost.into_iter().for_each(|sequence| self.forget(sequence));
            self.segments.entry(number).or_default().bytes = committed;
            return Err(error);
        }
        if self.newest.committed >= self.segment_size {
            self.begin_segment()?;
        }
        self.drop_unneeded();
        self.make_dense()
    }

    /// How many bytes the files have, and how many events are in them.
    pub(super) fn held(&self) -> (u64, usize) {
        (self.segments.values().map(|held| held.bytes).sum(), self.index.len())
    }

    fn write(&mut self, record: Record<'_>) {
        let before = self.unwritten.len();
        record.write(&mut self.unwritten);
        let written = (self.unwritten.len() - before) as u64;
        self.segments.entry(self.newest.number).or_default().bytes += written;
    }

    fn insert(&mut self, sequence: Sequence, entry: Entry) {
        self.forget(sequence); // it was copied from an older file
        self.segments.entry(entry.segment).or_default().needed += 1;
        self.needed += Record::size(entry.length);
        self.index.insert(sequence, entry);
    }

    fn forget(&mut self, sequence: Sequence) {
        if let Some(entry) = self.index.remove(&sequence) {
            self.needed -= Record::size(entry.length);
            self.segments.entry(entry.segment).or_default().needed -= 1;
        }
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.newest.number + 1;
        let file = create(&self.directory, number)?;
        self.newest = Segment { number, file, committed: 0 };
        self.segments.insert(number, Held::default());
        Ok(())
    }

    fn drop_unneeded(&mut self) {
        while let Some((number, held)) = self.segments.first_key_value().map(|(number, held)| (*number, held))
            && number != self.newest.number
            && held.needed == 0
        {
            let file = path(&self.directory, number);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(file = %file.display(), %error, "a file of the spool that is not needed any more cannot be removed");
                    return;
                }
                _ => drop(self.segments.remove(&number)),
            }
        }
    }

    /// Copies what is needed of the oldest file, so that it can be removed: one file at a time.
    fn make_dense(&mut self) -> io::Result<()> {
        let Some(oldest) = self.segments.keys().next().copied().filter(|oldest| *oldest != self.newest.number) else { return Ok(()) };
        if self.held().0 <= 2 * self.needed + 2 * self.segment_size {
            return Ok(());
        }
        let entries: Vec<(Sequence, Entry)> =
            self.index.iter().filter(|(_, entry)| entry.segment == oldest).map(|(sequence, entry)| (*sequence, *entry)).collect();
        let (mut bytes, mut moved) = (Vec::new(), Vec::new());
        for (sequence, entry) in entries {
            let Some(event) = self.read(sequence) else {
                tracing::error!(sequence, "an event of the spool cannot be read any more, and is lost");
                self.forget(sequence);
                continue;
            };
            moved.push((sequence, Entry { segment: self.newest.number, offset: self.newest.committed + bytes.len() as u64, ..entry }));
            Record::Event(sequence, &event).write(&mut bytes);
            if entry.is_delivered {
                Record::Delivered(sequence).write(&mut bytes);
            }
        }
        self.newest.write(&bytes, true)?; // on the disk before the only other copy goes
        self.segments.entry(self.newest.number).or_default().bytes += bytes.len() as u64;
        moved.into_iter().for_each(|(sequence, entry)| self.insert(sequence, entry));
        self.drop_unneeded();
        Ok(())
    }
}

impl Segment {
    /// Adds this at the end, or nothing.
    fn write(&mut self, bytes: &[u8], is_synced: bool) -> io::Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| if is_synced { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.committed += bytes.len() as u64,
            // What was written in part would hide what comes behind it.
            Err(_) => self.file.set_len(self.committed)?,
        }
        written
    }
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:010}.{ENDING}"))
}

/// Makes a file that survives a loss of power together with what will be in it.
fn create(directory: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).create_new(true).open(path(directory, number))?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests;
