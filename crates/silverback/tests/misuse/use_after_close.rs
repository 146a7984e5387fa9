//! A connection after its `close`.
async fn example(mut socket: silverback::WebSocket) {
    socket.close(silverback::CloseCode::NORMAL, "done").await;
    let _ = socket.send("more").await;
}

fn main() {}
