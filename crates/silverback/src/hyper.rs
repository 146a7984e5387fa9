//! Upgrades of requests that hyper has read.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::{Request, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use silverback_wire::handshake::Refusal;

use crate::{Upgrader, WebSocket};

impl Upgrader {
    /// Judges a request and takes over its connection: the response to return, and the future that becomes the WebSocket once hyper has
    /// sent it. The connection must be served with upgrades (`.with_upgrades()`).
    ///
    /// # Errors
    /// The [`Refusal`]; return its response.
    pub fn upgrade<B>(&self, request: &mut Request<B>) -> Result<(Response<()>, Upgrading), Refusal> {
        let acceptance = self.judge(&*request)?;
        let upgrading = self.upgrading(hyper::upgrade::on(request), acceptance.subprotocol);
        Ok((acceptance.response, upgrading))
    }

    pub(crate) fn upgrading(&self, on_upgrade: OnUpgrade, subprotocol: Option<String>) -> Upgrading {
        Upgrading { on_upgrade, upgrader: self.clone(), subprotocol }
    }
}

/// A connection that is about to become a WebSocket.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Upgrading {
    on_upgrade: OnUpgrade,
    upgrader: Upgrader,
    subprotocol: Option<String>,
}

/// The connection was gone before the response with status 101 was sent.
#[derive(Debug, thiserror::Error)]
#[error("the connection ended before it was upgraded: {0}")]
pub struct UpgradeError(#[from] hyper::Error);

impl Future for Upgrading {
    type Output = Result<WebSocket, UpgradeError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let upgraded = ready!(Pin::new(&mut self.on_upgrade).poll(cx))?;
        let subprotocol = self.subprotocol.take();
        // Bytes that came behind the head are inside `upgraded`, in front of the stream's own.
        Poll::Ready(Ok(self.upgrader.websocket(TokioIo::new(upgraded), BytesMut::new(), subprotocol)))
    }
}
