//! More of a message that is finished.
async fn example(tx: silverback::Sender) {
    let mut message = tx.write_text().await.unwrap();
    let _ = message.finish().await;
    let _ = message.write("more").await;
}

fn main() {}
