//! Opens many connections at once, with the client's half of the opening handshake.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::failure::{Context as _, Failure, Result};
use crate::poll::{Poll, Watch, receive, send};
use crate::target::{Common, PATIENCE};

/// The answer to the request's key.
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A handshake on its way.
enum Handshake<'a> {
    /// With its request.
    Connecting(OwnedFd, &'a [u8]),
    Answering(OwnedFd, Vec<u8>),
}

/// Opens this many connections; `first` is the number of the first of them.
pub(crate) fn open(common: &Common, first: usize, count: usize) -> Result<Vec<OwnedFd>> {
    let requests = common.requests(first, count)?;
    let mut requests = requests.iter().map(Vec::as_slice).cycle();
    let mut poll = Poll::new(common.handshakes)?;
    let mut slots: Vec<Option<Handshake<'_>>> = (0..common.handshakes.max(1)).map(|_| None).collect();
    let mut free: Vec<usize> = (0..slots.len()).rev().collect();
    let (mut open, mut started) = (Vec::with_capacity(count), 0);
    while open.len() < count {
        while started < count
            && let Some(slot) = free.pop()
        {
            let socket = connect(common, first + started).context(|| format!("connection {}", first + started))?;
            poll.watch(&socket, Watch::Writable, slot)?;
            slots[slot] = Some(Handshake::Connecting(socket, requests.next().unwrap_or_default()));
            started += 1;
        }
        let ready = poll.wait(PATIENCE)?;
        if ready == 0 {
            return Err(Failure::new(format!("no handshake went on for {PATIENCE:?}; {} of {count} are open", open.len())));
        }
        for index in 0..ready {
            let slot = poll.ready(index).number;
            let Some(handshake) = slots[slot].take() else { continue };
            match go_on(handshake, common, &poll, slot)? {
                Progress::Goes(handshake) => slots[slot] = Some(handshake),
                Progress::Open(socket) => {
                    poll.forget(&socket)?;
                    open.push(socket);
                    free.push(slot);
                }
            }
        }
    }
    Ok(open)
}

enum Progress<'a> {
    Goes(Handshake<'a>),
    Open(OwnedFd),
}

fn go_on<'a>(handshake: Handshake<'a>, common: &Common, poll: &Poll, slot: usize) -> Result<Progress<'a>> {
    match handshake {
        Handshake::Connecting(socket, request) => {
            sockopt::socket_error(&socket).and_then(|outcome| outcome).context(|| format!("connecting to {}", common.address))?;
            if common.raw {
                return Ok(Progress::Open(socket));
            }
            if send(&socket, request)? != request.len() {
                return Err(Failure::new("a new socket did not take the handshake's request"));
            }
            poll.change(&socket, Watch::Readable, slot)?;
            Ok(Progress::Goes(Handshake::Answering(socket, Vec::new())))
        }
        Handshake::Answering(socket, mut head) => {
            let mut buffer = [0; 4096];
            if let Some(received) = receive(&socket, &mut buffer)? {
                head.extend_from_slice(&buffer[..received]);
            }
            if !head.ends_with(b"\r\n\r\n") && head.len() < buffer.len() && head.starts_with(b"HTTP/1.1 101") {
                return Ok(Progress::Goes(Handshake::Answering(socket, head)));
            }
            judge(&head, common.deflate).map(|()| Progress::Open(socket))
        }
    }
}

fn judge(head: &[u8], deflate: bool) -> Result<()> {
    let has = |part: &[u8]| head.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part));
    if !head.starts_with(b"HTTP/1.1 101") || !has(ACCEPT) {
        return Err(Failure::new(format!("the handshake was refused:\n{}", String::from_utf8_lossy(head))));
    }
    if deflate && !(has(b"permessage-deflate") && has(b"server_no_context_takeover")) {
        return Err(Failure::new(format!("compression without context takeover was not agreed to:\n{}", String::from_utf8_lossy(head))));
    }
    Ok(())
}

/// A socket that never waits, on its way to the server.
fn connect(common: &Common, number: usize) -> rustix::io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = common.source(number) {
        rustix::net::bind(&socket, &SocketAddrV4::new(source, 0))?;
    }
    match rustix::net::connect(&socket, &common.address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Closes with a reset, so that no port is kept waiting afterwards.
pub(crate) fn reset(sockets: impl IntoIterator<Item = OwnedFd>) {
    for socket in sockets {
        let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_shown_and_an_acceptance_is_taken() {
        let accepted = format!("HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: {}\r\n\r\n", String::from_utf8_lossy(ACCEPT));
        judge(accepted.as_bytes(), false).unwrap();
        assert!(judge(accepted.as_bytes(), true).unwrap_err().to_string().contains("was not agreed to"));
        assert!(judge(b"HTTP/1.1 401 Unauthorized\r\n\r\n", false).unwrap_err().to_string().contains("401 Unauthorized"));
    }
}
