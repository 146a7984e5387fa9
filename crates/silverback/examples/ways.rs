//! Echo servers that hold their connections in other ways than `silverback echo` does: `ways WAY PORT`, where WAY is `bare` or `split`.
//! `cargo xtask bench ways idle` measures what each costs.

use std::net::Ipv4Addr;
use std::process::ExitCode;

use silverback::{Deflate, Origins, Upgrader, WebSocket};
use tokio::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (way, port) = match &arguments[..] {
        [way, port] => (way.as_str(), port.parse()),
        _ => return usage(),
    };
    let (Some(way), Ok(port)) = (Way::named(way), port) else { return usage() };
    match serve(way, port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ways: cannot serve on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: ways WAY PORT, where WAY is bare or split");
    ExitCode::from(2)
}

#[derive(Clone, Copy)]
enum Way {
    /// One task, one thing at a time.
    Bare,
    /// The halves in two tasks, and a third one looks after the connection.
    Split,
}

impl Way {
    fn named(name: &str) -> Option<Self> {
        match name {
            "bare" => Some(Self::Bare),
            "split" => Some(Self::Split),
            _ => None,
        }
    }
}

#[tokio::main(flavor = "current_thread")] // as the server has it: one thread for each core
async fn serve(way: Way, port: u16) -> std::io::Result<()> {
    // The policy of `silverback echo`.
    let upgrader = Upgrader::builder().origins(Origins::Any).message_limit(64 << 20).deflate(Deflate::default()).build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(one(way, upgrader.clone(), stream));
    }
}

async fn one(way: Way, upgrader: Upgrader, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let Ok(socket) = upgrader.accept(stream).await else { return }; // who was refused knows why
    match way {
        Way::Bare => bare(socket).await,
        Way::Split => split(socket).await,
    }
}

async fn bare(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        if socket.feed(message).await.is_err() {
            return;
        }
    }
}

async fn split(socket: WebSocket) {
    let (tx, mut rx, drive) = socket.split();
    tokio::spawn(drive);
    while let Some(message) = rx.recv().await {
        if tx.send(message).await.is_err() {
            return;
        }
    }
}
