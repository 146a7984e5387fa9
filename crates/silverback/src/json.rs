//! Messages that are JSON.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use silverback_wire::Message;

use crate::sender::Closed;
use crate::{Receiver, Sender, WebSocket};

/// Why a value was not sent.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, _client) = (server?, client?);
/// use std::collections::HashMap;
/// use silverback::SendJsonError;
///
/// let unwritable = HashMap::from([((1, 2), "a key that is no string")]);
/// match server.send_json(&unwritable).await {
///     Err(SendJsonError::Encode(error)) => println!("{error}"), // and the connection goes on
///     other => unreachable!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendJsonError {
    /// The value has no JSON: a map with keys that are no strings, or a `Serialize` that failed.
    #[error("the value cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The connection is closed or closing.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A message that is not the JSON that was expected. The connection goes on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, mut client) = (server?, client?);
/// client.send("[1, 2").await?;
/// client.send("[1, 2]").await?;
/// let error = server.recv_json::<Vec<u8>>().await.expect("it is open").expect_err("a bracket is missing");
/// assert_eq!(error.message.as_text(), Some("[1, 2"));
/// assert!(error.source.is_eof());
/// assert_eq!(server.recv_json::<Vec<u8>>().await.expect("it is open")?, [1, 2]); // the next one
/// # Ok(())
/// # }
/// ```
#[derive(thiserror::Error)]
#[error("the message is not the JSON that was expected: {source}")]
pub struct ReceiveJsonError {
    /// What is wrong, and where.
    pub source: serde_json::Error,
    /// The message.
    pub message: Message,
}

/// Without the message, which may be secret.
impl fmt::Debug for ReceiveJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveJsonError").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Sender {
    /// As [`send`](Self::send), of a value as JSON in a text message.
    ///
    /// Cancel-safe: dropped before it is ready, it has queued nothing.
    ///
    /// # Errors
    /// [`SendJsonError`] when the value has no JSON, or the connection is closing or has ended.
    ///
    /// ```
    /// # async fn example(tx: silverback::Sender) -> Result<(), silverback::SendJsonError> {
    /// #[derive(serde::Serialize)]
    /// struct Move { x: i32, y: i32 }
    ///
    /// tx.send_json(&Move { x: 1, y: 2 }).await?; // {"x":1,"y":2}
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SendJsonError> {
        Ok(self.send(encode(value)?).await?)
    }
}

impl Receiver {
    /// As [`recv`](Self::recv), of a message that is JSON, text or binary.
    ///
    /// Cancel-safe: a message is taken only when this becomes ready.
    ///
    /// # Errors
    /// [`ReceiveJsonError`] for a message that is not such JSON. The next call goes on with the next message.
    ///
    /// ```
    /// # async fn example(mut rx: silverback::Receiver) {
    /// #[derive(serde::Deserialize)]
    /// struct Move { x: i32, y: i32 }
    ///
    /// while let Some(received) = rx.recv_json::<Move>().await {
    ///     match received {
    ///         Ok(Move { x, y }) => println!("{x}, {y}"),
    ///         Err(error) => println!("{error}: {:?}", error.message),
    ///     }
    /// }
    /// # }
    /// ```
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, ReceiveJsonError>> {
        self.recv().await.map(decode)
    }
}

impl WebSocket {
    /// As [`send`](Self::send), of a value as JSON in a text message.
    ///
    /// Cancel-safe as `send` is.
    ///
    /// # Errors
    /// [`SendJsonError`] when the value has no JSON, or the connection is closing or has ended.
    ///
    /// ```no_run
    /// # async fn example(mut socket: silverback::WebSocket) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Move { x: i32, y: i32 }
    ///
    /// socket.send_json(&Move { x: 1, y: 2 }).await?;
    /// while let Some(received) = socket.recv_json::<Move>().await {
    ///     match received {
    ///         Ok(Move { x, y }) => println!("{x}, {y}"),
    ///         Err(error) => println!("{error}"), // and the connection goes on
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SendJsonError> {
        Ok(self.send(encode(value)?).await?)
    }

    /// As [`recv`](Self::recv), of a message that is JSON, text or binary. [`send_json`](Self::send_json) shows both.
    ///
    /// Cancel-safe: no message is lost by dropping this.
    ///
    /// # Errors
    /// [`ReceiveJsonError`] for a message that is not such JSON. The next call goes on with the next message.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, ReceiveJsonError>> {
        self.recv().await.map(decode)
    }
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, SendJsonError> {
    serde_json::to_string(value).map_err(SendJsonError::Encode)
}

fn decode<T: DeserializeOwned>(message: Message) -> Result<T, ReceiveJsonError> {
    serde_json::from_slice(message.payload()).map_err(|source| ReceiveJsonError { source, message })
}
