//! The stream of a connection, watched: what passes is told of, and pings of the person's own are put between its frames.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Instant, SystemTime};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use silverback::wire::frame::{Header, Opcode};
use silverback::wire::mask;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use super::frames::{Passed, Track};

/// How much that has passed may wait to be told of. What does not fit is counted.
const NOTES: usize = 256;

/// How many pings may wait to be sent.
const PINGS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Out,
    In,
}

/// Something that has passed, which way, and when.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) direction: Direction,
    pub(super) passed: Passed,
    pub(super) at: Instant,
    pub(super) time: SystemTime,
}

/// How much is told of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Detail {
    /// Pongs.
    Pongs,
    /// Heads and control frames.
    Control,
    /// Every frame.
    Frames,
}

/// What the tap and its owner share.
#[derive(Debug)]
pub(super) struct Wire {
    notes: mpsc::Sender<Note>,
    detail: Detail,
    untold: AtomicU64,
    pings: Mutex<VecDeque<Bytes>>,
    is_closing: AtomicBool,
    reader: AtomicWaker,
}

impl Wire {
    pub(super) fn new(detail: Detail) -> (Arc<Self>, mpsc::Receiver<Note>) {
        let (notes, told) = mpsc::channel(NOTES);
        let wire = Self {
            notes,
            detail,
            untold: AtomicU64::new(0),
            pings: Mutex::default(),
            is_closing: AtomicBool::new(false),
            reader: AtomicWaker::new(),
        };
        (Arc::new(wire), told)
    }

    /// Sends a ping with this payload (at most 125 bytes) as soon as it fits between frames. Whether there is room for it.
    pub(super) fn ping(&self, payload: Bytes) -> bool {
        let mut pings = self.pings.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = pings.len() < PINGS && !self.is_closing.load(Ordering::Relaxed);
        if has_room {
            pings.push_back(payload);
            self.reader.wake();
        }
        has_room
    }

    /// How much has passed that there was no room to tell of, since this was last asked.
    pub(super) fn untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    fn next_ping(&self) -> Option<Bytes> {
        self.pings.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn tell(&self, direction: Direction, passed: Passed) {
        if let Passed::Frame { header, .. } = &passed
            && header.opcode == Opcode::Close
            && direction == Direction::Out
        {
            self.is_closing.store(true, Ordering::Relaxed);
        }
        let is_wanted = match (self.detail, &passed) {
            (Detail::Frames, _) | (Detail::Control, Passed::Head(_)) => true,
            (Detail::Control, Passed::Frame { header, .. }) => header.opcode.is_control(),
            (Detail::Pongs, Passed::Frame { header, .. }) => header.opcode == Opcode::Pong && direction == Direction::In,
            (Detail::Pongs, Passed::Head(_)) => false,
        };
        if is_wanted && self.notes.try_send(Note { direction, passed, at: Instant::now(), time: SystemTime::now() }).is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A stream that is watched.
pub(super) struct Tap<S> {
    stream: S,
    wire: Arc<Wire>,
    out: Track,
    incoming: Track,
    /// What is left of a ping that is being written.
    ping: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tap<S> {
    pub(super) fn new(stream: S, wire: Arc<Wire>) -> Self {
        Self { stream, wire, out: Track::new(), incoming: Track::new(), ping: BytesMut::new() }
    }

    /// Writes the pings that wait, where they do not cut a frame. What was begun is finished before anything else is written.
    fn poll_pings(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.ping.is_empty() {
                if !self.out.is_between_frames() || self.wire.is_closing.load(Ordering::Relaxed) {
                    return Poll::Ready(Ok(()));
                }
                let Some(payload) = self.wire.next_ping() else { return Poll::Ready(Ok(())) };
                self.ping = masked_ping(&payload);
                let wire = self.wire.clone();
                self.out.see(&self.ping, |passed| wire.tell(Direction::Out, passed));
            }
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.ping))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.ping.advance(count),
            }
        }
    }

    /// Pings that waited for the end of a frame go out now.
    fn come_again(&self, cx: &Context<'_>) {
        if self.out.is_between_frames() && !self.wire.pings.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            cx.waker().wake_by_ref();
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        let wire = self.wire.clone();
        self.out.see(bytes, |passed| wire.tell(Direction::Out, passed));
    }
}

/// A ping as a client sends it (RFC 6455, 5.3).
fn masked_ping(payload: &[u8]) -> BytesMut {
    let key = rand::random::<[u8; 4]>();
    let header = Header { fin: true, reserved: 0, opcode: Opcode::Ping, mask: Some(key), length: payload.len() as u64 };
    let mut frame = BytesMut::new();
    header.encode(&mut frame);
    let start = frame.len();
    frame.extend_from_slice(payload);
    mask::apply(&mut frame[start..], key, 0);
    frame
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        tap.wire.reader.register(cx.waker());
        if let Poll::Ready(Err(error)) = tap.poll_pings(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut tap.stream).poll_read(cx, buffer))?;
        let wire = tap.wire.clone();
        tap.incoming.see(&buffer.filled()[before..], |passed| wire.tell(Direction::In, passed));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        ready!(tap.poll_pings(cx))?;
        let count = ready!(Pin::new(&mut tap.stream).poll_write(cx, bytes))?;
        tap.wrote(&bytes[..count]);
        tap.come_again(cx);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let tap = self.get_mut();
        ready!(tap.poll_pings(cx))?;
        let count = ready!(Pin::new(&mut tap.stream).poll_write_vectored(cx, slices))?;
        let mut left = count;
        for slice in slices {
            let part = left.min(slice.len());
            tap.wrote(&slice[..part]);
            left -= part;
        }
        tap.come_again(cx);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = self.get_mut();
        ready!(tap.poll_pings(cx))?;
        Pin::new(&mut tap.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use silverback::{CloseCode, Dialer, Message, Upgrader};
    use tokio::time::timeout;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_ping_of_ours_is_answered_while_nothing_else_is_sent_and_cuts_no_message() {
        let (ours, theirs) = tokio::io::duplex(64); // so that frames are written in parts
        let (wire, mut notes) = Wire::new(Detail::Pongs);
        let (upgrader, dialer) = (Upgrader::default(), Dialer::default());
        let tap = Tap::new(ours, wire.clone());
        let (server, client) = tokio::join!(upgrader.accept(theirs), dialer.handshake_over(tap, "ws://example.com/"));
        let server = server.unwrap();
        let echo = tokio::spawn(server.run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tx.send(message).await?;
            }
            Ok(())
        }));
        let (tx, mut rx, drive) = client.unwrap().split();
        tokio::spawn(drive);
        for round in 0..50_u8 {
            if round % 2 == 1 {
                tx.send(Message::binary(vec![round; 1000])).await.unwrap();
            }
            assert!(wire.ping(Bytes::from(vec![round])));
            let note = timeout(DEADLINE, notes.recv()).await.unwrap().unwrap();
            assert!(matches!(&note.passed, Passed::Frame { payload, .. } if payload[..] == [round]), "{note:?}");
            if round % 2 == 1 {
                assert_eq!(timeout(DEADLINE, rx.recv()).await.unwrap().unwrap().payload()[..], [round; 1000]);
            }
        }
        assert!(tx.close(CloseCode::NORMAL, "").await.is_clean());
        assert!(!wire.ping(Bytes::new()), "after a Close there is no ping");
        echo.await.unwrap();
    }
}
