//! What the fuzz targets share.
//!
//! A target is a file in `fuzz_targets/`: it says what its input is and asserts what holds for any. A [`Setting`] is a role, limits and a
//! [`Choice`] of compression; [`Cuts`] are the pieces that bytes arrive in, and [`Lent`] says where they are read to; a [`Life`] is one
//! connection that hears them, and checks on the way what holds for every connection.
//!
//! ```text
//!   seeds/TARGET/    where a run begins, made from the RFCs' examples by `cargo run --example seeds`; committed
//!   corpus/TARGET/   what runs have found to be interesting; not committed
//!   artifacts/       inputs that failed; not committed
//! ```
//!
//! `cargo xtask fuzz` runs them. The inputs are numbers of a fixed size in front and bytes behind, so that a seed can be written by hand.

mod compression;
mod cuts;
mod deadlines;
mod frame;
mod life;
mod memory;
mod setting;

pub use compression::{Choice, agreements};
pub use cuts::{Cuts, Lent};
pub use deadlines::{Deadlines, KEEPALIVE};
pub use frame::{Frame, RSV1, frame, read_frames};
pub use life::{Ending, Heard, Life};
pub use setting::Setting;

/// The one moment that all times count from.
pub fn origin() -> std::time::Instant {
    std::time::Instant::now()
}
