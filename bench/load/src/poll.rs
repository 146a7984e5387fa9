//! epoll, and sockets that never wait.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::Timespec;

use crate::failure::{Context as _, Failure, Result};

/// Says which of its sockets are ready, level-triggered, by the number that each was given.
pub(crate) struct Poll {
    epoll: OwnedFd,
    ready: Vec<Event>,
}

/// What a socket is watched for.
#[derive(Clone, Copy)]
pub(crate) enum Watch {
    Readable,
    Writable,
    Both,
}

impl Watch {
    fn flags(self) -> EventFlags {
        match self {
            Self::Readable => EventFlags::IN,
            Self::Writable => EventFlags::OUT,
            Self::Both => EventFlags::IN | EventFlags::OUT,
        }
    }
}

/// A socket that is ready.
#[derive(Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) number: usize,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Poll {
    pub(crate) fn new(at_once: usize) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).context(|| "epoll_create1".to_owned())?;
        Ok(Self { epoll, ready: Vec::with_capacity(at_once.clamp(1, 1024)) })
    }

    pub(crate) fn watch(&self, socket: impl AsFd, watch: Watch, number: usize) -> Result<()> {
        epoll::add(&self.epoll, socket, EventData::new_u64(number as u64), watch.flags()).context(|| "epoll_ctl, add".to_owned())
    }

    pub(crate) fn change(&self, socket: impl AsFd, watch: Watch, number: usize) -> Result<()> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(number as u64), watch.flags()).context(|| "epoll_ctl, modify".to_owned())
    }

    pub(crate) fn forget(&self, socket: impl AsFd) -> Result<()> {
        epoll::delete(&self.epoll, socket).context(|| "epoll_ctl, delete".to_owned())
    }

    /// Waits until a socket is ready or the time is over, and says how many are.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Result<usize> {
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) };
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(self.ready.len()),
            Err(error) => Err(Failure::new(format!("epoll_wait: {error}"))),
        }
    }

    /// One of those that the last `wait` found.
    pub(crate) fn ready(&self, index: usize) -> Ready {
        let Event { flags, data } = self.ready[index];
        Ready {
            number: data.u64() as usize,
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            writable: flags.contains(EventFlags::OUT),
        }
    }
}

/// Takes what is there: `None` when that is nothing. The end of the connection is a failure.
pub(crate) fn receive(socket: impl AsFd, into: &mut [u8]) -> Result<Option<usize>> {
    match rustix::net::recv(socket, into, RecvFlags::empty()) {
        Ok((0, _)) => Err(Failure::new("the server closed a connection")),
        Ok((received, _)) => Ok(Some(received)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(Failure::new(format!("recv: {error}"))),
    }
}

/// Gives the socket what it takes: perhaps nothing.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(Failure::new(format!("send: {error}"))),
    }
}
