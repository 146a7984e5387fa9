//! The front door: reads the first request of a connection and sends it to the right place.
//!
//! A WebSocket handshake goes from here straight to its session, without an HTTP server in between. Everything else goes to one, with
//! the bytes that were read put in front. So a request that is malformed, too large or too slow gets an answer that says so.

use std::io::Cursor;
use std::pin::pin;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use silverback::tls::TlsAcceptError;
use silverback::{AcceptError, Handshake, Stream};
use tokio::io::{AsyncReadExt, join, split};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use crate::life;
use crate::listening::{Accepted, Remote, Tls};
use crate::routes::App;

/// How long a connection may be quiet between two requests, and how long a later request's head may take.
const IDLE: Duration = Duration::from_secs(60);

/// How long a client may take nothing of an answer.
const STALLED: Duration = Duration::from_secs(30);

/// How long a request that is under way when the server stops may still take, once no session is left.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// How long a connection that is kept alive may still ask once nobody is accepted any more: its next request may be on its way.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// The largest head of a later request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// Serves one connection until it ends.
pub(crate) async fn serve(accepted: Accepted, remote: Remote, tls: Option<Tls>, app: App, router: Router) {
    match accepted {
        Accepted::Unix(stream) => serve_stream(stream, remote, app, router).await,
        Accepted::Tcp(stream) => {
            let _ = stream.set_nodelay(true); // what is sent is sent now; what belongs together is written together
            match tls {
                None => serve_stream(stream, remote, app, router).await,
                Some(tls) => serve_tls(stream, remote, tls, app, router).await,
            }
        }
    }
}

async fn serve_tls(stream: TcpStream, remote: Remote, tls: Tls, app: App, router: Router) {
    let accepted = tokio::select! {
        accepted = tls.acceptor.accept(stream) => accepted,
        () = last_answer(&app) => return,
    };
    match accepted {
        Ok(stream) => serve_stream(stream, remote, app, router).await,
        Err(TlsAcceptError::PlainHttp(refusal)) => tracing::info!(%remote, %refusal, "a request was refused"),
        Err(error) => tracing::debug!(%remote, %error, "no TLS"),
    }
}

async fn serve_stream<S: Stream>(stream: S, remote: Remote, app: App, router: Router) {
    let upgrader = app.upgrader();
    let handshake = tokio::select! {
        handshake = upgrader.handshake(stream) => handshake,
        () = last_answer(&app) => return,
    };
    match handshake {
        Ok(handshake) if handshake.request().uri().path() == "/ws" => serve_socket(handshake, remote, app).await,
        Ok(handshake) => serve_http(handshake, remote, app, router).await,
        Err(AcceptError::Refused(refusal)) => tracing::info!(%remote, %refusal, "a request was refused"),
        Err(error) => tracing::debug!(%remote, %error, "no request"),
    }
}

/// Waits until a connection without a request is ended. What is sent until then is answered.
async fn no_more_requests(app: &App) {
    app.stopping.cancelled().await;
    tokio::time::sleep(LAST_REQUEST).await;
}

/// Waits until the server has stopped and requests have had their time.
async fn last_answer(app: &App) {
    app.everybody_gone.cancelled().await;
    tokio::time::sleep(LAST_ANSWER).await;
}

async fn serve_socket<S: Stream>(handshake: Handshake<S>, remote: Remote, app: App) {
    match app.admit(handshake.request(), remote).await {
        Err(refusal) => drop(handshake.refuse(refusal).await),
        // In this order: whoever learns that it is connected can be sent to.
        Ok((acceptance, reservation)) => life::run(app.join(reservation, handshake.open(acceptance)), app.auth.clone()).await,
    }
}

async fn serve_http<S: Stream>(handshake: Handshake<S>, remote: Remote, app: App, router: Router) {
    let (stream, bytes) = handshake.into_parts();
    let (read, write) = split(stream);
    let mut stream = TimeoutStream::new(join(Cursor::new(bytes).chain(read), write));
    stream.set_write_timeout(Some(STALLED));
    let service = TowerToHyperService::new(router.layer(Extension(remote)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(LARGEST_HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = no_more_requests(&app) => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = &mut connection => ended,
                () = last_answer(&app) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, %error, "a connection ended");
    }
}
