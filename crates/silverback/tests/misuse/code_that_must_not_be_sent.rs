//! A close code that only ever stands for the absence of one.
async fn example(tx: silverback::Sender) {
    tx.close(1006, "").await;
}

fn main() {}
