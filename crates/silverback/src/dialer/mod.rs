//! The client: from an address to a [`WebSocket`].
//!
//! ```text
//!   address ─▶ resolve ─▶ happy eyeballs ─▶ proxy ─▶ TLS ─▶ handshake ─▶ WebSocket
//!      ▲                                                        │
//!      └──────────────────────── redirect ──────────────────────┘
//! ```
//!
//! `attempt` goes this way once. Each step is a file of this folder, in this order: `address`, `resolve`, `eyeballs`, `proxy` (which one) and `tunnel` (through it), `tls`,
//! `exchange`, `redirect`. `stages` holds each to its time, and `error` tells which one failed and what to do.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use silverback::{CloseCode, Dialer};
//!
//! let mut socket = Dialer::default().connect("wss://example.com/chat").await?;
//! socket.send("hello").await?;
//! println!("{:?}", socket.recv().await);
//! socket.close(CloseCode::NORMAL, "done").await;
//! # Ok(())
//! # }
//! ```

mod address;
mod attempt;
mod builder;
mod error;
mod exchange;
mod eyeballs;
mod proxy;
mod redirect;
mod resolve;
mod stages;
#[cfg(feature = "tls")]
mod tls;
mod tunnel;

use std::sync::Arc;

use http::Response;

use self::attempt::{Answer, Ask};
use self::builder::Settings;
use self::stages::Clock;
use crate::WebSocket;
use crate::transport::{Stream, Transport};

pub use address::AddressError;
pub use builder::{BuildError, DialerBuilder};
pub use error::DialError;
pub use eyeballs::ConnectFailures;
pub use proxy::{NotAProxy, Proxy};
pub use redirect::RedirectError;
pub use stages::{Stage, Timeouts};
#[cfg(feature = "tls")]
pub use tls::{TlsError, Trust, TrustError};
pub use tunnel::ProxyError;

/// Makes connections to WebSocket servers: made once with [`Dialer::builder`], cloned freely.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use silverback::Dialer;
///
/// let dialer = Dialer::builder().header("authorization", "Bearer TOKEN").subprotocols(["chat.v2", "chat.v1"]).build()?;
/// let mut socket = dialer.connect("ws://example.com/chat").await?;
/// socket.send("hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Dialer {
    settings: Arc<Settings>,
}

impl Dialer {
    /// Every setting at its default, to be changed.
    pub fn builder() -> DialerBuilder {
        DialerBuilder::default()
    }

    /// The settings of this dialer, to be changed for another: for a connection that needs a token of its own. What was read of the system's
    /// certificates is shared.
    ///
    /// ```
    /// use silverback::Dialer;
    ///
    /// let dialer = Dialer::builder().subprotocols(["chat.v1"]).build()?;
    /// let bobs = dialer.to_builder().header("authorization", "Bearer BOBS-TOKEN").build()?;
    /// # Ok::<(), silverback::dialer::BuildError>(())
    /// ```
    pub fn to_builder(&self) -> DialerBuilder {
        DialerBuilder::from((*self.settings).clone())
    }

    /// Connects to `ws://` or, with the feature `tls`, to `wss://` (RFC 6455, 3 and 4.1). Userinfo in the address becomes
    /// `Authorization: Basic` (RFC 7617), unless the dialer has an `Authorization` header.
    ///
    /// Not cancel-safe: dropping this drops the connection, however far it has come.
    ///
    /// # Errors
    /// [`DialError`] names the stage that failed and what to do about it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use silverback::Dialer;
    ///
    /// let error = Dialer::default().connect("http://example.com/chat").await.expect_err("it is no WebSocket address");
    /// assert!(error.to_string().starts_with("the address of a WebSocket begins with ws:// or wss://"));
    /// # }
    /// ```
    pub async fn connect(&self, address: &str) -> Result<WebSocket, DialError> {
        Ok(self.connect_with_response(address).await?.0)
    }

    /// As [`connect`](Self::connect), and gives the server's answer to the handshake as well, for its headers.
    ///
    /// Not cancel-safe: dropping this drops the connection, however far it has come.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # async fn example(dialer: silverback::Dialer) -> Result<(), silverback::DialError> {
    /// let (socket, response) = dialer.connect_with_response("ws://example.com/chat").await?;
    /// println!("connection {} by {:?}", socket.id(), response.headers().get("server"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with_response(&self, address: &str) -> Result<(WebSocket, Response<()>), DialError> {
        self.dial(address, |stream| stream).await
    }

    /// As [`connect_with_response`](Self::connect_with_response), over what `wrap` makes of the stream (that inside TLS, where there is TLS): for
    /// counting, delaying or recording what passes. Each redirect that is followed is a stream of its own.
    ///
    /// Not cancel-safe: dropping this drops the connection, however far it has come.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// ```no_run
    /// # async fn example(dialer: silverback::Dialer) -> Result<(), silverback::DialError> {
    /// // Reads ahead, at the price of a copy:
    /// let (socket, _) = dialer.connect_over("ws://example.com/chat", |stream| tokio::io::BufStream::new(stream)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_over<S: Stream>(
        &self,
        address: &str,
        mut wrap: impl FnMut(Box<dyn Stream>) -> S,
    ) -> Result<(WebSocket, Response<()>), DialError> {
        self.dial(address, |stream| wrap(Box::new(stream))).await
    }

    async fn dial<S: Stream>(&self, address: &str, mut wrap: impl FnMut(Transport) -> S) -> Result<(WebSocket, Response<()>), DialError> {
        let clock = Clock::start(self.settings.timeouts);
        let limit = self.settings.redirects;
        let mut ask = Ask::new(address, &self.settings)?;
        let mut followed = 0;
        loop {
            let stream = wrap(attempt::reach(&ask.address, &self.settings, &clock).await?);
            match attempt::shake_hands(stream, &ask, &self.settings, &clock, limit > 0).await? {
                Answer::Open(socket, response) => return Ok((socket, response)),
                Answer::Elsewhere(location) => ask.follow(&location)?,
            }
            if followed == limit {
                return Err(RedirectError::TooMany { limit, to: ask.address.to_string() }.into());
            }
            followed += 1;
        }
    }

    /// Shakes hands over a stream that is connected already, with TLS where there is to be some. `address` says what to ask for; nothing is
    /// connected to, and a redirect is a refusal.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), without the stages before the handshake.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use silverback::{Dialer, Upgrader};
    ///
    /// let (dialer, upgrader) = (Dialer::default(), Upgrader::default());
    /// let (ours, theirs) = tokio::io::duplex(4096); // or a Unix socket, or an SSH channel
    /// let (socket, server) = tokio::join!(dialer.handshake_over(ours, "ws://example.com/chat"), upgrader.accept(theirs));
    /// assert!(socket?.close_report().is_none()); // it is open
    /// # server?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn handshake_over<S: Stream>(&self, stream: S, address: &str) -> Result<WebSocket, DialError> {
        let clock = Clock::start(self.settings.timeouts);
        let ask = Ask::new(address, &self.settings)?;
        match attempt::shake_hands(stream, &ask, &self.settings, &clock, false).await? {
            Answer::Open(socket, _) => Ok(socket),
            Answer::Elsewhere(_) => unreachable!("no redirect is followed"),
        }
    }
}
