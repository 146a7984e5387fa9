//! Silverback against what is real: Autobahn, proxies, a browser, curl, other libraries, peers that vanish or mean harm, and
//! networks that go away.
//!
//! Each file in `tests/` is one such meeting. This library is what they share; none of it knows Silverback's own code,
//! so a mistake there cannot hide behind the same mistake here. Only what plays our client is built on it: the binary
//! `autobahn_client`, and a module of `tests/interop.rs`. From the outside in:
//!
//! * [`Server`] and [`Echo`] are the binary `silverback`, started on a free port and killed when dropped. They are built
//!   on [`Process`], which keeps the last lines that a program printed, for the message when something fails.
//! * [`Curl`] asks over HTTP, [`RawPeer`] speaks WebSocket in frames made by hand, and a [`Proxy`] stands between, perhaps with
//!   a certificate of an [`Authority`]. [`Diagnosis`] is what `silverback doctor` says. [`Driver`] is a browser, [`Library`] an implementation of another house, [`Minter`] one
//!   that makes tokens, [`BackEnd`] one that hears of hooks. The binary `peer` is a [`RawPeer`] in a process of its own, to be
//!   stopped and killed.
//! * [`Place`] is where a program runs: here, or in a network namespace whose traffic can be cut.
//! * [`eventually`] waits for what takes time: it asks again until a deadline, and says what it waited for.
//!
//! What must be on the machine is found by [`installed`]; `cargo xtask setup` puts it there. A test whose program is
//! missing fails and says so. None is ever skipped.

pub mod autobahn;
mod back_end;
mod browser;
mod certificates;
mod curl;
mod deadline;
mod doctor;
mod failure;
mod free_address;
pub mod installed;
mod library;
mod minter;
mod output;
mod peers;
mod place;
mod process;
mod proxy;
pub mod raw_peer;
mod scratch;
mod server;

pub use back_end::{BackEnd, Noted};
pub use browser::Driver;
pub use certificates::{Authority, Issued};
pub use curl::{Answer, Curl};
pub use deadline::eventually;
pub use doctor::Diagnosis;
pub use failure::{Failure, Result};
pub use library::Library;
pub use minter::{KeyServer, Minter};
pub use peers::{FAR_AWAY, NEARBY};
pub use place::{Network, Place};
pub use process::Process;
pub use proxy::{Proxy, ProxyKind};
pub use raw_peer::{Frame, Opcode, RawPeer};
pub use scratch::Scratch;
pub use server::{Echo, Server, Sessions};
