//! What operations cost as the hub grows: `growth [--quick]` prints a line of JSON for 10,000, 100,000 and 1,000,000 sessions, each over an
//! in-memory pipe and of a user of its own. `cargo xtask bench growth` runs it.
#![expect(clippy::expect_used, clippy::panic, reason = "a measurement that fails says where")]

#[path = "../tests/lives/mod.rs"]
mod lives;

use std::hint::black_box;
use std::time::Instant;

use lives::upgraded;
use silverback::{Message, Upgrader};
use silverback_hub::{Hub, Identity, Session};

/// So many of each operation are measured.
const OPERATIONS: usize = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let sizes: &[(&str, usize)] = &[("10,000", 10_000), ("100,000", 100_000), ("1,000,000", 1_000_000)];
    let (hub, upgrader) = (Hub::new(), Upgrader::default());
    let mut crowd: Vec<Session> = Vec::new();
    for &(name, size) in &sizes[..if quick { 2 } else { 3 }] {
        while crowd.len() < size {
            crowd.push(joined(&hub, &upgrader, format!("user-{}", crowd.len())).await);
        }
        let [join_and_leave, look_up, send] = [join_and_leave(&hub, &upgrader).await, look_up(&hub, size), send(&hub, size)];
        println!(r#"["{name}", {{"join_and_leave_ns": {join_and_leave}, "look_up_ns": {look_up}, "send_ns": {send}}}]"#);
    }
}

async fn joined(hub: &Hub, upgrader: &Upgrader, user: String) -> Session {
    hub.join(Identity::new(user), upgraded(upgrader).await).expect("no policy")
}

/// The handshakes are made before.
async fn join_and_leave(hub: &Hub, upgrader: &Upgrader) -> u128 {
    let mut guests = Vec::new();
    for number in 0..OPERATIONS {
        guests.push((Identity::new(format!("guest-{number}")), upgraded(upgrader).await));
    }
    let began = Instant::now();
    for (identity, socket) in guests {
        drop(hub.join(identity, socket).expect("no policy"));
    }
    began.elapsed().as_nanos() / OPERATIONS as u128
}

fn look_up(hub: &Hub, size: usize) -> u128 {
    each(size, |user| drop(black_box(hub.user(user).sessions())))
}

/// Until it is in the session's queue: nobody drives these connections.
fn send(hub: &Hub, size: usize) -> u128 {
    let message = Message::from("a message of some bytes");
    each(size, |user| assert_eq!(hub.user(user).send(message.clone()).sessions, 1, "{user} is there"))
}

/// Users in an order that is not that in which they came, so that caches hold none of them.
fn each(size: usize, act: impl Fn(&str)) -> u128 {
    let users: Vec<String> = (0..OPERATIONS).map(|at| format!("user-{}", at.wrapping_mul(7_919_317) % size)).collect();
    let began = Instant::now();
    users.iter().for_each(|user| act(user));
    began.elapsed().as_nanos() / OPERATIONS as u128
}
