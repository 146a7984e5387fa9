//! The Autobahn test suite in both roles: its fuzzing client against our server, and its fuzzing server against our client.
//!
//! ```text
//!   Runner::test_server   wstest or kosoku ──▶ silverback echo
//!   Runner::test_client   autobahn_client  ──▶ wstest
//! ```
//!
//! [`Cases`] says which cases, [`Runner`] runs them, [`Report`] tells what came of them.

mod cases;
mod progress;
mod report;
mod runner;

pub use cases::Cases;
pub use report::{Report, Verdict};
pub use runner::Runner;
