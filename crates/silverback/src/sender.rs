//! The handle that sends.

use std::borrow::Cow;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Message, Text};

use crate::batch::Content;
use crate::outbox::Rejected;
use crate::outgoing::{Offered, Outgoing, Overflow};
use crate::queue::QueueFill;
use crate::shared::Shared;
use crate::writer::{MessageWriter, Piece};

/// Sends messages on one connection, from any number of tasks: it can be cloned, moved and shared.
///
/// Messages go into a bounded queue; whoever drives the connection ([`WebSocket::run`](crate::WebSocket::run),
/// [`recv`](crate::WebSocket::recv)) writes them. Messages of one handle go out in the order in which they were sent. A handle does not
/// keep the connection open, and using one after its end gives [`Closed`].
///
/// ```
/// # async fn example(tx: silverback::Sender) {
/// use std::time::Duration;
///
/// // A ticker, which stops when the connection has ended:
/// tokio::spawn({
///     let tx = tx.clone();
///     async move {
///         while tx.send("tick").await.is_ok() {
///             tokio::time::sleep(Duration::from_secs(1)).await;
///         }
///     }
/// });
/// # }
/// ```
pub struct Sender {
    shared: Arc<Shared>,
}

/// The connection is closed or closing: nothing can be sent any more. Holds the message that was not sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, _client) = (server?, client?);
/// use silverback::{Closed, Message};
///
/// let tx = server.sender();
/// drop(server); // and with it the connection
/// assert_eq!(tx.send("too late").await, Err(Closed(Message::from("too late"))));
/// assert!(tx.close_report().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed: the message was not sent")]
pub struct Closed(pub Message);

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Closed({} bytes not sent)", self.0.len())
    }
}

/// Why [`Sender::try_send`] did not take a message, and the message.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::builder().queue(silverback::QueueLimits { bytes: 1024, messages: 1 }).build();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, _client) = (server?, client?);
/// use silverback::TrySendError;
///
/// let tx = server.sender(); // of a connection whose queue has room for one message
/// tx.try_send("one")?;
/// match tx.try_send("two") {
///     Err(TrySendError::Full(message)) => assert_eq!(message.as_text(), Some("two")),
///     other => unreachable!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError {
    /// The queue is at its bound: the peer is slower than what is sent to it.
    #[error("the queue of this connection is full: the message was not sent")]
    Full(Message),
    /// The connection is closed or closing.
    #[error("the connection is closed: the message was not sent")]
    Closed(Message),
}

impl fmt::Debug for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(message) => write!(f, "Full({} bytes not sent)", message.len()),
            Self::Closed(message) => write!(f, "Closed({} bytes not sent)", message.len()),
        }
    }
}

impl From<Rejected> for TrySendError {
    fn from(rejected: Rejected) -> Self {
        match rejected {
            Rejected::Full(message) => Self::Full(message),
            Rejected::Closed(message) => Self::Closed(message),
        }
    }
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.sender_made();
        Self { shared }
    }

    /// Queues a message, waiting for room while the queue is full.
    ///
    /// Cancel-safe: dropped before it is ready, it has queued nothing.
    ///
    /// # Errors
    /// [`Closed`] gives the message back once the connection is closing or has ended.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender, mut rx: silverback::Receiver) -> Result<(), silverback::Closed> {
    /// // An echo that reads no faster than its peer does:
    /// while let Some(message) = rx.recv().await {
    ///     tx.send(message).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&self, message: impl Into<Outgoing>) -> impl Future<Output = Result<(), Closed>> {
        let mut pushing = self.shared.push_or_wait(Content::Whole(message.into()));
        // In place, so that the message has one place in the future of whoever sends.
        poll_fn(move |cx| Pin::new(&mut pushing).poll(cx).map_err(Closed))
    }

    /// Queues a message if there is room now.
    ///
    /// # Errors
    /// [`TrySendError`] gives the message back.
    ///
    /// ```
    /// # fn example(tx: silverback::Sender) {
    /// use silverback::TrySendError;
    ///
    /// match tx.try_send("a position") {
    ///     Ok(()) => {}
    ///     Err(TrySendError::Full(_)) => println!("the peer is slow: {:?}", tx.queue()),
    ///     Err(TrySendError::Closed(_)) => println!("the connection has ended"),
    /// }
    /// # }
    /// ```
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<(), TrySendError> {
        self.shared.push(message.into()).map_err(Rejected::into)
    }

    /// Queues a message now, and does what the policy says if there is no room. Never waits.
    ///
    /// ```
    /// # fn example(tx: silverback::Sender) {
    /// use silverback::Overflow;
    ///
    /// // However slow the peer, one price of each stock waits for it, the latest.
    /// let _ = tx.offer(r#"{"ACME":12.5}"#, Overflow::KeepLatest("ACME".into()));
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TrySendError`] gives back a message that was not queued. Such messages and those that made room for others are counted in
    /// [`QueueFill::dropped`].
    pub fn offer(&self, message: impl Into<Outgoing>, overflow: Overflow) -> Result<Offered, TrySendError> {
        self.shared.offer(message.into(), overflow).map_err(Rejected::into)
    }

    /// Begins a text message that is sent in parts (RFC 6455, 5.4), when no other such message is under way; `None` when the connection has
    /// ended.
    ///
    /// Cancel-safe: dropped before it is ready, it has begun nothing.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let Some(mut message) = tx.write_text().await else { return Ok(()) };
    /// for row in 0..1_000_000 {
    ///     message.write(format!("{row}\n")).await?;
    /// }
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_text(&self) -> Option<MessageWriter<'_, Text>> {
        self.writer().await
    }

    /// As [`write_text`](Self::write_text), of a binary message.
    ///
    /// Cancel-safe: dropped before it is ready, it has begun nothing.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender, mut file: tokio::fs::File) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// use bytes::BytesMut;
    /// use tokio::io::AsyncReadExt;
    ///
    /// let Some(mut message) = tx.write_binary().await else { return Ok(()) };
    /// let mut buffer = BytesMut::with_capacity(64 * 1024);
    /// while file.read_buf(&mut buffer).await? > 0 {
    ///     message.write(buffer.split()).await?;
    /// }
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_binary(&self) -> Option<MessageWriter<'_, Bytes>> {
        self.writer().await
    }

    async fn writer<P: Piece>(&self) -> Option<MessageWriter<'_, P>> {
        self.shared.turn().await.map(|turn| MessageWriter::new(&self.shared, turn))
    }

    /// Waits until everything that was queued before this call is with the kernel: `true` then, `false` if the connection ended before that.
    /// That the kernel has it does not mean that the peer has.
    ///
    /// Cancel-safe: dropping this stops only the waiting.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender) -> Result<(), silverback::Closed> {
    /// tx.send("the last result").await?;
    /// if !tx.flush().await {
    ///     println!("it may be lost: {}", tx.closed().await);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn flush(&self) -> bool {
        self.shared.flush().await
    }

    /// Closes the connection (RFC 6455, 7.1.2) behind what is queued, and waits for its end. If it is closing already, only waits.
    ///
    /// Cancel-safe: the close has begun when this is first polled, and goes on; dropping this stops only the waiting.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender) {
    /// use silverback::CloseCode;
    ///
    /// let report = tx.close(CloseCode::GOING_AWAY, "the room is closed").await;
    /// println!("{report}; {} messages were not sent", report.unsent.messages);
    /// # }
    /// ```
    pub async fn close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Arc<CloseReport> {
        self.begin_close(code, reason);
        self.shared.ended().await
    }

    /// As [`close`](Self::close), without waiting for the end. Whether this call began it: `false` when the connection was closing already.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let upgrader = silverback::Upgrader::default();
    /// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
    /// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
    /// # let (mut server, _client) = (server?, client?);
    /// use silverback::CloseCode;
    ///
    /// let tx = server.sender();
    /// assert!(tx.begin_close(CloseCode::POLICY_VIOLATION, "too many requests"));
    /// assert!(!tx.begin_close(CloseCode::NORMAL, "done"), "the first to ask decides");
    /// # Ok(())
    /// # }
    /// ```
    pub fn begin_close(&self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> bool {
        self.shared.ask_to_close(CloseFrame::new(code, reason), "closed here".into())
    }

    /// Waits for the end of the connection, however it comes.
    ///
    /// Cancel-safe: whoever asks again gets the same report.
    ///
    /// ```
    /// # async fn work() {}
    /// # async fn example(tx: silverback::Sender) {
    /// tokio::select! {
    ///     () = work() => {}
    ///     report = tx.closed() => println!("nobody waits for it any more: {report}"),
    /// }
    /// # }
    /// ```
    pub async fn closed(&self) -> Arc<CloseReport> {
        self.shared.ended().await
    }

    /// How the connection ended, once it has.
    pub fn close_report(&self) -> Option<&CloseReport> {
        self.shared.report().map(Arc::as_ref)
    }

    /// How long the peer took to answer the last ping of the heartbeat that it answered: about the time to it and back.
    pub fn round_trip(&self) -> Option<Duration> {
        self.shared.round_trip()
    }

    /// What waits in the queue, and what has become of it.
    pub fn queue(&self) -> QueueFill {
        self.shared.fill()
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.sender_dropped();
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("queue", &self.queue()).field("ended", &self.shared.report().is_some()).finish()
    }
}
