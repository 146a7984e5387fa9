//! Whether anything can be measured at all: a second of echo from a server as tests are built, with every byte compared.

use serde_json::Value;

use super::build;
use super::contender::{Contender, Program};
use super::server::Server;

pub(crate) fn smoke() -> Result<(), String> {
    let load = build::unoptimised_load()?;
    let silverback = Contender::new("silverback", Program::UnoptimisedSilverback, &["echo", "--listen", "127.0.0.1:PORT"]);
    for options in [&["--depth=16"][..], &["--depth=4", "--kind=json", "--size=1024", "--deflate"]] {
        let options = options.iter().chain(&["--seconds=0.5", "--warm-up=0", "--connections=8", "--compare"]);
        let figures = Server::start(&silverback)?.load_with(&load, "echo", &options.map(ToString::to_string).collect::<Vec<_>>())?;
        match figures.get("units").and_then(Value::as_f64) {
            Some(messages) if messages > 0.0 => println!("{messages} messages came back as they were sent"),
            _ => return Err(format!("no message came back: {figures:?}")),
        }
    }
    Ok(())
}
