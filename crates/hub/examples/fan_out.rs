//! A server that sends each message to everyone, through the hub: `fan_out PORT`. Every session is a user's of its own, and whoever is slow
//! misses what finds no room in its queue. `cargo xtask bench fan-out` measures it.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use silverback::Upgrader;
use silverback_hub::{Hub, Identity};
use tokio::net::{TcpListener, TcpStream};

fn main() -> ExitCode {
    let Some(Ok(port)) = std::env::args().nth(1).map(|port| port.parse()) else {
        eprintln!("usage: fan_out PORT");
        return ExitCode::from(2);
    };
    match serve(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fan_out: cannot serve on port {port}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")] // as the server has it: one thread for each core
async fn serve(port: u16) -> std::io::Result<()> {
    let (hub, upgrader) = (Arc::new(Hub::new()), Upgrader::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(one(Arc::clone(&hub), upgrader.clone(), stream));
    }
}

async fn one(hub: Arc<Hub>, upgrader: Upgrader, stream: TcpStream) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let _ = stream.set_nodelay(true);
    let Ok(socket) = upgrader.accept(stream).await else { return }; // who was refused knows why
    let identity = Identity::new(format!("user-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    let Ok(session) = hub.join(identity, socket) else { return };
    session
        .run(|_, mut rx| async move {
            while let Some(message) = rx.recv().await {
                hub.everyone().send(message);
            }
            Ok(())
        })
        .await;
}
