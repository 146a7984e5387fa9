//! The floor: a plain TCP echo. One thread, level-triggered epoll, one read buffer of the size that uWebSockets has, one `recv` and one
//! `send` for each time that a socket is readable.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

const LISTENER: u64 = u64::MAX;

struct Connection {
    socket: OwnedFd,
    /// What the socket did not take; nearly always empty.
    left: Vec<u8>,
}

pub(crate) fn echo(port: u16) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    rustix::net::bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    rustix::net::listen(&listener, 4096)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut connections: HashMap<u64, Connection> = HashMap::new();
    let mut buffer = vec![0; 512 * 1024];
    let mut ready = Vec::with_capacity(1024);
    let mut next = 0;
    loop {
        ready.clear();
        epoll::wait(&epoll, spare_capacity(&mut ready), None)?;
        for event in &ready {
            let number = event.data.u64();
            if number == LISTENER {
                while let Ok(socket) = rustix::net::accept_with(&listener, flags) {
                    sockopt::set_tcp_nodelay(&socket, true)?;
                    epoll::add(&epoll, &socket, EventData::new_u64(next), EventFlags::IN)?;
                    connections.insert(next, Connection { socket, left: Vec::new() });
                    next += 1;
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&number) else { continue };
            if connection.go_on(&mut buffer, &epoll, number).is_err() {
                connections.remove(&number);
            }
        }
    }
}

impl Connection {
    fn go_on(&mut self, buffer: &mut [u8], epoll: impl AsFd, number: u64) -> rustix::io::Result<()> {
        if !self.left.is_empty() {
            let sent = sent(&self.socket, &self.left)?;
            self.left.drain(..sent);
            if self.left.is_empty() {
                epoll::modify(epoll, &self.socket, EventData::new_u64(number), EventFlags::IN)?;
            }
            return Ok(());
        }
        let received = match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Err(Errno::PIPE),
            Ok((received, _)) => &buffer[..received],
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error),
        };
        let sent = sent(&self.socket, received)?;
        if sent < received.len() {
            self.left = received[sent..].to_vec();
            epoll::modify(epoll, &self.socket, EventData::new_u64(number), EventFlags::OUT)?;
        }
        Ok(())
    }
}

fn sent(socket: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Ok(0),
        outcome => outcome,
    }
}
