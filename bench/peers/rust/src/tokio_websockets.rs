//! tokio-websockets.

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, Sender, error::RecvError};
use tokio_websockets::{Config, Limits, Message, ServerBuilder, WebSocketStream};

/// So many messages are taken before they are answered.
const BATCH: usize = 32;

/// The loop of its README.
pub(crate) async fn echo(stream: TcpStream) {
    let Ok((_, mut socket)) = ServerBuilder::new().limits(Limits::unlimited()).accept(stream).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Its `poll_next` flushes what is queued, so messages are collected before the first of them is fed.
pub(crate) async fn echo_batched(stream: TcpStream) {
    let Some(mut socket) = accept_batched(stream).await else { return };
    let mut ready = Vec::with_capacity(BATCH);
    while let Some(Ok(message)) = socket.next().await {
        ready.push(message);
        while ready.len() < BATCH {
            match socket.next().now_or_never() {
                Some(Some(Ok(message))) => ready.push(message),
                Some(_) => return,
                None => break,
            }
        }
        for message in ready.drain(..) {
            if (message.is_text() || message.is_binary()) && socket.feed(message).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Every message goes to everyone: tokio's broadcast channel, and each connection drains what is there before it flushes.
pub(crate) fn fan_out() -> impl Fn(TcpStream) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    let everyone: Sender<Message> = broadcast::channel(4096).0;
    move |stream| Box::pin(subscribe(stream, everyone.clone()))
}

async fn subscribe(stream: TcpStream, everyone: Sender<Message>) {
    let Some(mut socket) = accept_batched(stream).await else { return };
    let mut published = everyone.subscribe();
    loop {
        tokio::select! {
            received = socket.next() => match received {
                Some(Ok(message)) if message.is_text() || message.is_binary() => drop(everyone.send(message)),
                Some(Ok(_)) => {}
                _ => return,
            },
            message = published.recv() => {
                match message {
                    Ok(message) => {
                        if socket.feed(message).await.is_err() {
                            return;
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
                while let Ok(message) = published.try_recv() {
                    if socket.feed(message).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn accept_batched(stream: TcpStream) -> Option<WebSocketStream<TcpStream>> {
    let builder = ServerBuilder::new().limits(Limits::unlimited()).config(Config::default().flush_threshold(64 * 1024));
    Some(builder.accept(stream).await.ok()?.1)
}
