//! The thread that writes a spool, and the handle by which tasks ask it to. What is asked at the same time is written at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::log::Log;
use super::record::{Record, Sequence};
use crate::hooks::event::{Event, Kind};
use crate::hooks::meter;
use crate::hooks::settings::SpoolSettings;

/// How many commands may wait, and are written at once at most.
const COMMANDS: usize = 1024;

/// A spool. Clones are the same one.
#[derive(Clone)]
pub(in crate::hooks) struct Spool {
    commands: mpsc::Sender<Command>,
    reserved: Arc<AtomicU64>,
    limit: u64,
}

enum Command {
    Append(Vec<u8>, oneshot::Sender<Option<Sequence>>),
    Delivered(Sequence, oneshot::Sender<()>),
    Remove(Sequence, oneshot::Sender<()>),
    Read(Sequence, oneshot::Sender<Option<Vec<u8>>>),
}

/// Bytes that count against the limit for as long as this lives.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: u64,
    reserved: Arc<AtomicU64>,
}

/// What an earlier process left of a session.
#[derive(Debug)]
pub(in crate::hooks) struct Left {
    pub(in crate::hooks) connected: Option<LeftEvent>,
    pub(in crate::hooks) ended: Option<LeftEvent>,
    pub(in crate::hooks) room: Room,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::hooks) struct LeftEvent {
    pub(in crate::hooks) sequence: Sequence,
    pub(in crate::hooks) is_delivered: bool,
}

impl Spool {
    /// Opens it and reads what is there, which waits for the disk; what an earlier process left comes in the order in which it happened.
    pub(in crate::hooks) fn open(settings: &SpoolSettings) -> Result<(Self, Vec<Left>), SpoolError> {
        let mut log = Log::open(&settings.directory, settings.sync)?;
        let (sender, commands) = mpsc::channel(COMMANDS);
        let spool = Self { commands: sender, reserved: Arc::default(), limit: settings.limit.as_u64() };
        let left = spool.left(&mut log);
        let keeper = thread::Builder::new().name("spool".to_owned()).spawn(move || keep(log, commands));
        keeper.map_err(|source| SpoolError::Directory { directory: settings.directory.clone(), source })?;
        Ok((spool, left))
    }

    fn left(&self, log: &mut Log) -> Vec<Left> {
        let mut sessions: BTreeMap<Sequence, Left> = BTreeMap::new();
        let mut first_of = std::collections::HashMap::new();
        let entries: Vec<(Sequence, bool)> = log.entries().collect();
        for (sequence, is_delivered) in entries {
            let Some((size, event)) = log.read(sequence).and_then(|bytes| Some((Record::size(bytes.len()), Event::restored(&bytes)?)))
            else {
                tracing::error!(sequence, "an event of the spool cannot be read, and is lost");
                log.remove(sequence);
                continue;
            };
            let Some(of) = event.of else { continue };
            let first = *first_of.entry(of.session).or_insert(sequence);
            let left = sessions.entry(first).or_insert_with(|| Left { connected: None, ended: None, room: self.take(0) });
            left.room.grow(size);
            match event.kind {
                Kind::Ended => left.ended = Some(LeftEvent { sequence, is_delivered }),
                _ => left.connected = Some(LeftEvent { sequence, is_delivered }),
            }
        }
        sessions.into_values().collect()
    }

    /// Room for so many bytes, unless the limit is reached.
    pub(in crate::hooks) fn reserve(&self, bytes: u64) -> Option<Room> {
        let room = self.take(bytes);
        (self.reserved.load(Ordering::Relaxed) <= self.limit).then_some(room)
    }

    fn take(&self, bytes: u64) -> Room {
        let mut room = Room { bytes: 0, reserved: self.reserved.clone() };
        room.grow(bytes);
        room
    }

    /// Keeps an event; it is on the disk when this returns. `None` where that failed, which is logged and counted: then it is only in memory.
    ///
    /// Dropped before it is ready, it may have kept the event or not.
    pub(in crate::hooks) async fn append(&self, event: &Event) -> Option<Sequence> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Append(event.stored(), answer)).await.ok()?;
        answered.await.ok()?
    }

    /// The back end has an event, which is kept for the sake of another. That is noted when this returns, so that a server that stops in order
    /// sends nothing twice.
    pub(in crate::hooks) async fn delivered(&self, sequence: Sequence) {
        self.note(|done| Command::Delivered(sequence, done)).await;
    }

    /// An event is needed no more. That is noted when this returns.
    pub(in crate::hooks) async fn remove(&self, sequence: Sequence) {
        self.note(|done| Command::Remove(sequence, done)).await;
    }

    /// What cannot be noted comes twice: it has an id.
    async fn note(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(command(done)).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// What was kept.
    pub(in crate::hooks) async fn read(&self, sequence: Sequence) -> Option<Event> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(Command::Read(sequence, answer)).await.ok()?;
        Event::restored(&answered.await.ok()??)
    }
}

impl Room {
    fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        meter::spool_reserved(self.reserved.fetch_add(bytes, Ordering::Relaxed) + bytes);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        meter::spool_reserved(self.reserved.fetch_sub(self.bytes, Ordering::Relaxed) - self.bytes);
    }
}

/// Does what is asked until nobody is left to ask.
fn keep(mut log: Log, mut commands: mpsc::Receiver<Command>) {
    let mut batch = Vec::new();
    let (mut answers, mut noted) = (Vec::new(), Vec::new());
    loop {
        let (bytes, events) = log.held();
        meter::spool(bytes, events);
        if commands.blocking_recv_many(&mut batch, COMMANDS) == 0 {
            return;
        }
        for command in batch.drain(..) {
            match command {
                Command::Append(event, answer) => answers.push((log.append(&event), answer)),
                Command::Delivered(sequence, done) => {
                    log.deliver(sequence);
                    noted.push(done);
                }
                Command::Remove(sequence, done) => {
                    log.remove(sequence);
                    noted.push(done);
                }
                Command::Read(sequence, answer) => drop(answer.send(log.read(sequence))),
            }
        }
        let committed = log.commit(!answers.is_empty());
        if let Err(error) = &committed {
            meter::spool_failed();
            tracing::error!(%error, events = answers.len(), "the spool cannot be written: these events are only in memory until they are delivered");
        }
        noted.clear(); // which tells those who wait for it
        for (sequence, answer) in answers.drain(..) {
            let _ = answer.send(committed.is_ok().then_some(sequence)); // whoever asked may be gone
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use bytesize::ByteSize;

    use super::*;
    use crate::hooks::event::Whose;

    struct Place(SpoolSettings);

    impl Place {
        fn new(name: &str, limit: u64) -> Self {
            let directory: PathBuf = std::env::temp_dir().join(format!("silverback-spool-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&directory);
            Self(SpoolSettings { directory, limit: ByteSize(limit), keep: Duration::from_secs(1), sync: true })
        }

        /// Opens it, as soon as the thread of an earlier one is gone.
        fn open(&self) -> (Spool, Vec<Left>) {
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            loop {
                match Spool::open(&self.0) {
                    Err(SpoolError::InUse(_)) if std::time::Instant::now() < deadline => thread::yield_now(),
                    opened => return opened.unwrap(),
                }
            }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0.directory);
        }
    }

    fn event(session: &str, kind: Kind) -> Event {
        let of = Whose { session: session.to_owned(), user: "alice".to_owned(), device: None };
        Event::of_life(kind, of, SystemTime::UNIX_EPOCH, b"{}".to_vec())
    }

    #[tokio::test]
    async fn what_is_left_of_each_session_is_found_by_the_next_process() {
        let place = Place::new("left", 1 << 20);
        let (spool, left) = place.open();
        assert!(left.is_empty());
        let first = spool.append(&event("a", Kind::Connected)).await.unwrap();
        let other = spool.append(&event("b", Kind::Connected)).await.unwrap();
        let gone = spool.append(&event("c", Kind::Connected)).await.unwrap();
        spool.append(&event("a", Kind::Ended)).await.unwrap();
        spool.delivered(other).await;
        spool.remove(gone).await;
        drop(spool);
        let (spool, left) = place.open();
        let shown: Vec<_> = left.iter().map(|left| (left.connected.unwrap().is_delivered, left.ended.is_some())).collect();
        assert_eq!(shown, [(false, true), (true, false)]);
        assert_eq!(left[0].connected.unwrap().sequence, first);
        assert_eq!(spool.read(first).await, Some(event("a", Kind::Connected)));
    }

    #[tokio::test]
    async fn room_is_given_up_to_the_limit_and_given_again_when_it_is_free() {
        let place = Place::new("room", 1000);
        let (spool, _) = place.open();
        let most = spool.reserve(999).unwrap();
        let rest = spool.reserve(1).unwrap();
        assert!(spool.reserve(1).is_none());
        drop(rest);
        assert!(spool.reserve(2).is_none());
        drop(most);
        assert!(spool.reserve(1001).is_none());
        assert!(spool.reserve(1000).is_some());
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_takes_room_until_it_is_gone() {
        let place = Place::new("taken", 1000);
        let (spool, _) = place.open();
        spool.append(&event("a", Kind::Connected)).await.unwrap();
        drop(spool);
        let (spool, left) = place.open();
        assert!(spool.reserve(1000).is_none());
        drop(left);
        assert!(spool.reserve(1000).is_some());
    }
}
