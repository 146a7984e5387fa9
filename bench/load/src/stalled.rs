//! Connections that send, or are sent to, and never read.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::failure::{Context as _, Result};
use crate::open::open;
use crate::poll::{Poll, Watch, send};
use crate::ring::Ring;
use crate::target::Common;

/// A server that takes more than this without an answer being read is not slowed down by the stall, only filled.
const ENOUGH: usize = 16 << 20;

pub(crate) struct Stalled {
    pub(crate) sockets: Vec<OwnedFd>,
}

impl Stalled {
    /// Opens them with the numbers from `first` on, and sends until the server stops reading for a while, so that what is measured later is
    /// a stall and not how it comes about.
    pub(crate) fn open(common: &Common, first: usize, count: usize, ring: &Ring) -> Result<Self> {
        let stalled = Self::silent(common, first, count)?;
        let mut poll = Poll::new(count)?;
        for (number, socket) in stalled.sockets.iter().enumerate() {
            poll.watch(socket, Watch::Writable, number)?;
        }
        let mut sent = vec![0; count];
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            let ready = poll.wait(Duration::from_millis(300))?;
            if ready == 0 {
                break;
            }
            for index in 0..ready {
                let number = poll.ready(index).number;
                let at = sent[number] % ring.sent.length();
                sent[number] += send(&stalled.sockets[number], &ring.sent.bytes[at..at + ring.sent.length()])?;
                if sent[number] > ENOUGH {
                    poll.forget(&stalled.sockets[number])?;
                }
            }
        }
        Ok(stalled)
    }

    /// Opens them and does nothing more.
    pub(crate) fn silent(common: &Common, first: usize, count: usize) -> Result<Self> {
        let sockets = open(common, first, count)?;
        for socket in &sockets {
            sockopt::set_socket_recv_buffer_size(socket, 4096).context(|| "SO_RCVBUF".to_owned())?;
        }
        Ok(Self { sockets })
    }
}
