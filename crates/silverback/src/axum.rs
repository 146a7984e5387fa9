//! An extractor for axum.
//!
//! ```
//! use axum::{Extension, Router, response::Response, routing::any};
//! use silverback::{Upgrader, axum::Upgrade};
//!
//! async fn chat(upgrade: Upgrade) -> Response {
//!     upgrade.run(|tx, mut rx| async move {
//!         while let Some(message) = rx.recv().await {
//!             tx.send(message).await?;
//!         }
//!         Ok(())
//!     })
//! }
//!
//! let upgrader = Upgrader::builder().message_limit(64 * 1024).build();
//! let app: Router = Router::new().route("/chat", any(chat)).layer(Extension(upgrader));
//! ```

use std::future::Future;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use hyper::upgrade::OnUpgrade;
use silverback_wire::handshake::Refusal;
use silverback_wire::handshake::server::Acceptance;

use crate::{HandlerResult, Receiver, Sender, Upgrader, WebSocket, meter};

/// Extracts a WebSocket handshake from a request. A request that is none is answered with a refusal that explains itself, and the handler
/// does not run.
///
/// The policy is the [`Upgrader`] among the request's extensions (`.layer(axum::Extension(upgrader))`), or the default one.
///
/// ```no_run
/// use axum::{Router, response::Response, routing::any};
///
/// async fn chat(upgrade: silverback::axum::Upgrade) -> Response {
///     upgrade.run(|tx, mut rx| async move {
///         while let Some(message) = rx.recv().await {
///             tx.send(message).await?;
///         }
///         Ok(())
///     })
/// }
///
/// let app: Router = Router::new().route("/chat", any(chat));
/// ```
#[derive(Debug)]
pub struct Upgrade {
    acceptance: Acceptance,
    socket: WebSocket,
}

impl Upgrade {
    /// Runs a handler on the connection, in a task of its own that ends with the connection: [`WebSocket::run`](crate::WebSocket::run).
    #[must_use = "the response completes the handshake"]
    pub fn run<H, F>(self, handler: H) -> Response
    where
        H: FnOnce(Sender, Receiver) -> F + Send + 'static,
        F: Future<Output = HandlerResult> + Send + 'static,
    {
        let (response, socket) = self.into_parts();
        tokio::spawn(async move {
            let report = socket.run(handler).await;
            tracing::debug!(%report, "a connection ended");
        });
        response
    }

    /// The response to return, and the WebSocket, which comes to life once the response was sent.
    ///
    /// ```
    /// use axum::response::Response;
    /// use silverback::axum::Upgrade;
    ///
    /// async fn chat(upgrade: Upgrade) -> Response {
    ///     let (response, mut socket) = upgrade.into_parts();
    ///     println!("connection {} comes", socket.id());
    ///     tokio::spawn(async move {
    ///         while let Some(message) = socket.recv().await {
    ///             println!("{message:?}");
    ///         }
    ///     });
    ///     response
    /// }
    /// ```
    pub fn into_parts(self) -> (Response, WebSocket) {
        (self.acceptance.response.map(|()| Body::empty()), self.socket)
    }

    /// The subprotocol that both sides speak.
    pub fn subprotocol(&self) -> Option<&str> {
        self.acceptance.subprotocol.as_deref()
    }
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let upgrader = parts.extensions.get::<Upgrader>().cloned().unwrap_or_default();
        let mut acceptance = upgrader.judge(&*parts).map_err(|refusal| refused(&refusal, parts))?;
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
            let refusal = Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "not-upgradable", "this connection cannot be upgraded")
                .arrived("a good handshake, on a connection that is served without upgrades")
                .cure("serve HTTP/1.1 connections with upgrades, as axum::serve does");
            return Err(refused(&refusal, parts));
        };
        let socket = upgrader.upgrading(on_upgrade, acceptance.subprotocol.clone(), acceptance.deflate.take());
        Ok(Self { acceptance, socket })
    }
}

fn refused(refusal: &Refusal, parts: &Parts) -> Response {
    meter::refused(refusal.cause());
    tracing::info!(%refusal, "a handshake was refused");
    refusal.response(&parts.headers).into_response()
}
