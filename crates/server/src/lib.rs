//! The server `silverback`: what its binary runs.
//!
//! ```text
//!   a connection ─▶ door ─▶ front ──┬─ GET /ws ──▶ identity (the token) ─▶ auth (whose it is) ─▶ hub session, for as long as the token is good
//!                                   │              └─ hooks: the back end is asked first, and told of all that follows
//!                                   └─ the rest ─▶ routes: api (behind the keys), metrics, console, health
//! ```
//!
//! Where to start reading: `cli.rs` (the commands), then `serve.rs` and `front.rs`.

mod accept;
mod api;
mod api_key;
mod api_settings;
mod arrival;
mod auth;
mod bench;
mod cli;
mod config;
mod connect;
mod console;
mod doctor;
mod door;
mod drain_settings;
mod draining;
mod echo;
mod events;
mod front;
mod handshakes;
mod health;
mod hooks;
mod http_url;
mod identity;
mod json;
mod life;
mod limits;
mod listening;
mod live;
mod log;
mod log_rate;
mod media;
mod metrics;
mod openapi;
mod otlp_settings;
mod outgoing;
mod process;
mod proxies;
mod reload;
mod renewal;
mod routes;
mod serve;
mod shards;
mod socket;
mod stats;
mod stop;
mod target;
mod term;
mod timeline_json;
mod traces;
mod traffic;
mod welcome;
mod why;
mod wrapped;

pub use cli::main;
