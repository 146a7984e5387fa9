//! A second receiver.
fn example(rx: silverback::Receiver) -> silverback::Receiver {
    rx.clone()
}

fn main() {}
