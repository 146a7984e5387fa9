//! Bytes that may not be UTF-8 as a part of a text.
async fn example(tx: silverback::Sender) {
    let mut message = tx.write_text().await.unwrap();
    let _ = message.write(vec![0xff]).await;
}

fn main() {}
