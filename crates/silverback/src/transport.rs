//! The byte stream below a connection.

use std::any::Any;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a WebSocket can run over: a TCP stream, TLS over one, an upgraded HTTP connection, a pipe in memory.
///
/// ```
/// use silverback::{AcceptError, Stream, Upgrader, WebSocket};
///
/// async fn accept_any(upgrader: &Upgrader, stream: impl Stream) -> Result<WebSocket, AcceptError> {
///     upgrader.accept(stream).await
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (stream, peer) = tokio::io::duplex(1024);
/// drop(peer);
/// assert!(matches!(accept_any(&Upgrader::default(), stream).await, Err(AcceptError::Ended)));
/// # }
/// ```
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A stream of any type; TCP, the most frequent one, without the indirection.
pub(crate) enum Transport {
    Tcp(TcpStream),
    Other(Box<dyn Stream>),
    /// With the handles, while the driver sleeps. Nothing is read or written until it is back.
    Lent,
}

impl Transport {
    /// A transport is taken as it is.
    pub(crate) fn new<S: Stream>(stream: S) -> Self {
        let any: Box<dyn Any + Send> = Box::new(stream);
        let any = match any.downcast::<Self>() {
            Ok(transport) => return *transport,
            Err(any) => any,
        };
        match any.downcast::<TcpStream>() {
            Ok(tcp) => {
                let _ = tcp.set_nodelay(true); // what is written is sent now; what belongs together is written together
                Self::Tcp(*tcp)
            }
            Err(other) => Self::Other(unwrap_as::<S>(other)),
        }
    }
}

#[expect(clippy::expect_used, reason = "the box was made of an S one line before")]
fn unwrap_as<S: Stream>(any: Box<dyn Any + Send>) -> Box<dyn Stream> {
    any.downcast::<S>().expect("a box holds what was put into it")
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Other(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Lent => Poll::Pending,
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Lent => Poll::Pending,
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Other(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Lent => Poll::Pending,
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.is_write_vectored(),
            Self::Lent => false,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Other(stream) => Pin::new(stream).poll_flush(cx),
            Self::Lent => Poll::Pending,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Lent => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn tcp_is_never_behind_an_indirection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let transport = Transport::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        assert!(matches!(Transport::new(transport), Transport::Tcp(_)));
    }
}
