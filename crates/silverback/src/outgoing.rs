//! What can be sent, and what happens when there is no room for it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use silverback_wire::{CloseCode, Message, Prepared, Text};

/// A message to be sent: a [`Message`] or anything that becomes one, or a [`Prepared`], which is encoded and compressed once for many
/// connections.
///
/// ```
/// use silverback::{Message, Outgoing, Prepared};
///
/// fn send(message: impl Into<Outgoing>) -> Message { // as `Sender::send` takes it
///     message.into().into_message()
/// }
/// assert_eq!(send("hello"), send(Prepared::new("hello")));
/// assert_eq!(send(vec![1, 2]), Message::binary(vec![1, 2]));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outgoing {
    /// To be encoded for this connection.
    Message(Message),
    /// Encoded already.
    Prepared(Prepared),
}

impl Outgoing {
    /// The message.
    pub fn message(&self) -> &Message {
        match self {
            Self::Message(message) => message,
            Self::Prepared(prepared) => prepared.message(),
        }
    }

    /// The message, on its own.
    pub fn into_message(self) -> Message {
        match self {
            Self::Message(message) => message,
            Self::Prepared(prepared) => prepared.message().clone(),
        }
    }
}

impl From<Prepared> for Outgoing {
    fn from(prepared: Prepared) -> Self {
        Self::Prepared(prepared)
    }
}

impl From<&Prepared> for Outgoing {
    fn from(prepared: &Prepared) -> Self {
        Self::Prepared(prepared.clone())
    }
}

impl From<Message> for Outgoing {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// Whatever becomes a message can be sent.
macro_rules! from_what_becomes_a_message {
    ($($type:ty),*) => {$(
        impl From<$type> for Outgoing {
            fn from(message: $type) -> Self {
                Self::Message(message.into())
            }
        }
    )*};
}
from_what_becomes_a_message!(&str, String, Text, Bytes, Vec<u8>);

/// What is done with a message for which the queue has no room: [`Sender::offer`](crate::Sender::offer). To wait for room instead,
/// [`send`](crate::Sender::send).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::builder().queue(silverback::QueueLimits { bytes: 1024, messages: 2 }).build();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, _client) = (server?, client?);
/// use silverback::{Offered, Overflow, TrySendError};
///
/// let tx = server.sender(); // of a connection whose queue has room for two messages
/// tx.offer("price 10", Overflow::KeepLatest("price".into()))?;
/// tx.offer("trade 1", Overflow::DropOldest)?;
/// assert_eq!(tx.offer("price 11", Overflow::KeepLatest("price".into()))?, Offered::Replaced);
/// assert!(matches!(tx.offer("hello", Overflow::DropNewest), Err(TrySendError::Full(_))));
/// assert_eq!(tx.offer("trade 2", Overflow::DropOldest)?, Offered::Displaced(1)); // the price
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The message is given back: what is in the queue is worth more. For chat.
    DropNewest,
    /// The oldest messages in the queue make room: what is new is worth more. For logs and tickers.
    DropOldest,
    /// Whether or not there is room, the message takes the place of the one in the queue that was offered with the same key: only the latest
    /// state is worth anything. For positions, presence, prices. Without one in the queue and without room it is given back.
    KeepLatest(Arc<str>),
    /// The connection is closed with this code and reason, behind what is in the queue: a peer that has missed something is of no use. The usual
    /// code is 1013 ([`CloseCode::TRY_AGAIN_LATER`]).
    Close(CloseCode, Cow<'static, str>),
}

/// What became of a message that was offered and taken.
///
/// ```
/// # fn example(tx: silverback::Sender) {
/// use silverback::{Offered, Overflow};
///
/// match tx.offer("a line of the log", Overflow::DropOldest) {
///     Ok(Offered::Displaced(lines)) => println!("{lines} lines have made room"),
///     Ok(_) => {}
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offered {
    /// It is in the queue.
    Queued,
    /// It is in the queue, and so many older ones are not any more.
    Displaced(usize),
    /// It has taken the place of the one with the same key.
    Replaced,
}
