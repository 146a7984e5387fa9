//! The opening handshake (RFC 6455, section 4), as judgements of `http` heads.
//!
//! [`server::Policy::judge`] turns a request into a [`server::Acceptance`] or a [`Refusal`]; [`client::Offer`] makes a request and judges the
//! response; [`HeadReader`] finds the head of a request in bytes that arrive in any pieces.

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
