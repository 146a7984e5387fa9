//! The handshake on a bare stream.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use silverback_wire::handshake::server::Acceptance;
use silverback_wire::handshake::{HeadError, HeadReader, Refusal, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::transport::Stream;
use crate::{Upgrader, WebSocket, meter};

/// How long a stream that was refused may take to read its answer before it is dropped.
const LINGER: Duration = Duration::from_secs(2);

/// Why a stream did not become a WebSocket.
///
/// ```
/// # async fn example(upgrader: silverback::Upgrader, stream: tokio::net::TcpStream) {
/// use silverback::AcceptError;
///
/// match upgrader.accept(stream).await {
///     Ok(socket) => println!("connection {}", socket.id()),
///     Err(AcceptError::Refused(refusal)) => println!("{} was answered: {refusal}", refusal.status()),
///     Err(AcceptError::Silent(_)) => {} // a port scanner, most likely
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The request was refused, and the answer says why.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The stream ended before the handshake was complete.
    #[error("the stream ended before the handshake was complete")]
    Ended,
    /// The stream failed.
    #[error("the stream failed during the handshake: {0}")]
    Io(#[from] io::Error),
    /// Nothing was asked in time.
    #[error("nothing arrived within {0:?}")]
    Silent(Duration),
    /// The client did not take the answer in time.
    #[error("the client did not take the answer within {0:?}")]
    Stalled(Duration),
}

/// A request that has been read from a stream and not been answered yet.
///
/// ```
/// use http::StatusCode;
/// use silverback::{AcceptError, Refusal, Stream, Upgrader, WebSocket};
///
/// async fn accept_chat(upgrader: &Upgrader, stream: impl Stream) -> Result<WebSocket, AcceptError> {
///     let handshake = upgrader.handshake(stream).await?;
///     if handshake.request().uri().path() != "/chat" {
///         let refusal = Refusal::new(StatusCode::NOT_FOUND, "no-such-path", "there is nothing at this path").cure("connect to /chat");
///         return Err(handshake.refuse(refusal).await);
///     }
///     handshake.accept().await
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (ours, theirs) = tokio::io::duplex(4096);
/// # let (upgrader, dialer) = (Upgrader::default(), silverback::Dialer::default());
/// # let (ours, theirs) = tokio::join!(accept_chat(&upgrader, ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # assert!(matches!(ours, Err(AcceptError::Refused(_))) && theirs.is_err());
/// # }
/// ```
pub struct Handshake<S> {
    stream: S,
    request: Request<()>,
    /// Everything that was read.
    bytes: BytesMut,
    /// How much of it is the head.
    head: usize,
    upgrader: Upgrader,
}

/// Without headers and query, which may hold secrets.
impl<S> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("method", self.request.method()).field("path", &self.request.uri().path()).finish_non_exhaustive()
    }
}

impl<S: Stream> Handshake<S> {
    pub(crate) async fn read(mut stream: S, upgrader: Upgrader, unless: impl Future<Output = Refusal>) -> Result<Self, AcceptError> {
        let limit = upgrader.handshake_timeout();
        let mut reader = HeadReader::new(upgrader.head_limit());
        let found = timeout(limit, async {
            loop {
                if let Some(end) = reader.poll_end()? {
                    return Ok(end);
                }
                if stream.read_buf(reader.buffer()).await? == 0 {
                    return Err(AcceptError::Ended);
                }
            }
        });
        let found = match first_of(found, unless).await {
            First::Found(found) => found,
            // All that has come has been read, so that the answer arrives though nothing more is waited for.
            First::Refused(refusal) => return Err(refuse_at_once(stream, refusal, limit).await),
        };
        let read = match found {
            Err(_) if reader.buffer().is_empty() => Err(AcceptError::Silent(limit)), // nobody has asked, nobody is answered
            Err(_) => Err(HeadError::TooSlow { limit }.into()),
            Ok(found) => found.and_then(|end| Ok((end, reader.finish(end)?))),
        };
        match read {
            Ok((head, (request, bytes))) => Ok(Self { stream, request, bytes, head, upgrader }),
            Err(AcceptError::Refused(refusal)) => Err(refuse(stream, &Request::new(()), refusal, limit).await),
            Err(error) => Err(error),
        }
    }

    /// The request.
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Judges the request by the upgrader's policy and answers it (RFC 6455, 4.2.2): the connection, or a refusal that has been sent.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`AcceptError`] for a request that was refused, or a stream that failed or did not take the answer.
    pub async fn accept(self) -> Result<WebSocket, AcceptError> {
        match self.judge() {
            Ok(acceptance) => self.complete(acceptance).await,
            Err(refusal) => Err(self.refuse(refusal).await),
        }
    }

    /// Judges the request by the upgrader's policy, and answers nothing yet.
    ///
    /// # Errors
    /// The [`Refusal`], to be sent with [`refuse`](Self::refuse).
    pub fn judge(&self) -> Result<Acceptance, Refusal> {
        self.upgrader.judge(&self.request)
    }

    /// Answers with an acceptance that [`judge`](Self::judge) gave.
    ///
    /// Not cancel-safe: dropping this drops the stream.
    ///
    /// # Errors
    /// [`AcceptError`] when the stream failed or did not take the answer.
    ///
    /// ```
    /// use silverback::{AcceptError, Handshake, Stream, WebSocket};
    ///
    /// async fn accept_chat<S: Stream>(handshake: Handshake<S>) -> Result<WebSocket, AcceptError> {
    ///     match handshake.judge() {
    ///         Ok(mut acceptance) => {
    ///             acceptance.response.headers_mut().insert("x-region", http::HeaderValue::from_static("eu-1"));
    ///             handshake.complete(acceptance).await
    ///         }
    ///         Err(refusal) => Err(handshake.refuse(refusal.cure("ask the help desk")).await),
    ///     }
    /// }
    /// ```
    pub async fn complete(self, acceptance: Acceptance) -> Result<WebSocket, AcceptError> {
        let limit = self.upgrader.handshake_timeout();
        let mut socket = self.open(acceptance);
        timeout(limit, socket.write_preface()).await.map_err(|_| AcceptError::Stalled(limit))?;
        match socket.close_report() {
            None => Ok(socket),
            Some(_) => Err(AcceptError::Ended),
        }
    }

    /// The connection that an acceptance makes. The answer goes out when the connection is first driven, so that what is done before, such as
    /// joining a hub, is done when the client learns that it is connected.
    ///
    /// ```
    /// use silverback::{Handshake, Refusal, Sender, Stream, WebSocket};
    ///
    /// fn join<S: Stream>(handshake: Handshake<S>, room: &mut Vec<Sender>) -> Result<WebSocket, Refusal> {
    ///     let acceptance = handshake.judge()?;
    ///     let mut socket = handshake.open(acceptance);
    ///     room.push(socket.sender()); // before the client can know that it is connected
    ///     Ok(socket)
    /// }
    /// ```
    pub fn open(mut self, acceptance: Acceptance) -> WebSocket {
        self.bytes.advance(self.head);
        // Bytes that came behind the head are frames already (RFC 6455, 4.2.2).
        let head = encode_response(&acceptance.response);
        self.upgrader.websocket(self.stream, head, self.bytes, acceptance.subprotocol, acceptance.deflate)
    }

    /// Answers with a refusal of the caller's, such as for a path or a token, and ends the stream so that the answer arrives. Gives
    /// [`AcceptError::Refused`], or what kept the answer from being written.
    ///
    /// Not cancel-safe: dropping this drops the stream, and the answer may not have gone out.
    pub async fn refuse(self, refusal: Refusal) -> AcceptError {
        refuse(self.stream, &self.request, refusal, self.upgrader.handshake_timeout()).await
    }

    /// Gives the stream back with every byte that was read from it, the head included: for another protocol on the same port.
    ///
    /// ```
    /// # async fn example(upgrader: silverback::Upgrader, stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    /// let handshake = upgrader.handshake(stream).await?;
    /// if !handshake.request().headers().contains_key("upgrade") {
    ///     let (stream, read) = handshake.into_parts();
    ///     println!("plain HTTP, to be served elsewhere: {} bytes, then the rest of {stream:?}", read.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_parts(self) -> (S, BytesMut) {
        (self.stream, self.bytes)
    }
}

impl From<HeadError> for AcceptError {
    fn from(error: HeadError) -> Self {
        Self::Refused(error.into())
    }
}

enum First<T> {
    Found(T),
    Refused(Refusal),
}

/// Whichever is ready first; what is found counts more.
async fn first_of<T>(found: impl Future<Output = T>, unless: impl Future<Output = Refusal>) -> First<T> {
    let (mut found, mut unless) = (pin!(found), pin!(unless));
    poll_fn(|cx| match found.as_mut().poll(cx) {
        Poll::Ready(found) => Poll::Ready(First::Found(found)),
        Poll::Pending => unless.as_mut().poll(cx).map(First::Refused),
    })
    .await
}

async fn refuse_at_once<S: Stream>(mut stream: S, refusal: Refusal, limit: Duration) -> AcceptError {
    match answer(&mut stream, &Request::new(()), &refusal, limit).await {
        Ok(()) => AcceptError::Refused(refusal),
        Err(error) => error,
    }
}

pub(crate) async fn refuse<S: Stream>(mut stream: S, request: &Request<()>, refusal: Refusal, limit: Duration) -> AcceptError {
    if let Err(error) = answer(&mut stream, request, &refusal, limit).await {
        return error;
    }
    let _ = timeout(LINGER, linger(&mut stream)).await;
    AcceptError::Refused(refusal)
}

async fn answer<S: Stream>(stream: &mut S, request: &Request<()>, refusal: &Refusal, limit: Duration) -> Result<(), AcceptError> {
    meter::refused(refusal.cause());
    let mut response = refusal.response(request.headers());
    close_after(&mut response);
    let mut bytes = encode_response(&response);
    if request.method() != Method::HEAD {
        bytes.extend_from_slice(response.body().as_bytes());
    }
    write(stream, &bytes, limit).await
}

/// This connection carries one answer.
fn close_after(response: &mut Response<String>) {
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length);
    let connection = if headers.contains_key(CONNECTION) { "Upgrade, close" } else { "close" };
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
}

async fn write<S: Stream>(stream: &mut S, bytes: &[u8], limit: Duration) -> Result<(), AcceptError> {
    let written = timeout(limit, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    });
    Ok(written.await.map_err(|_| AcceptError::Stalled(limit))??)
}

/// Ends our side and throws away what still arrives: bytes that nobody reads would turn the end into a reset, which can destroy the
/// answer on its way.
async fn linger<S: Stream>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut discarded = BytesMut::with_capacity(4096);
    while stream.read_buf(&mut discarded).await? > 0 {
        discarded.clear();
    }
    Ok(())
}
