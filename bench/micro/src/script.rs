//! A peer that is a script: a stream in memory that says the same again each time it was answered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A browser's request.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: silverback.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The peer's end of a connection. What is written to it is counted and dropped, as a kernel would take it.
pub(crate) struct Script {
    opening: &'static [u8],
    /// The opening was not answered yet.
    is_opening: bool,
    batch: Bytes,
    /// How many bytes of this batch were read.
    read: usize,
    /// How many bytes answer a batch.
    answer: usize,
    /// How many of them are still to come.
    owed: usize,
    rounds: usize,
    /// Behind the last round: the end, or silence.
    ends: bool,
    written: Arc<AtomicUsize>,
    reader: Option<Waker>,
}

impl Script {
    /// Says `batch` so many times, each time when it has had `answer` bytes for the one before, and then ends.
    pub(crate) fn echo(batch: Bytes, answer: usize, rounds: usize) -> Self {
        let written = Arc::default();
        Self { opening: b"", is_opening: false, batch, read: 0, answer, owed: 0, rounds, ends: true, written, reader: None }
    }

    /// The same, behind the request of a handshake.
    pub(crate) fn behind_handshake(self) -> Self {
        Self { opening: REQUEST, is_opening: true, ..self }
    }

    /// Asks for a handshake, is silent after that, and adds what is written to it to `written`.
    pub(crate) fn listener(written: Arc<AtomicUsize>) -> Self {
        Self { ends: false, written, ..Self::echo(Bytes::new(), 0, 0).behind_handshake() }
    }

    fn take(&mut self, bytes: usize) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.is_opening) {
            return Poll::Ready(Ok(bytes)); // the head of the answer, which comes in one piece
        }
        self.written.fetch_add(bytes, Ordering::Relaxed);
        self.owed = self.owed.saturating_sub(bytes);
        if self.owed == 0 && (self.rounds > 0 || self.ends) {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        Poll::Ready(Ok(bytes))
    }
}

impl AsyncRead for Script {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.opening.is_empty() {
            buffer.put_slice(std::mem::take(&mut self.opening));
            return Poll::Ready(Ok(()));
        }
        if self.read == 0 {
            match self.rounds {
                0 if self.owed == 0 && self.ends => return Poll::Ready(Ok(())),
                1.. if self.owed == 0 && !self.is_opening => {}
                _ => {
                    self.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
            (self.owed, self.rounds) = (self.answer, self.rounds - 1);
        }
        let end = self.batch.len().min(self.read + buffer.remaining());
        buffer.put_slice(&self.batch[self.read..end]);
        self.read = if end == self.batch.len() { 0 } else { end };
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes.len())
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.take(slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
