//! Sending a message in parts.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use silverback_wire::{Message, Part, Text};
use tokio::sync::SemaphorePermit;

use crate::WebSocket;
use crate::batch::Content;
use crate::sender::Closed;
use crate::shared::Shared;

/// Sends one message in parts (RFC 6455, 5.4), for a message that is larger than one wants to hold or whose end is not known yet:
/// [`Sender::write_text`](crate::Sender::write_text), [`Sender::write_binary`](crate::Sender::write_binary).
///
/// The peer sees one message. Control frames go between its parts; other messages wait for its end, in their bounded queue. Dropping a writer in
/// the middle ends the connection with 1011, since there is no other way to end a message that is not whole; before its first part is on its way,
/// it does nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, client) = (server?, client?);
/// use silverback::Message;
///
/// # let client = tokio::spawn(client.run(|tx, _rx| async move {
/// let mut message = tx.write_text().await.expect("the connection is open");
/// message.write("a long ").await?;
/// message.write("story").await?;
/// message.finish().await?;
/// # Ok(())
/// # }));
/// assert_eq!(server.recv().await, Some(Message::from("a long story"))); // the other end
/// # Ok(())
/// # }
/// ```
#[must_use = "a message that is not finished ends its connection"]
pub struct MessageWriter<'a, P> {
    shared: &'a Shared,
    _turn: SemaphorePermit<'a>,
    state: State,
    kind: PhantomData<P>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotBegun,
    Begun,
    Finished,
}

/// Sends one message in parts (RFC 6455, 5.4) on a bare connection: [`WebSocket::write_text`], [`WebSocket::write_binary`]. As long as it
/// lives nothing else can be sent or received there. Dropping it in the middle closes the connection with 1011.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, mut client) = (server?, client?);
/// use silverback::Message;
///
/// let mut message = client.write_text();
/// message.write("a long ").await?;
/// message.write("story").await?;
/// message.finish().await?;
/// assert_eq!(server.recv().await, Some(Message::from("a long story"))); // the other end
/// # Ok(())
/// # }
/// ```
#[must_use = "a message that is not finished ends its connection"]
pub struct BareWriter<'a, P> {
    socket: &'a mut WebSocket,
    state: State,
    kind: PhantomData<P>,
}

impl<'a, P: Piece> BareWriter<'a, P> {
    pub(crate) fn new(socket: &'a mut WebSocket) -> Self {
        Self { socket, state: State::NotBegun, kind: PhantomData }
    }

    /// Sends the next part, waiting until the kernel has taken it.
    ///
    /// Cancel-safe in this sense: a frame is never cut. Dropped before it is ready, the part is either not sent, or sent whole by the next call.
    ///
    /// # Errors
    /// [`Closed`] gives the part back once the connection is closing or has ended.
    pub async fn write(&mut self, part: impl Into<P>) -> Result<(), Closed> {
        self.send(Part { piece: part.into().into(), is_last: false }).await
    }

    /// Ends the message, waiting until the kernel has taken it.
    ///
    /// Not cancel-safe: dropped before it is ready, the message is given up unless its end is on its way.
    ///
    /// # Errors
    /// [`Closed`] once the connection is closing or has ended.
    pub async fn finish(mut self) -> Result<(), Closed> {
        self.send(Part { piece: P::default().into(), is_last: true }).await
    }

    async fn send(&mut self, part: Part) -> Result<(), Closed> {
        self.socket.make_room().await;
        // From here on the part is sent, whether or not this future is dropped.
        self.state = if part.is_last { State::Finished } else { State::Begun };
        self.socket.encode_part(part)?;
        self.socket.written().await;
        Ok(())
    }
}

impl<P> Drop for BareWriter<'_, P> {
    fn drop(&mut self) {
        if self.state == State::Begun {
            self.socket.abandon_message();
        }
    }
}

impl<P> fmt::Debug for BareWriter<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BareWriter").field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a message can be written in: [`Text`] or [`Bytes`].
///
/// ```
/// use bytes::Bytes;
/// use silverback::{Closed, MessageWriter, Piece};
///
/// async fn write_all<P: Piece>(mut message: MessageWriter<'_, P>, pieces: Vec<P>) -> Result<(), Closed> {
///     for piece in pieces {
///         message.write(piece).await?;
///     }
///     message.finish().await
/// }
/// # async fn example(tx: silverback::Sender) -> Result<(), Closed> {
/// let Some(message) = tx.write_binary().await else { return Ok(()) };
/// write_all(message, vec![Bytes::from_static(b"a long "), Bytes::from_static(b"story")]).await
/// # }
/// ```
pub trait Piece: Into<Message> + Default {}
impl Piece for Text {}
impl Piece for Bytes {}

impl<'a, P: Piece> MessageWriter<'a, P> {
    pub(crate) fn new(shared: &'a Shared, turn: SemaphorePermit<'a>) -> Self {
        Self { shared, _turn: turn, state: State::NotBegun, kind: PhantomData }
    }

    /// Sends the next part, waiting until the one before it is on its way: at most one part waits here.
    ///
    /// Cancel-safe: dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    /// [`Closed`] gives the part back once the connection is closing or has ended.
    pub async fn write(&mut self, part: impl Into<P>) -> Result<(), Closed> {
        let part = Part { piece: part.into().into(), is_last: false };
        if self.state == State::Begun {
            return self.shared.push_part(part).await.map_err(Closed);
        }
        self.shared.push_or_wait(Content::FirstPart(part)).await.map_err(Closed)?;
        self.state = State::Begun;
        Ok(())
    }

    /// Ends the message.
    ///
    /// Not cancel-safe: dropped before it is ready, it gives the message up, as dropping the writer does.
    ///
    /// # Errors
    /// [`Closed`] once the connection is closing or has ended. The message in it is empty: the parts have gone before.
    pub async fn finish(mut self) -> Result<(), Closed> {
        let nothing = P::default().into();
        match self.state {
            State::Begun => self.shared.push_part(Part { piece: nothing, is_last: true }).await,
            _ => self.shared.push_or_wait(Content::Whole(nothing.into())).await,
        }
        .map_err(Closed)?;
        self.state = State::Finished;
        Ok(())
    }
}

impl<P> Drop for MessageWriter<'_, P> {
    fn drop(&mut self) {
        if self.state == State::Begun {
            self.shared.abandon_message();
        }
    }
}

impl<P> fmt::Debug for MessageWriter<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter").field("state", &self.state).finish_non_exhaustive()
    }
}
