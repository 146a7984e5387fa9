//! WebSocket connections that cannot be misused, on tokio.
//!
//! ```text
//!   a stream ─▶ Upgrader::accept ───┐
//!   a request ▶ Upgrader::upgrade ──┼─▶ WebSocket ─┬─ recv, send, close      one task, one thing at a time
//!   axum ─────▶ axum::Upgrade ──────┤              └─ run(handler)           a Sender and a Receiver, while the
//!   an address ▶ Dialer::connect ───┘                                        connection is looked after
//! ```
//!
//! [`Upgrader`] is the policy of a server: origins, subprotocols, limits, heartbeat. `Dialer` (feature `client`) is the client's. [`WebSocket`] is one connection. [`Sender`] can be cloned and
//! used from any task, before and after the end; [`Receiver`] is one. Every connection ends with one [`CloseReport`], which says who
//! began, why, and what was left unsent.
//!
//! A message that cannot be written waits in a queue of bounded size ([`QueueLimits`]). A peer that gives no sign of life is noticed by its
//! [`Heartbeat`]. A request that is not accepted gets a [`Refusal`] that names cause and cure. The protocol itself, without any I/O, is in
//! [`wire`].
//!
//! Futures are polled within a tokio runtime that has its timer (`enable_all`, which `#[tokio::main]` does). Each says what becomes of it
//! when it is dropped before it is ready: what is *cancel-safe* can stand in a `select!` in a loop.
//!
//! Where to start reading: `websocket.rs`, then `driver.rs`, which moves the bytes.
//!
//! Both ends, over a pipe in memory:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use silverback::{CloseCode, Dialer, Message, Upgrader};
//!
//! let (upgrader, dialer) = (Upgrader::default(), Dialer::default());
//! let (ours, theirs) = tokio::io::duplex(4096); // or TCP, or TLS
//! let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
//! let (server, mut client) = (server?, client?);
//!
//! let echo = tokio::spawn(server.run(|tx, mut rx| async move {
//!     while let Some(message) = rx.recv().await {
//!         tx.send(message).await?;
//!     }
//!     Ok(())
//! }));
//! client.send("hello").await?;
//! assert_eq!(client.recv().await, Some(Message::from("hello")));
//! assert!(client.close(CloseCode::NORMAL, "that was all").await.is_clean());
//! assert!(echo.await?.is_clean());
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "axum")]
pub mod axum;
mod batch;
mod bypass;
#[cfg(feature = "client")]
pub mod dialer;
mod drain;
mod drive;
mod driver;
mod flusher;
mod gather;
mod handshake;
#[cfg(feature = "hyper")]
mod hyper;
mod inbox;
mod items;
#[cfg(feature = "json")]
mod json;
mod later;
mod link;
mod meter;
mod outbox;
mod outgoing;
mod parking;
mod queue;
mod receiver;
mod run;
mod sender;
mod settings;
mod shared;
#[cfg(all(test, silverback_loom))]
mod shared_model;
mod spare;
mod sync;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod upgrader;
mod waiters;
mod websocket;
mod writer;

#[cfg(feature = "client")]
pub use dialer::{DialError, Dialer, DialerBuilder};
pub use drain::{ConnectionId, Drained};
pub use drive::Drive;
pub use handshake::{AcceptError, Handshake};
#[cfg(feature = "json")]
pub use json::{ReceiveJsonError, SendJsonError};
pub use outgoing::{Offered, Outgoing, Overflow};
pub use queue::{QueueFill, QueueLimits};
pub use receiver::Receiver;
pub use run::HandlerResult;
pub use sender::{Closed, Sender, TrySendError};
pub use silverback_wire as wire;
#[cfg(feature = "deflate")]
pub use silverback_wire::deflate::{Budget, Options as Deflate};
pub use silverback_wire::handshake::{Origins, Refusal};
pub use silverback_wire::{
    Cause, CloseCode, CloseFrame, CloseReport, Config, Heartbeat, Keepalive, Message, Part, Prepared, Side, Text, Traffic, TransportEnd,
};
pub use transport::Stream;
pub use upgrader::{Upgrader, UpgraderBuilder};
pub use websocket::WebSocket;
pub use writer::{BareWriter, MessageWriter, Piece};

/// The guides' examples compile.
#[cfg(all(doctest, feature = "axum", feature = "client", feature = "tls"))]
mod guides {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/getting-started.md")]
    struct GettingStarted;
    #[doc = include_str!("../../../docs/library.md")]
    struct Library;
    #[doc = include_str!("../../../docs/coming-from-gorilla.md")]
    struct ComingFromGorilla;
}
