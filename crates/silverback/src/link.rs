//! The transport, and how far each of its two directions has come.

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use silverback_wire::{Connection, Transmit, TransportEnd};
use tokio::io::{AsyncReadExt, AsyncWrite};

use crate::bypass::Socket;
use crate::driver::now;
use crate::transport::Transport;

/// What is read at once. The buffer belongs to the thread and is lent to whichever connection has something to read, so that a quiet
/// connection holds none.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// A transport that is read and written until it is dropped.
pub(crate) struct Link {
    transport: Transport,
    /// What goes out before any frame: the answer to the handshake, if it was not written before.
    preface: Option<Box<BytesMut>>,
    /// Bytes were written since the last flush. TCP takes them as they are written; TLS and upgraded connections may hold them back.
    is_unflushed: bool,
    shutdown: Shutdown,
    /// The peer's FIN was read: there is nothing more to read, though something may still have to be written.
    is_read_to_end: bool,
    write_failure: Option<io::ErrorKind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shutdown {
    NotAsked,
    Asked,
    Done,
}

impl Link {
    pub(crate) fn new(transport: Transport, preface: BytesMut) -> Self {
        let preface = (!preface.is_empty()).then(|| Box::new(preface));
        Self { transport, preface, is_unflushed: false, shutdown: Shutdown::NotAsked, is_read_to_end: false, write_failure: None }
    }

    pub(crate) fn write_failure(&self) -> Option<TransportEnd> {
        self.write_failure.map(TransportEnd::Failed)
    }

    /// Whether the kernel has all that the transport has taken.
    pub(crate) fn is_flushed(&self) -> bool {
        !self.is_unflushed && self.write_failure.is_none()
    }

    /// Gives the socket away, if it is one that can be written to by others, and nothing is to be written or has gone wrong.
    pub(crate) fn lend(&mut self, connection: &Connection) -> Option<Socket> {
        let is_at_rest = self.has_written(connection) && self.shutdown == Shutdown::NotAsked;
        let (true, Transport::Tcp(_)) = (is_at_rest, &self.transport) else { return None };
        match std::mem::replace(&mut self.transport, Transport::Lent) {
            Transport::Tcp(stream) => Some(Socket::Tcp(stream)),
            _ => None,
        }
    }

    /// The socket that was lent.
    pub(crate) fn give_back(&mut self, socket: Socket) {
        match socket {
            Socket::Tcp(stream) => self.transport = Transport::Tcp(stream),
            #[cfg(all(test, silverback_loom))]
            Socket::Modelled(_) => {}
        }
    }

    pub(crate) fn has_written(&self, connection: &Connection) -> bool {
        self.preface.is_none() && connection.transmit_len() == 0 && self.is_flushed()
    }

    /// Writes until nothing waits. What is left is remembered by the connection, so this may be dropped and repeated at will. After a
    /// failure it is pending for good: what the peer said before may still be there to be read, so reading tells the end.
    pub(crate) fn poll_write(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<()> {
        if self.write_failure.is_some() {
            return Poll::Pending;
        }
        match ready!(self.try_write(connection, cx)) {
            Ok(()) => Poll::Ready(()),
            Err(failure) => {
                self.write_failure = Some(failure.kind());
                Poll::Pending
            }
        }
    }

    fn try_write(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(preface) = &mut self.preface {
            let Poll::Ready(count) = Pin::new(&mut self.transport).poll_write(cx, preface) else {
                connection.transmit_blocked(now());
                return Poll::Pending;
            };
            let count = count?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            preface.advance(count);
            if preface.is_empty() {
                self.preface = None;
            }
            self.is_unflushed = true;
        }
        while let Some(transmit) = connection.poll_transmit() {
            let Poll::Ready(written) = poll_write_some(&mut self.transport, transmit, cx) else {
                connection.transmit_blocked(now());
                self.is_unflushed = self.is_unflushed && Pin::new(&mut self.transport).poll_flush(cx)?.is_pending();
                return Poll::Pending;
            };
            match written? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => transmit.advance(count),
            }
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            let Poll::Ready(flushed) = Pin::new(&mut self.transport).poll_flush(cx) else {
                connection.transmit_blocked(now());
                return Poll::Pending;
            };
            flushed?;
            self.is_unflushed = false;
        }
        connection.transmit_flowing();
        Poll::Ready(Ok(()))
    }

    /// Ends the write side, now or as soon as the transport lets us.
    pub(crate) fn poll_shutdown(&mut self, is_asked: bool, cx: &mut Context<'_>) {
        if is_asked && self.shutdown == Shutdown::NotAsked {
            self.shutdown = Shutdown::Asked;
        }
        // A failure shows itself when the peer's end is read.
        if self.shutdown == Shutdown::Asked && Pin::new(&mut self.transport).poll_shutdown(cx).is_ready() {
            self.shutdown = Shutdown::Done;
        }
    }

    /// The next bytes, or the end of the transport, which is told once. The rest of a large message is read to where it belongs.
    pub(crate) fn poll_read(&mut self, connection: &mut Connection, cx: &mut Context<'_>) -> Poll<Result<BytesMut, TransportEnd>> {
        if self.is_read_to_end {
            return self.write_failure().map_or(Poll::Pending, |failure| Poll::Ready(Err(failure)));
        }
        let (read, bytes) = match connection.lend() {
            Some(mut room) => (pin!(self.transport.read_buf(&mut room)).poll(cx), room),
            None => {
                // Taken, not borrowed: the stream may itself be made of a WebSocket that reads on this thread.
                let mut buffer = READ_BUFFER.take();
                buffer.reserve(READ_SIZE); // the same memory again, once nobody shares it
                let read = pin!(self.transport.read_buf(&mut buffer)).poll(cx);
                let bytes = buffer.split();
                READ_BUFFER.set(buffer);
                (read, bytes)
            }
        };
        let end = match (read, self.write_failure()) {
            (Poll::Ready(Ok(1..)), _) => return Poll::Ready(Ok(bytes)),
            (_, Some(failure)) => failure,
            (Poll::Ready(Ok(0)), None) => TransportEnd::Finished,
            (Poll::Ready(Err(error)), None) => TransportEnd::Failed(error.kind()),
            (Poll::Pending, None) => return Poll::Pending,
        };
        self.is_read_to_end = true;
        Poll::Ready(Err(end))
    }
}

/// Writes what waits, as much as the transport takes at once.
fn poll_write_some(transport: &mut Transport, transmit: &Transmit, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    let first = transmit.chunk();
    if first.len() == transmit.remaining() {
        return Pin::new(transport).poll_write(cx, first);
    }
    let mut slices = [IoSlice::new(&[]); 32];
    let count = transmit.chunks_vectored(&mut slices);
    Pin::new(transport).poll_write_vectored(cx, &slices[..count])
}
