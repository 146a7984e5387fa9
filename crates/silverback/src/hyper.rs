//! Upgrades of requests that hyper has read.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use silverback_wire::deflate::Agreement;
use silverback_wire::handshake::Refusal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::{Upgrader, WebSocket, meter};

impl Upgrader {
    /// Judges a request and takes over its connection: the response to return, and the WebSocket, which comes to life once hyper has sent that
    /// response. It may be joined to a hub or moved to its task before. The connection must be served with upgrades (`.with_upgrades()`).
    ///
    /// # Errors
    /// The [`Refusal`]; return its response.
    ///
    /// # Panics
    /// Outside a tokio runtime: its timer bounds the wait for the response to be sent, by
    /// [`handshake_timeout`](crate::UpgraderBuilder::handshake_timeout).
    ///
    /// ```
    /// use http::{Request, Response};
    /// use silverback::Upgrader;
    ///
    /// fn serve<B>(upgrader: &Upgrader, mut request: Request<B>) -> Response<String> {
    ///     match upgrader.upgrade(&mut request) {
    ///         Ok((response, mut socket)) => {
    ///             tokio::spawn(async move { while socket.recv().await.is_some() {} });
    ///             response.map(|()| String::new())
    ///         }
    ///         Err(refusal) => refusal.response(request.headers()),
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let page = Request::builder().header("host", "example.com").body(()).expect("it is well-formed");
    /// assert_eq!(serve(&Upgrader::default(), page).status(), 426); // it asks for no upgrade
    /// # }
    /// ```
    pub fn upgrade<B>(&self, request: &mut Request<B>) -> Result<(Response<()>, WebSocket), Refusal> {
        let acceptance = self.judge(&*request).inspect_err(|refusal| meter::refused(refusal.cause()))?;
        let socket = self.upgrading(hyper::upgrade::on(request), acceptance.subprotocol, acceptance.deflate);
        Ok((acceptance.response, socket))
    }

    pub(crate) fn upgrading(&self, on_upgrade: OnUpgrade, subprotocol: Option<String>, deflate: Option<Agreement>) -> WebSocket {
        // Bytes that came behind the head are inside what hyper hands over, in front of the stream's own.
        let deadline = Box::pin(tokio::time::sleep(self.handshake_timeout()));
        self.websocket(UpgradingStream::Waiting { on_upgrade, deadline }, BytesMut::new(), BytesMut::new(), subprotocol, deflate)
    }
}

/// The stream of a connection that hyper hands over when it has sent its last response. Until then it is pending.
enum UpgradingStream {
    Waiting {
        on_upgrade: OnUpgrade,
        /// The response may be withheld, and nothing would tell.
        deadline: Pin<Box<Sleep>>,
    },
    Upgraded(TokioIo<Upgraded>),
    /// It did not, and is not asked again.
    Failed(io::ErrorKind),
}

impl UpgradingStream {
    fn poll_upgraded(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TokioIo<Upgraded>>>> {
        if let Self::Waiting { on_upgrade, deadline } = self {
            *self = match Pin::new(on_upgrade).poll(cx) {
                Poll::Ready(Ok(upgraded)) => Self::Upgraded(TokioIo::new(upgraded)),
                Poll::Ready(Err(_)) => Self::Failed(io::ErrorKind::ConnectionAborted), // the HTTP connection was given up
                Poll::Pending => {
                    ready!(deadline.as_mut().poll(cx));
                    Self::Failed(io::ErrorKind::TimedOut)
                }
            };
        }
        match self {
            Self::Upgraded(stream) => Poll::Ready(Ok(Pin::new(stream))),
            Self::Failed(kind) => Poll::Ready(Err((*kind).into())),
            Self::Waiting { .. } => Poll::Pending,
        }
    }
}

impl AsyncRead for UpgradingStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_upgraded(cx))?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for UpgradingStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_upgraded(cx))?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_upgraded(cx))?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_upgraded(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_upgraded(cx))?.poll_shutdown(cx)
    }
}
