//! Reading from two places at once.
async fn example(mut rx: silverback::Receiver) {
    let first = rx.recv();
    let second = rx.recv();
    first.await;
    second.await;
}

fn main() {}
