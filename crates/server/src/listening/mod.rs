//! Where the server listens, and what for.
//!
//! ```text
//!   `listen`, `api.listen` (address.rs) ──▶ bind.rs ──▶ Bound, one for each address ──▶ door.rs lets connections in by it
//!   systemd's sockets (inherited.rs) ────────┘ └── unix.rs (the file)  └── tls.rs (the certificate, and the next one)
//! ```

mod address;
mod bind;
mod inherited;
mod listener;
mod remote;
mod tls;
mod tls_settings;
mod unix;

pub(crate) use address::{Address, Addresses};
pub(crate) use bind::{Beside, BindError, Bound, Serves, bind, exposed};
pub(crate) use inherited::Inherited;
pub(crate) use listener::{Accepted, Listener};
pub(crate) use remote::Remote;
pub(crate) use tls::Tls;
pub(crate) use tls_settings::TlsSettings;
