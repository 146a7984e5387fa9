//! A connection after its `split`.
async fn example(mut socket: silverback::WebSocket) {
    let (tx, rx, drive) = socket.split();
    let _ = socket.recv().await;
    drop((tx, rx, drive));
}

fn main() {}
