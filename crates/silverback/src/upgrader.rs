//! The server's policy, made once and shared.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use silverback_wire::deflate::Agreement;
use silverback_wire::handshake::server::{Acceptance, Head, Policy};
use silverback_wire::handshake::{Origins, Refusal};
use silverback_wire::{CloseCode, CloseFrame, Config, Connection, Role};

use crate::drain::{Drained, Fleet};
use crate::driver::now;
use crate::handshake::{AcceptError, Handshake};
use crate::transport::Stream;
use crate::{QueueLimits, WebSocket};

/// What a server takes and how its connections behave: made once with [`Upgrader::builder`], cloned freely.
///
/// It works on bare streams ([`accept`](Self::accept), [`handshake`](Self::handshake)) and, with the `hyper` or `axum` feature, on
/// requests.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let upgrader = silverback::Upgrader::builder().message_limit(64 * 1024).build();
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     let upgrader = upgrader.clone();
///     tokio::spawn(async move {
///         let mut socket = upgrader.accept(stream).await?;
///         while let Some(message) = socket.recv().await {
///             socket.send(message).await?;
///         }
///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///     });
/// }
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Upgrader {
    inner: Arc<Settings>,
    fleet: Arc<Fleet>,
}

#[derive(Debug, Clone)]
struct Settings {
    policy: Policy,
    config: Arc<Config>,
    queue: QueueLimits,
    head_limit: usize,
    handshake_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            config: Arc::default(),
            queue: QueueLimits::default(),
            head_limit: 16 * 1024,
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl Upgrader {
    /// Every setting at its default, to be changed.
    pub fn builder() -> UpgraderBuilder {
        UpgraderBuilder { settings: Settings::default() }
    }

    /// The same upgrader for the streams of another listener, with or without [TLS](UpgraderBuilder::is_tls). All that its connections share (a budget,
    /// a drain) they share with those of this one.
    #[must_use]
    pub fn with_tls(&self, is_tls: bool) -> Self {
        let mut settings = Settings::clone(&self.inner);
        settings.policy.is_tls = is_tls;
        Self { inner: Arc::new(settings), fleet: self.fleet.clone() }
    }

    /// Takes a stream, reads the handshake, answers it (RFC 6455, 4.2), and gives the connection. A stream that is refused has had its
    /// answer, which names the cause, when this returns.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`AcceptError`] for a refused or broken handshake.
    ///
    /// ```
    /// use silverback::{Dialer, Upgrader};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (ours, theirs) = tokio::io::duplex(4096);
    /// let upgrader = Upgrader::builder().subprotocols(["chat.v2", "chat.v1"]).build();
    /// let dialer = Dialer::builder().subprotocols(["chat.v1"]).build()?;
    /// let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
    /// assert_eq!(server?.subprotocol(), Some("chat.v1"));
    /// # client?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accept<S: Stream>(&self, stream: S) -> Result<WebSocket, AcceptError> {
        // In a box, so that whoever goes on with the connection in the same future keeps no room for the handshake.
        Box::pin(async move { self.handshake(stream).await?.accept().await }).await
    }

    /// Takes a stream and reads the request, for a server that looks at its path or its credentials before it accepts.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`AcceptError`] when no request could be read. If there is somebody to answer, the answer has been sent.
    ///
    /// ```
    /// # async fn example(upgrader: silverback::Upgrader, stream: tokio::net::TcpStream) -> Result<(), silverback::AcceptError> {
    /// let handshake = upgrader.handshake(stream).await?;
    /// println!("somebody asks for {}", handshake.request().uri());
    /// let socket = handshake.accept().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handshake<S: Stream>(&self, stream: S) -> Result<Handshake<S>, AcceptError> {
        Handshake::read(stream, self.clone(), pending()).await
    }

    /// As [`handshake`](Self::handshake), unless the other future is ready before the request has been read: then the stream is refused with what it
    /// gives, and ended without waiting for its other end. For a server that bounds how many streams are at their first request.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`AcceptError`] when no request could be read. If there is somebody to answer, the answer has been sent.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::StatusCode;
    /// use silverback::{AcceptError, Refusal, Upgrader};
    ///
    /// let (ours, _theirs) = tokio::io::duplex(4096); // the other end asks for nothing
    /// let too_many = async { Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too-many", "others are waiting") };
    /// let refused = Upgrader::default().handshake_unless(ours, too_many).await;
    /// assert!(matches!(refused, Err(AcceptError::Refused(_))));
    /// # }
    /// ```
    pub async fn handshake_unless<S: Stream>(
        &self,
        stream: S,
        refused: impl Future<Output = Refusal>,
    ) -> Result<Handshake<S>, AcceptError> {
        Handshake::read(stream, self.clone(), refused).await
    }

    /// Judges a request by this policy. The response of an [`Acceptance`] is to be sent, and then the stream is a WebSocket's.
    ///
    /// # Errors
    /// The [`Refusal`], whose response is to be sent.
    ///
    /// ```
    /// use http::Request;
    /// use silverback::Upgrader;
    ///
    /// let request = Request::get("/chat").header("host", "example.com").body(())?; // it asks for no upgrade
    /// let refusal = Upgrader::default().judge(&request).expect_err("it is no handshake");
    /// assert_eq!(refusal.response(request.headers()).status(), 426);
    /// # Ok::<(), http::Error>(())
    /// ```
    pub fn judge<'a>(&self, request: impl Into<Head<'a>>) -> Result<Acceptance, Refusal> {
        if self.fleet.is_draining() {
            return Err(draining());
        }
        self.inner.policy.judge(request)
    }

    /// Ends all connections of this upgrader and its clones: refuses handshakes with 503 from now on, closes the connections one after the other
    /// over this time, so that their clients do not all come back at once, waits for their ends, and tells who was left. It takes `over` and the
    /// time that a close may take, at most.
    ///
    /// `axum::serve(…).with_graceful_shutdown(…)` and hyper's graceful shutdown wait for requests and know nothing of the connections that were
    /// upgraded: drain the upgrader beside them.
    ///
    /// Cancel-safe in this sense: dropping this leaves those connections open whose turn has not come; handshakes stay refused, and a second
    /// drain closes the rest.
    ///
    /// ```no_run
    /// # async fn example(listener: tokio::net::TcpListener, app: axum::Router, upgrader: silverback::Upgrader) -> std::io::Result<()> {
    /// use std::{future::IntoFuture, time::Duration};
    /// use silverback::CloseCode;
    ///
    /// let stopped = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    /// let drained = async {
    ///     stopped.await;
    ///     upgrader.drain(Duration::from_secs(10), CloseCode::SERVICE_RESTART, "restarting").await
    /// };
    /// // The listener goes on until the last connection has ended, and tells newcomers to come back later.
    /// tokio::select! {
    ///     served = axum::serve(listener, app).into_future() => served,
    ///     drained = drained => {
    ///         println!("{} closed, {} left", drained.closed, drained.left.len());
    ///         Ok(())
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn drain(&self, over: Duration, code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Drained {
        let config = &self.inner.config;
        let patience = config.close_timeout.saturating_mul(2).saturating_add(config.linger).saturating_add(Duration::from_secs(1));
        self.fleet.drain(over, CloseFrame::new(code, reason), patience).await
    }

    pub(crate) fn websocket<S: Stream>(
        &self,
        stream: S,
        preface: BytesMut,
        behind_head: BytesMut,
        subprotocol: Option<String>,
        deflate: Option<Agreement>,
    ) -> WebSocket {
        let connection = Connection::new(Role::Server, self.inner.config.clone(), now()).with_deflate(deflate);
        WebSocket::new(stream, connection, preface, behind_head, self.inner.queue, Some(&self.fleet)).with_subprotocol(subprotocol)
    }

    pub(crate) fn head_limit(&self) -> usize {
        self.inner.head_limit
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.inner.handshake_timeout
    }
}

fn draining() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "this server is about to stop and takes no more connections")
        .arrived("a handshake after the server was told to stop")
        .cure("connect again in a few seconds")
        .header(RETRY_AFTER, HeaderValue::from_static("5"))
}

/// Makes an [`Upgrader`].
///
/// ```
/// use std::time::Duration;
/// use silverback::wire::handshake::Origin;
/// use silverback::{Deflate, Heartbeat, Origins, Upgrader};
///
/// let upgrader = Upgrader::builder()
///     .origins(Origins::SameAnd(vec![Origin::parse("https://app.example.com")?]))
///     .subprotocols(["chat.v2", "chat.v1"])
///     .message_limit(64 * 1024)
///     .heartbeat(Heartbeat { ping_after: Duration::from_secs(15), dead_after: Duration::from_secs(20) })
///     .idle_timeout(None) // for ever
///     .max_age(Duration::from_secs(3600), Duration::from_secs(600))
///     .deflate(Deflate::default())
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct UpgraderBuilder {
    settings: Settings,
}

impl UpgraderBuilder {
    crate::settings::connection_settings!();

    /// Which pages may connect (RFC 6455, 10.2). Default: those of the same scheme, host and port; whoever sends no `Origin` is not a page.
    pub fn origins(mut self, origins: Origins) -> Self {
        self.settings.policy.origins = origins;
        self
    }

    /// The subprotocols that this server speaks, the best first (RFC 6455, 1.9). Default: none.
    pub fn subprotocols<I: IntoIterator<Item: Into<String>>>(mut self, subprotocols: I) -> Self {
        self.settings.policy.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the streams come by TLS that ends in this program, so that the server's own pages are those of https. Default: no. A proxy that
    /// ends it says so with `X-Forwarded-Proto: https`.
    pub fn is_tls(mut self, is_tls: bool) -> Self {
        self.settings.policy.is_tls = is_tls;
        self
    }

    /// Compression of messages (permessage-deflate, RFC 7692) for clients that offer it. Default: none.
    ///
    /// Without context takeover, which [`Deflate`](crate::Deflate) has by default, it holds no memory for a connection that is idle.
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, options: impl Into<Option<silverback_wire::deflate::Options>>) -> Self {
        self.settings.policy.deflate = options.into();
        self
    }

    /// The most bytes that the head of a request may have, on bare streams. Default: 16 KiB.
    pub fn head_limit(mut self, bytes: usize) -> Self {
        self.settings.head_limit = bytes;
        self
    }

    /// How long the head of a request may take on a bare stream, and how long the answer may take. Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout;
        self
    }

    /// The finished policy.
    pub fn build(self) -> Upgrader {
        Upgrader { inner: Arc::new(self.settings), fleet: Arc::default() }
    }
}
