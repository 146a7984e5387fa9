//! The WebSocket protocol (RFC 6455) without sockets, clocks or tasks.
//!
//! Bytes go in and events come out; messages go in and bytes come out; the time is an argument. A whole life of a
//! connection (handshake, traffic, heartbeat, close) is a sequence of plain function calls, so it is tested in
//! microseconds and runs under any runtime.
//!
//! ```text
//!                    request head ──▶ handshake::server::Policy::judge ──▶ Acceptance | Refusal
//!
//!   bytes from the socket ──▶ receive ┌────────────┐ poll_event    ──▶ Message, Ping, Pong
//!   messages to be sent   ──▶ send    │ Connection │ poll_transmit ──▶ bytes for the socket
//!   the time              ──▶ handle_ │            │ poll_timeout  ──▶ when to call handle_timeout
//!                             timeout └────────────┘ report        ──▶ how it ended, once
//! ```
//!
//! Where to start: [`Connection`] is the state machine and names the verbs that drive it, [`handshake::server::Policy`] judges
//! a request, [`Message`] is what applications see. Below them: [`frame`] (one frame's header), [`mask`] (the XOR),
//! [`ProtocolError`] (every violation by name), [`CloseReport`] (every end).
//!
//! Compression (permessage-deflate, RFC 7692) has its place in three spots, each marked in the source: the negotiation in
//! [`handshake::server`], RSV1 and inflation where [`Connection`] begins a message, deflation in its `send`. Until then no
//! extension is accepted and every reserved bit is a violation.
//!
//! Everything here is synchronous: there are no futures, so nothing can be cancelled half-way.

mod assembly;
mod close;
mod config;
mod connection;
mod error;
pub mod frame;
pub mod handshake;
mod heartbeat;
pub mod mask;
mod message;
mod reader;
mod report;
mod transmit;

pub use close::{CloseCode, CloseFrame};
pub use config::{Config, Heartbeat};
pub use connection::{Connection, Event, NotOpen, Role, Written};
pub use error::ProtocolError;
pub use message::{Message, NotText, Text};
pub use report::{Cause, CloseReport, Side, Traffic, TransportEnd};
pub use transmit::Transmit;
