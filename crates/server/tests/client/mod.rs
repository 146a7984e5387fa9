//! The real binary, and a client that says exactly what it is told to.
#![allow(dead_code, unused_imports, reason = "each test file uses its own part")]

mod back_end;
mod file;
mod files;
mod http;
mod key_server;
mod process;
mod websocket;

pub(crate) use back_end::{BackEnd, HOOK_SECRET, Hook, Reply, taken};
pub(crate) use file::File;
pub(crate) use files::{Directory, key};
pub(crate) use http::{Answer, Client, Request};
pub(crate) use key_server::KeyServer;
pub(crate) use process::{Run, Server, command, run};
pub(crate) use websocket::{Frame, WebSocket};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nothing that is waited for here takes this long, unless it never comes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const SECRET: &str = "auth-secret-that-nobody-may-see-0123456789";
pub(crate) const KEY: &str = "api-key-that-nobody-may-see";

/// A server with both secrets configured.
pub(crate) fn server() -> Server {
    Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &[])
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A token for `user` that is good for an hour.
pub(crate) fn token(user: &str) -> String {
    signed(SECRET, &serde_json::json!({ "sub": user, "exp": now() + 3600 }))
}

pub(crate) fn signed(secret: &str, claims: &serde_json::Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), claims, &key).unwrap()
}

/// A server with both secrets, and this configuration with its spool in that directory.
pub(crate) fn hooked(configuration: &str, spool: &Directory) -> Server {
    let text = format!("{configuration}\nspool.directory = \"{}\"\n", spool.path());
    let file = spool.write("silverback.toml", text);
    Server::start(&[("SILVERBACK_AUTH_SECRET", SECRET), ("SILVERBACK_API_KEY", KEY)], &["--config", &file])
}
