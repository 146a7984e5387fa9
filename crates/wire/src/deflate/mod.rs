//! permessage-deflate (RFC 7692): messages that are compressed one by one.
//!
//! ```text
//!   Options ── negotiation ──▶ Agreement ──▶ Compressor    our messages    ─▶ frames with RSV1
//!   (ours)     (with theirs)   (of the two)  Decompressor  their frames    ─▶ messages
//! ```
//!
//! A direction *with context takeover* keeps its last 32 KiB from one message to the next: small messages that resemble each other shrink
//! further, and the connection holds memory while it is idle. That memory is counted against a [`Budget`]. *Without* it, which is the
//! default, (de)compressors belong to the thread and are lent to whichever connection has a message in work, so that an idle connection
//! holds none.
//!
//! ```
//! use std::{sync::Arc, time::Instant};
//! use silverback_wire::deflate::Options;
//! use silverback_wire::handshake::{client::Offer, server::Policy};
//! use silverback_wire::{Connection, Role};
//!
//! let mut policy = Policy::default();
//! policy.deflate = Some(Options::default());
//! let offer = Offer::new(&"ws://example.com/".parse()?, http::HeaderMap::new())?.with_deflate(Some(&Options::default()));
//! let acceptance = policy.judge(offer.request())?;
//! let answer = offer.judge(&acceptance.response)?;
//!
//! let mut client = Connection::new(Role::Client, Arc::default(), Instant::now()).with_deflate(answer.deflate);
//! client.send("to be or not to be ".repeat(1000).into())?;
//! assert!(client.transmit_len() < 1000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(feature = "deflate"), allow(dead_code, reason = "nothing can be negotiated then"))]

mod agreement;
mod budget;
#[cfg(feature = "deflate")]
mod compressor;
#[cfg(feature = "deflate")]
mod decompressor;
mod negotiation;
mod options;
#[cfg(feature = "deflate")]
mod pool;
#[cfg(not(feature = "deflate"))]
mod without;

use std::sync::Arc;

pub use agreement::{Agreement, Direction};
pub use budget::Budget;
pub use options::{NotWindowBits, Options};

pub(crate) use budget::Reservation;
#[cfg(feature = "deflate")]
pub(crate) use compressor::{Compressor, Kind};
#[cfg(feature = "deflate")]
pub(crate) use decompressor::Decompressor;
pub(crate) use negotiation::{Offer, accept};
#[cfg(not(feature = "deflate"))]
pub(crate) use without::{Compressor, Decompressor, Kind};

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Codec {
    pub(crate) compressor: Compressor,
    pub(crate) decompressor: Decompressor,
    /// Given back when the connection has ended.
    reservation: Option<Arc<Reservation>>,
}

impl Codec {
    pub(crate) fn new(agreement: Agreement) -> Self {
        Self {
            compressor: Compressor::new(agreement.outgoing, agreement.level, agreement.threshold),
            decompressor: Decompressor::new(agreement.incoming),
            reservation: agreement.reservation,
        }
    }

    pub(crate) fn reserved(&self) -> usize {
        self.reservation.as_ref().map_or(0, |reservation| reservation.bytes())
    }
}
