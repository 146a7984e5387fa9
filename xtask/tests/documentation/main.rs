//! The documentation holds together: its links lead somewhere, and a reader who starts at the README reaches every page; and
//! what it says of closes and refusals is what the program does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod close_codes;
mod links;
mod pages;
mod refusals;
mod sources;
