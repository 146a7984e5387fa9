//! yawc: hyper's upgrade, as its documentation has it.

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use yawc::{OpCode, Options, UpgradeFut, WebSocket};

/// Each message is sent, and so flushed, by itself.
pub(crate) async fn echo(stream: TcpStream) {
    serve(stream, options(), 1).await;
}

/// With the buffers that the benchmark of its README has.
pub(crate) async fn echo_batched(stream: TcpStream) {
    let tuned = options().with_read_buffer_capacity(128 * 1024).with_backpressure_boundary(64 * 1024);
    serve(stream, tuned, 32).await;
}

fn options() -> Options {
    Options::default().without_compression().with_limits(64 << 20, 64 << 20).with_utf8()
}

async fn serve(stream: TcpStream, options: Options, batch: usize) {
    let service = service_fn(move |request| upgraded(request, options.clone(), batch));
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = http1::Builder::new().serve_connection(io, service).with_upgrades().await;
}

async fn upgraded(mut request: Request<Incoming>, options: Options, batch: usize) -> yawc::Result<Response<Empty<Bytes>>> {
    let (response, upgrade) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(answer(upgrade, batch));
    let (parts, _) = response.into_parts();
    Ok(Response::from_parts(parts, Empty::new()))
}

async fn answer(upgrade: UpgradeFut, batch: usize) {
    let Ok(mut socket) = upgrade.await else { return };
    while let Some(mut frame) = socket.next().await {
        let mut taken = 1;
        loop {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) && socket.feed(frame).await.is_err() {
                return;
            }
            if taken == batch {
                break;
            }
            match socket.next().now_or_never() {
                Some(Some(next)) => frame = next,
                Some(None) => return,
                None => break,
            }
            taken += 1;
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}
