//! Thousands of clients in this process, on tokio-tungstenite.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use silverback_conformance::{Failure, Result, eventually};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

/// So many shake hands at once.
const AT_ONCE: usize = 100;

/// Clients that do what they are told, all at once.
pub(crate) struct Crowd {
    runtime: Runtime,
    orders: watch::Sender<Orders>,
    clients: Vec<JoinHandle<Result<Left>>>,
}

#[derive(Clone, Copy, Default)]
struct Orders {
    /// Each says something in each round.
    round: usize,
    /// So many of them go.
    leaving: usize,
}

/// What a client has done by its end.
pub(crate) struct Left {
    pub(crate) said: Vec<String>,
    /// The number of the message that was given up, where the server said so.
    pub(crate) told: Option<usize>,
    /// Whether it was the first to close.
    pub(crate) has_left: bool,
    /// What it read last.
    pub(crate) end: String,
}

impl Crowd {
    /// Connects so many, and waits until all are.
    pub(crate) fn connect(server: SocketAddr, token: &str, count: usize, within: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (orders, connected, places) = (watch::Sender::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(AT_ONCE)));
        let url = format!("ws://{server}/ws?token={token}");
        let clients = (0..count).map(|number| {
            let (url, orders, connected, places) = (url.clone(), orders.subscribe(), connected.clone(), places.clone());
            runtime.spawn(async move {
                let socket = {
                    let _place = places.acquire().await?;
                    let stream = TcpStream::connect(server).await?;
                    stream.set_nodelay(true)?;
                    client_async(url, stream).await.map_err(|error| Failure::new(format!("client {number}: {error}")))?.0
                };
                connected.fetch_add(1, Ordering::Relaxed);
                obey(number, socket, orders).await
            })
        });
        let clients = clients.collect();
        let crowd = Self { runtime, orders, clients };
        eventually(within, &format!("{count} clients to be connected"), || Ok((connected.load(Ordering::Relaxed) == count).then_some(())))?;
        Ok(crowd)
    }

    /// Everybody who is there says something.
    pub(crate) fn say(&self, round: usize) {
        self.orders.send_modify(|orders| orders.round = round);
    }

    /// So many close their connections.
    pub(crate) fn leave(&self, count: usize) {
        self.orders.send_modify(|orders| orders.leaving = count);
    }

    /// All close, and tell what was.
    pub(crate) fn close(self, within: Duration) -> Result<Vec<Left>> {
        self.leave(usize::MAX);
        let all = futures_util::future::join_all(self.clients);
        let left = self.runtime.block_on(async { tokio::time::timeout(within, all).await })?;
        left.into_iter().map(|left| left?).collect()
    }
}

async fn obey(number: usize, mut socket: WebSocketStream<TcpStream>, mut orders: watch::Receiver<Orders>) -> Result<Left> {
    let mut left = Left { said: Vec::new(), told: None, has_left: false, end: String::new() };
    loop {
        let Orders { round, leaving } = *orders.borrow_and_update();
        while left.said.len() < round && !left.has_left && left.told.is_none() {
            let text = format!("{number}:{}", left.said.len() + 1);
            left.said.push(text.clone());
            socket.send(Message::text(text)).await?;
        }
        if number < leaving && !left.has_left {
            left.has_left = true;
            socket.close(None).await?;
        }
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { return Ok(left) },
            message = socket.next() => match message.inspect(|last| left.end = format!("{last:?}")) {
                Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1013 => {
                    // "the back end did not take message 7: send it again later"
                    left.told = frame.reason.split_whitespace().find_map(|word| word.trim_end_matches(':').parse().ok());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(left),
            },
        }
    }
}
