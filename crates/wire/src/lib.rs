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
//! [`deflate`] is permessage-deflate (RFC 7692), behind the feature of the same name. [`Prepared`] is a message that is encoded and compressed once for
//! many receivers; [`Part`]s are what a message is sent and received in that is larger than one wants to hold.
//!
//! Everything here is synchronous: there are no futures, so nothing can be cancelled half-way.
//!
//! A whole life, from the request to the report:
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use bytes::{Buf, BytesMut};
//! use silverback_wire::handshake::{client::Offer, server::Policy};
//! use silverback_wire::{CloseCode, CloseFrame, Config, Connection, Event, Role, TransportEnd};
//!
//! let offer = Offer::new(&"ws://example.com/chat".parse()?, http::HeaderMap::new())?;
//! let acceptance = Policy::default().judge(offer.request())?;
//! offer.judge(&acceptance.response)?;
//!
//! let (config, now) = (Arc::new(Config::default()), Instant::now());
//! let mut client = Connection::new(Role::Client, config.clone(), now);
//! let mut server = Connection::new(Role::Server, config, now);
//! let carry = |from: &mut Connection, to: &mut Connection| {
//!     if let Some(out) = from.poll_transmit() {
//!         let bytes = out.copy_to_bytes(out.remaining());
//!         to.receive(BytesMut::from(bytes), now);
//!     }
//!     std::iter::from_fn(|| to.poll_event(now)).collect::<Vec<_>>()
//! };
//!
//! client.send("hello".into())?;
//! client.close(CloseFrame::new(CloseCode::NORMAL, "that was all"), now);
//! assert_eq!(carry(&mut client, &mut server), [Event::Message("hello".into()), Event::Ending]);
//! assert_eq!(carry(&mut server, &mut client), [Event::Ending]);
//!
//! assert!(server.poll_shutdown(now)); // the server ends TCP first (RFC 6455, 7.1.1)
//! client.transport_ended(TransportEnd::Finished, now);
//! assert!(client.report().is_some_and(|report| report.is_clean()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assembly;
mod close;
mod config;
mod connection;
mod deadlines;
pub mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod heartbeat;
pub mod mask;
mod message;
mod prepared;
mod reader;
mod report;
mod transmit;

pub use close::{CloseCode, CloseFrame};
pub use config::{Config, Heartbeat, Keepalive};
pub use connection::{Connection, Event, NotSent, Past, Role, Route, Written};
pub use error::ProtocolError;
pub use message::{Message, NotText, Part, Text};
pub use prepared::Prepared;
pub use report::{Cause, CloseReport, Side, Traffic, TransportEnd};
pub use transmit::Transmit;
