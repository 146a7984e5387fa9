//! One connection of an echo run: what it has yet to send, and what it must get next.

use std::os::fd::OwnedFd;

use crate::failure::{Failure, Result};
use crate::poll::send;
use crate::ring::Ring;

pub(crate) struct Lane {
    pub(crate) socket: OwnedFd,
    /// Messages that were queued and have not come back.
    pub(crate) in_flight: usize,
    /// The socket took less than it was given, and is watched for room.
    pub(crate) waits_for_room: bool,
    /// Where in the lap the next byte to send is, and how many are to be sent.
    sent_to: usize,
    unsent: usize,
    /// The message to queue next.
    next: usize,
    /// Where in the lap of answers the next byte is, and of which message it is.
    answered_to: usize,
    answering: usize,
}

impl Lane {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, in_flight: 0, waits_for_room: false, sent_to: 0, unsent: 0, next: 0, answered_to: 0, answering: 0 }
    }

    /// Puts the next messages behind those that are waiting to be sent; at most a lap may be in flight.
    pub(crate) fn queue(&mut self, ring: &Ring, count: usize) {
        self.unsent += ring.sent.span(self.next, count);
        self.next = (self.next + count) % ring.slots;
        self.in_flight += count;
    }

    /// Sends what the socket takes, and says whether that was all. `sends` counts calls.
    pub(crate) fn flush(&mut self, ring: &Ring, sends: &mut u64) -> Result<bool> {
        while self.unsent > 0 {
            let bytes = self.unsent.min(ring.sent.length());
            let sent = send(&self.socket, &ring.sent.bytes[self.sent_to..self.sent_to + bytes])?;
            *sends += 1;
            self.unsent -= sent;
            self.sent_to = (self.sent_to + sent) % ring.sent.length();
            if sent < bytes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes bytes of answers, and says how many messages became whole. `compare`: each byte is looked at, not only their number.
    pub(crate) fn take(&mut self, ring: &Ring, bytes: &[u8], compare: bool) -> Result<usize> {
        let end = self.answered_to + bytes.len();
        let due = ring.answers.span(0, self.answering) + ring.answers.span(self.answering, self.in_flight);
        if end > due {
            return Err(Failure::new(format!("{} bytes more came back than were due", end - due)));
        }
        if compare && ring.answers.bytes[self.answered_to..end] != *bytes {
            return Err(Failure::new("other bytes came back than were due"));
        }
        let mut done = 0;
        while self.answering + done < ring.answers.ends.len() && ring.answers.ends[self.answering + done] <= end {
            done += 1;
        }
        self.in_flight -= done;
        self.answered_to = end;
        self.answering += done;
        if self.answering >= ring.slots {
            self.answering -= ring.slots;
            self.answered_to -= ring.answers.length();
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Kind;

    fn lane() -> (Lane, Ring) {
        let ring = Ring::new(Kind::Binary, 10, 2, false, false).unwrap();
        let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
        (Lane::new(socket), ring)
    }

    #[test]
    fn answers_are_counted_however_they_are_cut() {
        let (mut lane, ring) = lane();
        let answers = ring.answers.bytes.clone();
        for round in 0..3 {
            lane.queue(&ring, 2);
            assert_eq!(lane.take(&ring, &answers[..5], true).unwrap(), 0, "{round}");
            assert_eq!(lane.take(&ring, &answers[5..12], true).unwrap(), 1, "{round}");
            assert_eq!(lane.take(&ring, &answers[12..24], true).unwrap(), 1, "{round}");
            assert_eq!(lane.in_flight, 0);
        }
    }

    #[test]
    fn a_wrong_byte_and_one_too_many_are_failures() {
        let (mut lane, ring) = lane();
        lane.queue(&ring, 1);
        let mut answer = ring.answers.bytes[..12].to_vec();
        answer[11] ^= 1;
        assert!(lane.take(&ring, &answer, true).unwrap_err().to_string().contains("other bytes"));
        assert!(lane.take(&ring, &ring.answers.bytes[..13], true).unwrap_err().to_string().contains("1 bytes more"));
    }
}
