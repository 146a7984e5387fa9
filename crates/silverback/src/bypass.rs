//! The way past a driver that sleeps: what a fan-out has queued is written to the socket without waking the connection's task.

use std::io::{self, IoSlice};
use std::slice;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use silverback_wire::{Past, Prepared, Route};
use tokio::net::TcpStream;

use crate::flusher::Flusher;
use crate::later::Later;
use crate::shared::Shared;

/// Messages of so many bytes together are copied to be written as one piece.
const COPY_BELOW: usize = 16 * 1024;

/// Made by the first [`Prepared`] that finds the driver asleep. There is always one who writes, because there is one socket: the driver
/// leaves it here when it falls asleep with nothing to write, and takes it back before it does anything else.
#[derive(Debug)]
#[repr(C)] // what a delivery touches lies together
pub(crate) struct Bypass {
    flusher: Arc<Flusher>,
    shared: Weak<Shared>,
    lent: Option<(Socket, Route)>,
    /// The flusher will come by.
    is_listed: bool,
    /// What went this way since it was lent.
    past: Past,
}

/// What can be written to without waiting.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    #[cfg(all(test, silverback_loom))]
    Modelled(Arc<crate::shared_model::Wire>),
}

impl Bypass {
    pub(crate) fn new(flusher: Arc<Flusher>, shared: Weak<Shared>) -> Self {
        Self { lent: None, past: Past::default(), is_listed: false, flusher, shared }
    }

    /// The driver falls asleep, and has written all that it had.
    pub(crate) fn lend(&mut self, socket: Socket, route: Route) {
        self.lent = Some((socket, route));
    }

    /// The driver takes its socket back, and learns what went past it.
    pub(crate) fn take_back(&mut self) -> Option<(Socket, Past)> {
        let (socket, _) = self.lent.take()?;
        Some((socket, std::mem::take(&mut self.past)))
    }

    /// Has the flusher come by. `false` when it could do nothing.
    pub(crate) fn list(&mut self, later: &mut Later) -> bool {
        if !self.is_free() {
            return false;
        }
        if !self.is_listed
            && let Some(shared) = self.shared.upgrade()
        {
            self.is_listed = true;
            if self.flusher.add(shared) {
                later.serve(self.flusher.clone());
            }
        }
        self.is_listed
    }

    /// The flusher is here.
    pub(crate) fn unlist(&mut self) {
        self.is_listed = false;
    }

    /// Writes messages, and tells how many of them the socket has taken, the last maybe in part. What is wrong when it takes nothing is for the
    /// driver to find.
    pub(crate) fn write<'a>(&mut self, messages: impl Iterator<Item = &'a Prepared>) -> usize {
        let Some((socket, route)) = self.lent.as_ref().filter(|_| self.past.rest.is_empty()) else { return 0 };
        let mut frames = messages.map(|message| message.frame(*route));
        let Some(first) = frames.next() else { return 0 };
        match frames.next() {
            None => {
                let taken = socket.write(&first);
                self.went(slice::from_ref(&first), taken)
            }
            Some(second) => {
                let frames: Vec<Bytes> = [first, second].into_iter().chain(frames).collect();
                let taken = socket.write_together(&frames);
                self.went(&frames, taken)
            }
        }
    }

    fn went(&mut self, frames: &[Bytes], taken: io::Result<usize>) -> usize {
        let mut left = taken.unwrap_or(0);
        self.past.bytes += left as u64;
        let mut count = 0;
        for frame in frames {
            if left == 0 {
                break;
            }
            count += 1;
            if left < frame.len() {
                self.past.rest = frame.slice(left..);
            }
            left = left.saturating_sub(frame.len());
        }
        self.past.messages += count as u64;
        count
    }

    /// Whether the last message has been taken in part.
    pub(crate) fn has_rest(&self) -> bool {
        !self.past.rest.is_empty()
    }

    fn is_free(&self) -> bool {
        self.lent.is_some() && !self.has_rest()
    }
}

impl Socket {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(all(test, silverback_loom))]
            Self::Modelled(wire) => Ok(wire.take(bytes)),
        }
    }

    /// Small frames go out as one piece, which costs less than a list of pieces.
    fn write_together(&self, frames: &[Bytes]) -> io::Result<usize> {
        if frames.iter().map(Bytes::len).sum::<usize>() <= COPY_BELOW {
            return self.write(&frames.concat());
        }
        let slices: Vec<IoSlice<'_>> = frames.iter().map(|frame| IoSlice::new(frame)).collect();
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(&slices),
            #[cfg(all(test, silverback_loom))]
            Self::Modelled(_) => self.write(&frames.concat()),
        }
    }
}
