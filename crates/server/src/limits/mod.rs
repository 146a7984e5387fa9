//! What keeps clients from taking more than their share: bounds on connections, on handshakes and on memory. docs/limits.md is the guide.
//!
//! ```text
//!   accept ─▶ Socket (descriptors) ─▶ Turn (unfinished handshakes) ─▶ Seat (memory, handshakes per second, connections) ─▶ a session, at its Pace
//! ```
//!
//! Each of them is a guard: what it has taken is given back when it is dropped, however the connection ends.

mod bucket;
mod descriptors;
mod memory;
mod pace;
mod places;
mod refusals;
mod seats;
mod settings;
mod turns;

pub(crate) use descriptors::raise_descriptor_limit;
pub(crate) use memory::used as memory_used;
pub(crate) use pace::Pace;
pub(crate) use places::{Bounds, Socket};
pub(crate) use refusals::{Refused, refused, unfinished};
pub(crate) use seats::Seat;
pub(crate) use settings::Limits;
pub(crate) use turns::Turn;
