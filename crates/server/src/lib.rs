//! The server `silverback`: what its binary runs.
//!
//! ```text
//!   a connection ─▶ front ──┬─ GET /ws ──▶ identity (from a token) ─▶ hub session
//!                           └─ the rest ─▶ routes: api (behind the key), events, console, health
//! ```
//!
//! Where to start reading: `cli.rs` (the commands), then `serve.rs` and `front.rs`.

mod accept;
mod api;
mod api_key;
mod cli;
mod config;
mod console;
mod echo;
mod events;
mod front;
mod identity;
mod json;
mod process;
mod routes;
mod serve;
mod socket;
mod token;
mod welcome;

pub use cli::main;
