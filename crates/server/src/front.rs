//! The front door: reads the first request of a connection and sends it to the right place.
//!
//! A WebSocket handshake goes from here straight to its session, without an HTTP server in between. Everything else goes to one, with
//! the bytes that were read put in front. So a request that is malformed, too large or too slow gets an answer that says so.

use std::io::Cursor;
use std::net::SocketAddr;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use silverback::{AcceptError, Handshake};
use tokio::io::{AsyncReadExt, join};
use tokio::net::TcpStream;

use crate::routes::{App, Remote};

/// How long a connection may be quiet between two requests, and how long a request's head may take.
const IDLE: Duration = Duration::from_secs(60);

/// Serves one connection until it ends.
pub(crate) async fn serve(stream: TcpStream, remote: SocketAddr, app: App, router: Router) {
    let _ = stream.set_nodelay(true); // what is sent is sent now; what belongs together is written together
    match app.upgrader.handshake(stream).await {
        Ok(handshake) if handshake.request().uri().path() == "/ws" => serve_socket(handshake, remote, app).await,
        Ok(handshake) => serve_http(handshake, remote, router).await,
        Err(AcceptError::Refused(refusal)) => tracing::info!(%remote, %refusal, "a request was refused"),
        Err(error) => tracing::debug!(%remote, %error, "no request"),
    }
}

async fn serve_socket(handshake: Handshake<TcpStream>, remote: SocketAddr, app: App) {
    match app.admit(handshake.request(), remote) {
        Err(refusal) => drop(handshake.refuse(refusal).await),
        Ok((acceptance, identity)) => match handshake.complete(acceptance).await {
            Ok(socket) => app.run(identity, socket).await,
            Err(error) => tracing::debug!(%remote, %error, "a handshake was not completed"),
        },
    }
}

async fn serve_http(handshake: Handshake<TcpStream>, remote: SocketAddr, router: Router) {
    let (stream, bytes) = handshake.into_parts();
    let (read, write) = stream.into_split();
    let stream = join(Cursor::new(bytes).chain(read), write);
    let service = TowerToHyperService::new(router.layer(Extension(Remote(remote))));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(IDLE).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(%remote, %error, "a connection ended");
    }
}
