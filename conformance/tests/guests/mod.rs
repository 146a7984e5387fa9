//! A thousand clients of several users, who say something when they are told to.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use silverback_conformance::{Failure, Result};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::protocol::Message;

/// So many shake hands at once.
const AT_ONCE: usize = 50;

/// They leave with this value.
pub(crate) struct Guests {
    said: watch::Sender<Option<&'static str>>,
    _tasks: JoinSet<Result<()>>,
}

impl Guests {
    /// Connects so many, of the users of these tokens in turn, and waits until all are there.
    pub(crate) async fn connect(server: SocketAddr, tokens: &[String], count: usize) -> Result<Self> {
        let (said, places, (told, mut heard)) =
            (watch::Sender::new(None), Arc::new(Semaphore::new(AT_ONCE)), tokio::sync::mpsc::channel(count));
        let mut tasks = JoinSet::new();
        for (number, token) in (0..count).zip(tokens.iter().cycle()) {
            let (url, said, places, told) = (format!("ws://{server}/ws?token={token}"), said.subscribe(), places.clone(), told.clone());
            tasks.spawn(async move {
                let place = places.acquire().await?;
                let stream = TcpStream::connect(server).await?;
                let socket = client_async(url, stream).await.map_err(|error| Failure::new(format!("guest {number}: {error}")))?.0;
                drop(place);
                told.send(()).await?;
                stay(socket, said).await
            });
        }
        drop(told);
        for there in 0..count {
            if heard.recv().await.is_none() {
                let failure = tasks.join_next().await;
                return Err(Failure::new(format!("{there} of {count} guests came: {failure:?}")));
            }
        }
        Ok(Self { said, _tasks: tasks })
    }

    /// Everybody says this.
    pub(crate) fn say(&self, text: &'static str) {
        self.said.send_replace(Some(text));
    }
}

/// Says what is to be said, until the server ends it.
async fn stay(mut socket: tokio_tungstenite::WebSocketStream<TcpStream>, mut said: watch::Receiver<Option<&'static str>>) -> Result<()> {
    loop {
        tokio::select! {
            changed = said.changed() => {
                changed?;
                let text = *said.borrow_and_update();
                socket.send(Message::text(text.unwrap_or_default())).await?;
            }
            message = socket.next() => match message {
                Some(Ok(_)) => {}
                _ => return Ok(()),
            },
        }
    }
}
