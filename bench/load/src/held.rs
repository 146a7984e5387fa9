//! Connections that are held: they answer pings, and are touched when it is asked for.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::frame::{put_masked, whole};
use crate::open::reset;
use crate::poll::{Poll, Watch, receive, send};
use crate::ring::Ring;
use crate::shard::Counts;
use crate::target::PATIENCE;

const PING: u8 = 0x89;
const PONG: u8 = 0x0A;

/// How many may be ready at once.
const AT_ONCE: usize = 1024;

pub(crate) struct Held {
    poll: Poll,
    /// `None` is one that was lost.
    sockets: Vec<Option<OwnedFd>>,
    pub(crate) counts: Counts,
}

impl Held {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { poll: Poll::new(AT_ONCE)?, sockets: Vec::new(), counts: Counts::default() })
    }

    pub(crate) fn add(&mut self, sockets: Vec<OwnedFd>) -> Result<()> {
        for socket in sockets {
            self.poll.watch(&socket, Watch::Readable, self.sockets.len())?;
            self.sockets.push(Some(socket));
        }
        Ok(())
    }

    /// Answers all that have come.
    pub(crate) fn answer_pings(&mut self) -> Result<()> {
        loop {
            let ready = self.poll.wait(Duration::ZERO)?;
            for index in 0..ready {
                let number = self.poll.ready(index).number;
                let Some(socket) = &self.sockets[number] else { continue };
                match answer_pings(socket) {
                    Ok(pings) => self.counts.pings += pings,
                    Err(failure) => {
                        if self.counts.lost == 0 {
                            eprintln!("the first connection was lost: {failure}");
                        }
                        self.counts.lost += 1;
                        self.sockets[number] = None;
                    }
                }
            }
            if ready < AT_ONCE {
                return Ok(());
            }
        }
    }

    /// One message there and back on each, so many at a time.
    pub(crate) fn touch(&mut self, ring: &Ring, at_once: usize) -> Result<()> {
        self.answer_pings()?;
        let sockets: Vec<&OwnedFd> = self.sockets.iter().flatten().collect();
        for some in sockets.chunks(at_once.max(1)) {
            touch(some, ring)?;
        }
        Ok(())
    }

    /// Resets all of them.
    pub(crate) fn reset(self) {
        reset(self.sockets.into_iter().flatten());
    }
}

/// Answers what a socket has, and says how many pings that was. Frames come whole: they are small, and there is nothing else on its way.
fn answer_pings(socket: &OwnedFd) -> Result<u64> {
    let mut buffer = [0; 1024];
    let Some(received) = receive(socket, &mut buffer)? else { return Ok(0) };
    let (mut rest, mut pongs, mut pings) = (&buffer[..received], Vec::new(), 0);
    while let Some((first, payload)) = whole(rest) {
        if first != PING {
            return Err(Failure::new(format!("a frame that begins with {first:#x} came: {:?}", String::from_utf8_lossy(&rest[payload]))));
        }
        put_masked(&mut pongs, PONG, &rest[payload.clone()], [1, 2, 3, 4]);
        rest = &rest[payload.end..];
        pings += 1;
    }
    match send(socket, &pongs)? == pongs.len() {
        true => Ok(pings),
        false => Err(Failure::new("an idle socket did not take a pong")),
    }
}

fn touch(sockets: &[&OwnedFd], ring: &Ring) -> Result<()> {
    let mut poll = Poll::new(sockets.len())?;
    let mut awaited: Vec<&[u8]> = vec![&ring.answers.bytes[..ring.answers.length()]; sockets.len()];
    for (number, socket) in sockets.iter().enumerate() {
        poll.watch(socket, Watch::Readable, number)?;
        if send(socket, &ring.sent.bytes[..ring.sent.length()])? != ring.sent.length() {
            return Err(Failure::new("an idle socket did not take a message"));
        }
    }
    let mut buffer = vec![0; ring.answers.length()];
    while awaited.iter().any(|rest| !rest.is_empty()) {
        let ready = poll.wait(PATIENCE)?;
        if ready == 0 {
            return Err(Failure::new(format!("an idle connection did not answer for {PATIENCE:?}")));
        }
        for index in 0..ready {
            let number = poll.ready(index).number;
            let Some(received) = receive(sockets[number], &mut buffer)? else { continue };
            let rest = awaited[number].strip_prefix(&buffer[..received]);
            awaited[number] = rest.ok_or_else(|| Failure::new("an idle connection answered with other bytes"))?;
        }
    }
    Ok(())
}
