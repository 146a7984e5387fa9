//! Where things are shown: above the line that is being edited, or on standard output and standard error.
//!
//! One thread prints, so that a slow terminal or a reader of our output that takes its time holds up no heartbeat. What waits for it is bounded:
//! [`Screen::room`] holds back the next message, and with it the server.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustyline::ExternalPrinter;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::ink::Ink;

/// How many pieces may wait to be printed, messages and the rest. Messages have their places among them.
const PIECES: usize = 512;

/// How many messages of them, and how many bytes, before no more are received.
const MESSAGES: usize = 64;
const BYTES: usize = 4 << 20;

/// How much is put above the edited line at once: each time, that line is drawn anew.
const AT_ONCE: usize = 32 * 1024;

/// A line up, and down again.
const NOTHING: &str = "\x1b[A\n";

/// Prints above the line that is edited.
pub(super) type Printer = Box<dyn ExternalPrinter + Send>;

enum Piece {
    /// To standard output: a message.
    Out(Bytes),
    /// To standard error, or wherever the person looks.
    Note(String),
    /// A line is edited from now on.
    Edited(Printer),
    /// All before it has been printed.
    Flushed(oneshot::Sender<()>),
}

/// What is printed, by whoever has something to say.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    pieces: mpsc::Sender<Piece>,
    fill: Arc<Fill>,
    pub(super) kind: Kind,
}

/// What standard output and standard error are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Messages are shown to a person, not passed on to a program.
    pub(super) is_terminal: bool,
    pub(super) has_colours: bool,
    note_has_colours: bool,
}

#[derive(Debug, Default)]
struct Fill {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    freed: Notify,
    untold: AtomicUsize,
    is_gone: AtomicBool,
    gone: Notify,
}

impl Kind {
    pub(super) fn here() -> Self {
        let wants_colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !is_dumb();
        let is_terminal = std::io::stdout().is_terminal();
        let note_has_colours = wants_colours && std::io::stderr().is_terminal();
        Self { is_terminal, has_colours: is_terminal && wants_colours, note_has_colours }
    }
}

/// A terminal that can do nothing but print.
pub(super) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

impl Screen {
    pub(super) fn start(kind: Kind) -> std::io::Result<Self> {
        let (pieces, waiting) = mpsc::channel(PIECES);
        let fill = Arc::new(Fill::default());
        let filled = fill.clone();
        std::thread::Builder::new().name("printing".to_owned()).spawn(move || print(waiting, &filled))?;
        Ok(Self { pieces, fill, kind })
    }

    /// An empty message for a person.
    pub(super) fn ink(&self) -> Ink {
        Ink::new(self.kind.has_colours)
    }

    /// An empty note.
    pub(super) fn note_ink(&self) -> Ink {
        Ink::new(self.kind.note_has_colours)
    }

    /// Whether another message may be shown.
    pub(super) fn has_room(&self) -> bool {
        self.fill.messages.load(Ordering::Acquire) < MESSAGES && self.fill.bytes.load(Ordering::Acquire) < BYTES
    }

    /// Waits until another message may be shown.
    ///
    /// Cancel-safe.
    pub(super) async fn room(&self) {
        loop {
            let freed = self.fill.freed.notified();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }

    /// Shows a message. There is room: [`room`](Self::room).
    pub(super) fn message(&self, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.fill.messages.fetch_add(1, Ordering::AcqRel);
        self.fill.bytes.fetch_add(bytes.len(), Ordering::AcqRel);
        self.put(Piece::Out(bytes));
    }

    /// Shows something else than a message. In a flood it may be left out; that it was is shown.
    pub(super) fn note(&self, ink: Ink) {
        if self.pieces.capacity() > MESSAGES {
            self.put(Piece::Note(ink.line()));
        } else {
            self.fill.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn edited(&self, printer: Printer) {
        self.put(Piece::Edited(printer));
    }

    /// Waits until nobody reads our output any more.
    pub(super) async fn gone(&self) {
        let gone = self.fill.gone.notified();
        if !self.fill.is_gone.load(Ordering::Acquire) {
            gone.await;
        }
    }

    /// Waits until all has been printed, for at most this long if it is given.
    pub(super) async fn flush(&self, at_most: Option<Duration>) {
        let (flushed, done) = oneshot::channel();
        let flushing = async {
            if self.pieces.send(Piece::Flushed(flushed)).await.is_ok() {
                let _ = done.await;
            }
        };
        match at_most {
            Some(time) => drop(timeout(time, flushing).await),
            None => flushing.await,
        }
    }

    fn put(&self, piece: Piece) {
        if self.pieces.try_send(piece).is_err() {
            self.fill.untold.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Prints what comes until nobody can send any more.
fn print(mut pieces: mpsc::Receiver<Piece>, fill: &Fill) {
    let mut printer: Option<Printer> = None;
    let mut next = pieces.blocking_recv();
    while let Some(piece) = next.take() {
        match (piece, &mut printer) {
            (Piece::Edited(with), _) => printer = Some(with),
            (Piece::Flushed(flushed), printer) => {
                // One text waits within the printer. Behind two that change nothing, it has been shown.
                for _ in 0..2 {
                    let _ = printer.as_mut().map(|printer| printer.print(NOTHING.to_owned()));
                }
                let _ = flushed.send(());
            }
            (piece, Some(printer)) => next = above_the_line(piece, &mut pieces, printer, fill),
            (Piece::Out(bytes), None) => {
                let mut out = std::io::stdout().lock();
                if out.write_all(&bytes).and_then(|()| out.flush()).is_err() && !fill.is_gone.swap(true, Ordering::AcqRel) {
                    fill.gone.notify_one();
                }
                fill.free(1, bytes.len());
            }
            (Piece::Note(text), None) => drop(std::io::stderr().write_all(text.as_bytes())),
        }
        let untold = fill.untold.swap(0, Ordering::Relaxed);
        if untold > 0 {
            let text = format!("… {untold} more were left out: they came faster than they could be shown\n");
            match &mut printer {
                Some(printer) => drop(printer.print(text)),
                None => drop(std::io::stderr().write_all(text.as_bytes())),
            }
        }
        next = next.or_else(|| pieces.blocking_recv());
    }
}

/// Prints this and what waits behind it in one go; gives what comes after that.
fn above_the_line(first: Piece, pieces: &mut mpsc::Receiver<Piece>, printer: &mut Printer, fill: &Fill) -> Option<Piece> {
    let (mut text, mut messages, mut bytes) = (String::new(), 0, 0);
    let mut piece = Some(first);
    loop {
        match piece {
            Some(Piece::Out(message)) => {
                (messages, bytes) = (messages + 1, bytes + message.len());
                text.push_str(&String::from_utf8_lossy(&message));
            }
            Some(Piece::Note(note)) => text.push_str(&note),
            _ => break,
        }
        piece = if text.len() < AT_ONCE { pieces.try_recv().ok() } else { None };
    }
    let _ = printer.print(text);
    fill.free(messages, bytes);
    piece
}

impl Fill {
    fn free(&self, messages: usize, bytes: usize) {
        self.messages.fetch_sub(messages, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notes_leaves_room_for_messages() {
        let (pieces, mut waiting) = mpsc::channel(PIECES);
        let kind = Kind { is_terminal: false, has_colours: false, note_has_colours: false };
        let screen = Screen { pieces, fill: Arc::default(), kind };
        (0..PIECES * 2).for_each(|_| screen.note(screen.note_ink()));
        while screen.has_room() {
            screen.message("a message");
        }
        let (mut messages, mut all) = (0, 0);
        while let Ok(piece) = waiting.try_recv() {
            (messages, all) = (messages + usize::from(matches!(piece, Piece::Out(_))), all + 1);
        }
        assert_eq!((messages, all), (MESSAGES, PIECES));
        assert_eq!(screen.fill.untold.load(Ordering::Relaxed), PIECES + MESSAGES, "notes that were left out");
    }
}
