//! The client's handshake on a stream that is connected already.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use http::{HeaderMap, Uri};
use silverback_wire::handshake::client::{AnswerError, NoHost, Offer};
use silverback_wire::handshake::{HeadError, encode_request, parse_response};
use silverback_wire::{Config, Connection, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::driver::now;
use crate::transport::Stream;
use crate::{QueueLimits, WebSocket};

const HEAD_LIMIT: usize = 16 * 1024;

/// How long the server may take to answer.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Why a stream did not become a WebSocket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address has no host.
    #[error(transparent)]
    Address(#[from] NoHost),
    /// The answer is not a WebSocket's.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The answer is not HTTP.
    #[error("the answer's head could not be read: {0}")]
    Head(#[from] HeadError),
    /// The stream failed.
    #[error("the stream failed during the handshake: {0}")]
    Io(#[from] io::Error),
    /// The server did not answer in time.
    #[error("the server did not answer within {ANSWER_TIMEOUT:?}")]
    Timeout,
}

/// Shakes hands over `stream`, asking for `uri` with these headers (subprotocols, credentials), and gives the connection.
///
/// Dropping this future drops the stream.
///
/// # Errors
/// [`ConnectError`] when the server refuses or is none.
pub async fn connect<S: Stream>(mut stream: S, uri: &Uri, headers: HeaderMap, config: Arc<Config>) -> Result<WebSocket, ConnectError> {
    let offer = Offer::new(uri, headers)?;
    let answer = timeout(ANSWER_TIMEOUT, async {
        stream.write_all(&encode_request(offer.request())).await?;
        let mut bytes = BytesMut::new();
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some((response, end)) = parse_response(&bytes, HEAD_LIMIT)? {
                bytes.advance(end);
                return Ok::<_, ConnectError>((response, bytes));
            }
        }
    });
    let (response, behind_head) = answer.await.map_err(|_| ConnectError::Timeout)??;
    let answer = offer.judge(&response)?;
    let connection = Connection::new(Role::Client, config, now()).with_deflate(answer.deflate);
    Ok(WebSocket::new(stream, connection, BytesMut::new(), behind_head, QueueLimits::default()).with_subprotocol(answer.subprotocol))
}
