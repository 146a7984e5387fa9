//! Finds out what a server that compresses answers with. Without context takeover the same message always becomes the same bytes, so
//! one connection that asks once knows what all of them must get.

use std::os::fd::OwnedFd;

use crate::deflate::inflated;
use crate::failure::{Failure, Result};
use crate::frame::{COMPRESSED, whole};
use crate::open::{open, reset};
use crate::poll::{Poll, Watch, receive, send};
use crate::ring::{Lap, Ring};
use crate::target::{Common, PATIENCE};

/// Sends each message of the ring and takes its answer for the one to expect, if it inflates to what was sent.
pub(crate) fn learn(common: &Common, ring: &mut Ring) -> Result<()> {
    let mut answers = Vec::new();
    for socket in open(common, 0, 1)? {
        let mut start = 0;
        for (end, payload) in ring.sent.ends.iter().zip(&ring.payloads) {
            answers.push(ask(&socket, &ring.sent.bytes[start..*end], payload)?);
            start = *end;
        }
        reset([socket]);
    }
    ring.answers = Lap::of(&answers);
    Ok(())
}

fn ask(socket: &OwnedFd, message: &[u8], payload: &[u8]) -> Result<Vec<u8>> {
    if send(socket, message)? != message.len() {
        return Err(Failure::new("an idle socket did not take a message"));
    }
    let mut poll = Poll::new(1)?;
    poll.watch(socket, Watch::Readable, 0)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    loop {
        if poll.wait(PATIENCE)? == 0 {
            return Err(Failure::new(format!("a compressed message had no answer for {PATIENCE:?}")));
        }
        if let Some(received) = receive(socket, &mut buffer)? {
            answer.extend_from_slice(&buffer[..received]);
        }
        if let Some((first, at)) = whole(&answer) {
            let plain = match first & COMPRESSED {
                0 => return Err(Failure::new("the server answered without compression")),
                _ => inflated(&answer[at.clone()], payload.len())?,
            };
            return if plain == payload && at.end == answer.len() {
                Ok(answer)
            } else {
                Err(Failure::new("the answer to a compressed message inflates to something else"))
            };
        }
    }
}
