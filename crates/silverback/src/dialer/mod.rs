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
use crate::transport::Stream;

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
    pub fn to_builder(&self) -> DialerBuilder {
        DialerBuilder::from((*self.settings).clone())
    }

    /// Connects to `ws://` or, with the feature `tls`, to `wss://`. Userinfo in the address becomes `Authorization: Basic`, unless the dialer has an
    /// `Authorization` header.
    ///
    /// Dropping this future drops the connection.
    ///
    /// # Errors
    /// [`DialError`] names the stage that failed and what to do about it.
    pub async fn connect(&self, address: &str) -> Result<WebSocket, DialError> {
        Ok(self.connect_with_response(address).await?.0)
    }

    /// As [`connect`](Self::connect), and gives the server's answer to the handshake as well, for its headers.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with_response(&self, address: &str) -> Result<(WebSocket, Response<()>), DialError> {
        let clock = Clock::start(self.settings.timeouts);
        let limit = self.settings.redirects;
        let mut ask = Ask::new(address, &self.settings)?;
        let mut followed = 0;
        loop {
            let stream = attempt::reach(&ask.address, &self.settings, &clock).await?;
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
    /// Dropping this future drops the stream.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), without the stages before the handshake.
    pub async fn handshake_over<S: Stream>(&self, stream: S, address: &str) -> Result<WebSocket, DialError> {
        let clock = Clock::start(self.settings.timeouts);
        let ask = Ask::new(address, &self.settings)?;
        match attempt::shake_hands(stream, &ask, &self.settings, &clock, false).await? {
            Answer::Open(socket, _) => Ok(socket),
            Answer::Elsewhere(_) => unreachable!("no redirect is followed"),
        }
    }
}
