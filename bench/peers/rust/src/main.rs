//! `peers NAME PORT`: an echo server on another library, on one thread. Each does what the library's own documentation and examples do;
//! "batched" feeds every message that is ready, and flushes once.

mod fastwebsockets;
mod raw;
mod serve;
mod tokio_websockets;
mod tungstenite;
mod yawc;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port] = &arguments[..] else { return usage() };
    let Ok(port) = port.parse() else { return usage() };
    match start(name, port) {
        None => usage(),
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("peers {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(name: &str, port: u16) -> Option<io::Result<()>> {
    Some(match name {
        "raw" => raw::echo(port),
        "fastwebsockets" => serve::each(port, fastwebsockets::echo),
        "tokio-websockets" => serve::each(port, tokio_websockets::echo),
        "tokio-websockets-batched" => serve::each(port, tokio_websockets::echo_batched),
        "tokio-websockets-fan-out" => serve::each(port, tokio_websockets::fan_out()),
        "tungstenite" => serve::each(port, tungstenite::echo),
        "tungstenite-batched" => serve::each(port, tungstenite::echo_batched),
        "yawc" => serve::each(port, yawc::echo),
        "yawc-batched" => serve::each(port, yawc::echo_batched),
        _ => return None,
    })
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: peers NAME PORT, where NAME is raw, fastwebsockets, tokio-websockets[-batched|-fan-out], tungstenite[-batched] \
         or yawc[-batched]"
    );
    ExitCode::from(2)
}
