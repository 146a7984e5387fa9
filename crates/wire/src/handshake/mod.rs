//! The opening handshake (RFC 6455, section 4), as judgements of `http` heads.
//!
//! [`server::Policy::judge`] turns a request into a [`server::Acceptance`] or a [`Refusal`]; [`client::Offer`] makes a request and judges the
//! response; [`HeadReader`] finds the head of a request in bytes that arrive in any pieces.
//!
//! A server's side, from bytes to bytes:
//!
//! ```
//! use silverback_wire::handshake::{HeadReader, encode_response, server::Policy};
//!
//! let mut reader = HeadReader::new(16 * 1024);
//! reader.buffer().extend_from_slice(
//!     b"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//!       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
//! );
//! let end = reader.poll_end()?.expect("the head is complete");
//! let (request, _) = reader.finish(end)?;
//!
//! let acceptance = Policy::default().judge(&request)?;
//! assert_eq!(acceptance.response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // as in RFC 6455, 1.3
//! assert!(encode_response(&acceptance.response).starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod causes;
pub mod client;
mod extensions;
mod fields;
mod head;
mod key;
mod origin;
mod refusal;
pub mod server;

pub use extensions::{Extension, NotExtensions, extensions};
pub use fields::has_token;
pub use head::{HeadError, HeadReader, encode_request, encode_response, parse_response};
pub use origin::{NotAnOrigin, Origin, Origins};
pub use refusal::Refusal;
