//! The front door: reads the first request of a connection and sends it to the right place.
//!
//! A WebSocket handshake goes from here straight to its session, without an HTTP server in between. Everything else goes to one, with
//! the bytes that were read put in front. So a request that is malformed, too large or too slow gets an answer that says so.

use std::io::Cursor;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use silverback::tls::TlsAcceptError;
use silverback::{AcceptError, Handshake, Stream};
use tokio::io::{AsyncReadExt, join, split};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

use crate::arrival::{self, Peer};
use crate::handshakes::Asker;
use crate::life;
use crate::limits::{self, Refused, Socket, Turn};
use crate::listening::{Accepted, Remote, Tls};
use crate::log_rate::LogRate;
use crate::proxies::{self, ProtocolError};
use crate::routes::App;

/// How long a connection may be quiet between two requests, and how long a later request's head may take.
const IDLE: Duration = Duration::from_secs(60);

/// How long a client may take nothing of an answer.
const STALLED: Duration = Duration::from_secs(30);

/// How long a request that is under way when the server stops may still take, once no session is left.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// How long a connection that is kept alive may still ask once nobody is accepted any more: its next request may be on its way.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// Serves one connection until it ends.
pub(crate) async fn serve(accepted: Accepted, peer: Remote, tls: Option<Tls>, socket: Socket, turn: Turn, app: App, router: Router) {
    let mut visit = Visit { peer, socket, turn, app, router };
    match accepted {
        Accepted::Unix(stream) => visit.serve(stream).await,
        Accepted::Tcp(mut stream) => {
            let _ = stream.set_nodelay(true); // what is sent is sent now; what belongs together is written together
            if visit.introduce(&mut stream).await {
                match tls {
                    None => visit.serve(stream).await,
                    Some(tls) => visit.serve_tls(stream, tls).await,
                }
            }
        }
    }
}

/// A connection that has not said yet what it wants.
struct Visit {
    peer: Remote,
    socket: Socket,
    turn: Turn,
    app: App,
    router: Router,
}

impl Visit {
    /// Reads for whom a proxy comes, where it says so before anything else. `false` where it does not say it well.
    async fn introduce(&mut self, stream: &mut TcpStream) -> bool {
        let in_force = self.app.live.now();
        let (proxies, limits) = (&in_force.config.proxies, &in_force.config.limits);
        let Remote::Tcp(peer) = self.peer else { return true };
        if !proxies.protocol || !proxies.trusts(peer.ip()) {
            return true;
        }
        let introduced = tokio::select! {
            introduced = proxies::introduced(stream, peer, limits.handshake_timeout) => introduced,
            () = self.turn.is_over() => return false,
            () = last_answer(&self.app) => return false,
        };
        match &introduced {
            Ok(source) => self.peer = Remote::Tcp(*source),
            Err(error) => not_introduced(peer, error),
        }
        introduced.is_ok()
    }

    async fn serve_tls(mut self, stream: TcpStream, tls: Tls) {
        let accepted = tokio::select! {
            accepted = tls.acceptor.accept(stream) => accepted,
            () = self.turn.is_over() => return,
            () = last_answer(&self.app) => return,
        };
        match accepted {
            Ok(stream) => self.serve(stream).await,
            Err(TlsAcceptError::PlainHttp(refusal)) => {
                self.app.handshakes.refused(Refused::Request, self.peer, &Asker::default(), &refusal)
            }
            Err(error) => tracing::debug!(remote = %self.peer, %error, "no TLS"),
        }
    }

    async fn serve<S: Stream>(self, stream: S) {
        let Self { peer, socket, mut turn, app, router } = self;
        let upgrader = app.upgrader();
        let handshake = tokio::select! {
            handshake = upgrader.handshake_unless(stream, async { turn.is_over().await; limits::unfinished() }) => handshake,
            () = last_answer(&app) => return,
        };
        match handshake {
            Ok(handshake) if handshake.request().uri().path() == "/ws" && !arrival::is_asked_for(handshake.request().headers()) => {
                let client = peer.behind(&app.live.now().config.proxies, handshake.request().headers());
                serve_socket(handshake, client, socket, turn, app).await;
            }
            Ok(handshake) => {
                let head = app.live.now().config.limits.head();
                drop(turn);
                serve_http(handshake, peer, head, app, router).await;
            }
            Err(AcceptError::Refused(refusal)) => app.handshakes.refused(Refused::Request, peer, &Asker::default(), &refusal),
            Err(error) => tracing::debug!(remote = %peer, %error, "no request"),
        }
    }
}

static NOT_INTRODUCED: LogRate = LogRate::every(Duration::from_secs(1));

fn not_introduced(peer: SocketAddr, error: &ProtocolError) {
    metrics::counter!("silverback_connections_dropped_total", "cause" => "proxy_protocol").increment(1);
    if let Some(left_out) = NOT_INTRODUCED.allows() {
        tracing::warn!(%peer, %error, left_out, "a connection was dropped");
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

async fn serve_socket<S: Stream>(handshake: Handshake<S>, client: Remote, socket: Socket, mut turn: Turn, app: App) {
    let admitted = match app.seat(client, handshake.request().headers()) {
        Ok(seat) => app.admit(handshake.request(), client).await.map(|(acceptance, place)| (acceptance, place, seat)),
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Err(refusal) => tokio::select! {
            _ = handshake.refuse(refusal) => {}
            () = turn.is_over() => {} // who lingers over its refusal has no more right to the place than others
        },
        // In this order: whoever learns that it is connected can be sent to.
        Ok((acceptance, place, seat)) => {
            let (session, line) = app.join(place, handshake.open(acceptance));
            // A task of its own, without the room that a handshake and requests would need in it.
            let life = life::run(session, line, app.pace(), seat.with_socket(socket), app.auth.clone(), app.stats.traffic.clone());
            app.tasks.spawn(Box::pin(life));
        }
    }
}

async fn serve_http<S: Stream>(handshake: Handshake<S>, peer: Remote, largest_head: usize, app: App, router: Router) {
    let plain = app.bounds.plain();
    let (stream, bytes) = handshake.into_parts();
    let (read, write) = split(stream);
    let mut stream = TimeoutStream::new(join(Cursor::new(bytes).chain(read), write));
    stream.set_write_timeout(Some(STALLED));
    let (live, routes) = (app.live.clone(), TowerToHyperService::new(router));
    // A layer in its place would copy the whole table of routes for each connection.
    let service = service_fn(move |mut request: Request<Incoming>| {
        // Each request of a connection may be somebody else's, where a proxy shares it among them.
        let client = peer.behind(&live.now().config.proxies, request.headers());
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(Peer(peer));
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(largest_head).keep_alive(plain.may_wait);
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
        tracing::debug!(remote = %peer, %error, "a connection ended");
    }
}
