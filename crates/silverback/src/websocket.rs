//! One connection, owned by one task.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Connection, Message, Part, Text};

use crate::drain::{ConnectionId, Fleet};
use crate::drive::{Drive, Driven};
use crate::driver::{Driver, now};
use crate::gather::Gather;
use crate::outgoing::Outgoing;
use crate::queue::QueueLimits;
use crate::receiver::Receiver;
use crate::run::{HandlerResult, Run};
use crate::sender::{Closed, Sender};
use crate::shared::Shared;
use crate::transport::{Stream, Transport};
use crate::writer::BareWriter;

/// A WebSocket connection.
///
/// Use it bare, with [`recv`](Self::recv), [`send`](Self::send) and [`close`](Self::close), where one task does one thing after the other. Use
/// [`run`](Self::run) where the task also waits for other things: it goes on answering pings, writing what is queued and noticing the end
/// while your code waits for a database.
///
/// A bare connection is only alive while one of its methods is awaited. Dropping it closes the socket; a Close frame with 1001 goes out
/// first if the kernel takes it at once.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, mut client) = (server?, client?);
/// use silverback::{Message, WebSocket};
///
/// async fn greet(socket: &mut WebSocket) -> Result<Option<Message>, silverback::Closed> {
///     socket.send("who is there?").await?;
///     Ok(socket.recv().await) // `None` when the connection has ended
/// }
/// # client.send("a friend").await?;
/// assert_eq!(greet(&mut server).await?, Some(Message::from("a friend")));
/// # Ok(())
/// # }
/// ```
pub struct WebSocket {
    driver: Driver,
    /// What arrived while something else was awaited.
    arrived: VecDeque<Part>,
    /// What `recv` has put together so far of a message that arrives in parts.
    gather: Gather,
    subprotocol: Option<String>,
    outbox_limits: QueueLimits,
    inbox_limits: QueueLimits,
}

impl WebSocket {
    /// A connection over `stream`. `preface` is still to be written before any frame, `behind_head` was read behind the handshake.
    pub(crate) fn new<S: Stream>(
        stream: S,
        connection: Connection,
        preface: BytesMut,
        behind_head: BytesMut,
        queue: QueueLimits,
        fleet: Option<&Arc<Fleet>>,
    ) -> Self {
        Self {
            driver: Driver::new(Transport::new(stream), connection, preface, behind_head, fleet),
            arrived: VecDeque::new(),
            gather: Gather::default(),
            subprotocol: None,
            outbox_limits: queue,
            inbox_limits: QueueLimits { bytes: 256 * 1024, messages: 256 },
        }
    }

    pub(crate) fn with_subprotocol(mut self, subprotocol: Option<String>) -> Self {
        self.subprotocol = subprotocol;
        self
    }

    /// The subprotocol that both sides agreed on in the handshake (RFC 6455, 1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The name of this connection in this process, for logs.
    ///
    /// ```
    /// # fn example(socket: &silverback::WebSocket) {
    /// println!("connection {} speaks {}", socket.id(), socket.subprotocol().unwrap_or("no subprotocol"));
    /// # }
    /// ```
    pub fn id(&self) -> ConnectionId {
        self.driver.id()
    }

    /// Writes the answer to the handshake.
    pub(crate) async fn write_preface(&mut self) {
        self.written().await;
    }

    /// The next message, or `None` when the connection has ended; then [`close_report`](Self::close_report) tells how.
    ///
    /// Answers pings, writes what [`Sender`]s have queued and watches the heartbeat on the way.
    ///
    /// Cancel-safe: no message is lost by dropping this.
    ///
    /// ```
    /// # async fn example(mut socket: silverback::WebSocket) {
    /// while let Some(message) = socket.recv().await {
    ///     println!("{message:?}");
    /// }
    /// println!("{}", socket.close_report().expect("recv has said that it is over"));
    /// # }
    /// ```
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        while let Some(part) = ready!(self.poll_recv_part(cx)) {
            if let Some(message) = self.gather.add(part) {
                return Poll::Ready(Some(message));
            }
        }
        Poll::Ready(None)
    }

    /// The next part of a message, or `None` when the connection has ended. A message that arrives whole is one part, which is the last;
    /// one that is larger than [`part_size`](crate::UpgraderBuilder::part_size) is several.
    ///
    /// Cancel-safe: no part is lost by dropping this.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let upgrader = silverback::Upgrader::builder().part_size(4).build();
    /// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
    /// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
    /// # let (mut server, mut client) = (server?, client?);
    /// # client.send("a long story").await?;
    /// let (mut parts, mut whole) = (0, String::new());
    /// while let Some(part) = server.recv_part().await { // a `part_size` of 4 bytes
    ///     whole.push_str(part.piece.as_text().unwrap_or_default());
    ///     parts += 1;
    ///     if part.is_last {
    ///         break;
    ///     }
    /// }
    /// assert!(parts > 1 && whole == "a long story");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_part(&mut self) -> Option<Part> {
        if let Some(begun) = self.gather.take() {
            return Some(begun);
        }
        let part = poll_fn(|cx| self.poll_recv_part(cx)).await?;
        self.gather.passed(&part);
        Some(part)
    }

    fn poll_recv_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        if let Some(part) = self.arrived.pop_front() {
            return Poll::Ready(Some(part));
        }
        self.driver.begin_poll(cx);
        let polled = self.poll_parked(cx);
        if polled.is_pending() {
            // Only now are reads granted anew: a task that receives without ever waiting has to let others on in between.
            self.driver.grant_reads();
        }
        polled
    }

    /// Sends a message, waiting until the kernel has taken it. What arrives meanwhile is kept for `recv`, up to a bound.
    ///
    /// Cancel-safe in this sense: a frame is never cut. Dropped before it is ready, the message is either not sent, or sent whole, and before
    /// any other, by the next call on this connection.
    ///
    /// # Errors
    /// [`Closed`] gives the message back once the connection is closing or has ended. A message that was taken and then lost with the
    /// connection is counted in [`CloseReport::unsent`].
    ///
    /// ```
    /// # async fn example(mut socket: silverback::WebSocket) -> Result<(), silverback::Closed> {
    /// socket.send("a text").await?;
    /// socket.send(vec![1, 2, 3]).await?; // binary
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&mut self, message: impl Into<Outgoing>) -> Result<(), Closed> {
        self.feed(message).await?;
        self.written().await;
        Ok(())
    }

    /// As [`send`](Self::send), but does not write yet: the message goes out with others, in one system call, as soon as [`recv`](Self::recv) has
    /// to wait, or with the next `send`. For a loop that answers many messages at once. Waits only while much is waiting to be written.
    ///
    /// Cancel-safe: dropped before it is ready, the message is not sent.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// ```
    /// # async fn example(mut socket: silverback::WebSocket) -> Result<(), silverback::Closed> {
    /// while let Some(message) = socket.recv().await {
    ///     socket.feed(message).await?; // an echo: what has come together goes back together
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn feed(&mut self, message: impl Into<Outgoing>) -> Result<(), Closed> {
        self.make_room().await;
        match message.into() {
            Outgoing::Message(message) => self.driver.connection().send(message),
            Outgoing::Prepared(prepared) => self.driver.connection().send_prepared(&prepared),
        }
        .map_err(|not_sent| Closed(not_sent.into_message()))
    }

    /// Begins a text message that is sent in parts (RFC 6455, 5.4). Nothing else can be sent on this connection until it is finished; what
    /// [`Sender`]s queue waits.
    ///
    /// ```no_run
    /// # async fn example(mut socket: silverback::WebSocket) -> Result<(), silverback::Closed> {
    /// let mut message = socket.write_text();
    /// message.write("a long ").await?;
    /// message.write("story").await?;
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_text(&mut self) -> BareWriter<'_, Text> {
        BareWriter::new(self)
    }

    /// As [`write_text`](Self::write_text), of a binary message.
    pub fn write_binary(&mut self) -> BareWriter<'_, Bytes> {
        BareWriter::new(self)
    }

    /// Encodes a part. Before it, [`make_room`](Self::make_room); after it, [`written`](Self::written).
    pub(crate) fn encode_part(&mut self, part: Part) -> Result<(), Closed> {
        self.driver.connection().send_part(part).map_err(|not_sent| Closed(not_sent.into_message()))
    }

    /// Waits until the kernel has all that was sent.
    pub(crate) async fn written(&mut self) {
        poll_fn(|cx| self.poll_until(cx, Driver::has_written)).await;
    }

    /// A message in parts is given up: nothing else can end it (RFC 6455, 5.4).
    pub(crate) fn abandon_message(&mut self) {
        let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "a message was given up before its end");
        self.driver.connection().close_because(frame, "a message that was sent in parts was given up before its end", now());
    }

    /// So that sends that are given up do not pile up, and a message that a `Sender` writes in parts comes to its end.
    pub(crate) async fn make_room(&mut self) {
        if !self.driver.has_room() {
            poll_fn(|cx| self.poll_until(cx, Driver::has_room)).await;
        }
    }

    /// Writes until `is_done`, or until the connection has ended.
    fn poll_until(&mut self, cx: &mut Context<'_>, is_done: fn(&Driver) -> bool) -> Poll<()> {
        self.driver.begin_poll(cx);
        self.driver.poll_output(cx);
        if is_done(&self.driver) {
            return Poll::Ready(());
        }
        // The peer takes nothing: it may be waiting for us to read, or be gone.
        self.driver.grant_reads();
        while self.arrived.len() < self.inbox_limits.messages && self.arrived_bytes() < self.inbox_limits.bytes {
            match self.poll_parked(cx) {
                Poll::Ready(Some(part)) => self.arrived.push_back(part),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending if is_done(&self.driver) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        loop {
            if self.driver.poll_without_reading(cx).is_ready() {
                self.driver.conclude();
                return Poll::Ready(());
            }
            if is_done(&self.driver) {
                return Poll::Ready(());
            }
            if self.driver.park(cx) {
                return Poll::Pending;
            }
        }
    }

    fn arrived_bytes(&self) -> usize {
        self.arrived.iter().map(|part| part.piece.len()).sum()
    }

    fn poll_parked(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        loop {
            if let Poll::Ready(part) = self.driver.poll_arrival(cx) {
                if part.is_none() {
                    self.driver.conclude();
                }
                return Poll::Ready(part);
            }
            if self.driver.park(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Closes the connection: sends Close, waits for the peer's, ends TCP (RFC 6455, 7.1.2). Takes at most the configured times; messages
    /// that still arrive are dropped. Whether the peer has answered is in the report.
    ///
    /// Not cancel-safe: dropping this drops the connection.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let upgrader = silverback::Upgrader::default();
    /// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
    /// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
    /// # let (mut server, mut client) = (server?, client?);
    /// use silverback::CloseCode;
    ///
    /// # let echo = tokio::spawn(async move { while server.recv().await.is_some() {} });
    /// let report = client.close(CloseCode::NORMAL, "done").await;
    /// assert!(report.is_clean());
    /// # echo.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Nothing can be done with it after that:
    ///
    /// ```compile_fail,E0382
    /// # async fn example(mut socket: silverback::WebSocket) {
    /// socket.close(silverback::CloseCode::NORMAL, "done").await;
    /// socket.send("more").await; // there is nothing left to send on
    /// # }
    /// ```
    pub async fn close(mut self, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Arc<CloseReport> {
        self.driver.close(CloseFrame::new(code, reason), "closed here");
        while self.recv_part().await.is_some() {}
        self.into_report()
    }

    /// How the connection ended, once it has.
    pub fn close_report(&self) -> Option<&CloseReport> {
        self.driver.report().map(Arc::as_ref)
    }

    /// A handle that queues messages for this connection from elsewhere. They are written while the connection is driven: by `run`, or
    /// while `recv` is awaited.
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
    /// let tx = server.sender();
    /// tokio::spawn(async move { tx.send("from another task").await });
    /// tokio::spawn(async move { while server.recv().await.is_some() {} }); // whoever receives writes as well
    /// assert_eq!(client.recv().await, Some(Message::from("from another task")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn sender(&mut self) -> Sender {
        Sender::new(self.shared().clone())
    }

    fn shared(&mut self) -> &Arc<Shared> {
        let (outbox, inbox) = (self.outbox_limits, self.inbox_limits);
        self.driver.shared(|| Shared::new(outbox, inbox))
    }

    /// Runs a handler and the connection in one task, until both have ended, and tells how the connection ended.
    ///
    /// While the handler awaits whatever it likes, pings are answered, queued messages are written, and the end is noticed: `recv` then
    /// gives `None` and `send` gives [`Closed`]. When the handler returns, the connection is closed with 1000; when it fails or panics, with
    /// 1011, the cause in the report and in the log. A handler that goes on after the end is let finish; one that wants to know
    /// awaits [`Sender::closed`] too. While the inbox is full (256 messages or 256 KiB that the handler has not received), nothing is read, so
    /// even the end is noticed only when the handler goes on.
    ///
    /// A handler that fails because of [`Closed`] has only learnt of the end, and is taken for one that returned.
    ///
    /// Not cancel-safe: dropping this drops the handler and the connection; the report is still published to every [`Sender`].
    ///
    /// ```no_run
    /// # async fn example(socket: silverback::WebSocket) {
    /// let report = socket
    ///     .run(|tx, mut rx| async move {
    ///         while let Some(message) = rx.recv().await {
    ///             tx.send(message).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await;
    /// println!("{report}");
    /// # }
    /// ```
    pub fn run<H, F>(mut self, handler: H) -> impl Future<Output = Arc<CloseReport>> + Unpin
    where
        H: FnOnce(Sender, Receiver) -> F,
        F: Future<Output = HandlerResult>,
    {
        let (tx, rx) = self.handles();
        let shared = self.shared().clone();
        let span = span(&self.driver);
        let run = span.in_scope(|| Run::begin(self.driver, shared, || handler(tx, rx)));
        Driven::new(run, span)
    }

    /// Takes the connection apart into its handles and the future that looks after it, which is usually spawned:
    ///
    /// ```no_run
    /// # async fn example(socket: silverback::WebSocket) -> Result<(), silverback::Closed> {
    /// let (tx, mut rx, drive) = socket.split();
    /// tokio::spawn(drive);
    /// tx.send("hello").await?;
    /// while let Some(message) = rx.recv().await {
    ///     println!("{message:?}");
    /// }
    /// println!("{}", rx.close_report().expect("recv has said that it is over"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It is as [`run`](Self::run), without a handler: use it where the halves live in different tasks. The connection closes with 1000 when the receiver and all
    /// senders were dropped. Dropping the [`Drive`] drops the connection.
    pub fn split(mut self) -> (Sender, Receiver, Drive) {
        let (tx, rx) = self.handles();
        let shared = self.shared().clone();
        shared.close_with_handles();
        let span = span(&self.driver);
        (tx, rx, Drive(Driven::new(Run::new(self.driver, shared, None), span)))
    }

    fn handles(&mut self) -> (Sender, Receiver) {
        let shared = self.shared().clone();
        let mut arrived: VecDeque<Part> = self.gather.take().into_iter().chain(self.arrived.drain(..)).collect();
        shared.deliver(&mut arrived, None);
        self.driver.serve_handles();
        (Sender::new(shared.clone()), Receiver::new(shared))
    }

    fn into_report(self) -> Arc<CloseReport> {
        match self.driver.report() {
            Some(report) => report.clone(),
            None => unreachable!("`recv` gives None only at the end, which makes the report"),
        }
    }
}

/// What is logged while a connection is driven belongs to it.
fn span(driver: &Driver) -> tracing::Span {
    tracing::debug_span!("websocket", id = %driver.id(), role = ?driver.role())
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("id", &self.id())
            .field("subprotocol", &self.subprotocol)
            .field("report", &self.close_report())
            .finish_non_exhaustive()
    }
}
