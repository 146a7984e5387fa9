//! As its `examples/echo_server.rs`: hyper's upgrade, a `FragmentCollector`, an unconstrained task.

use std::convert::Infallible;

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpStream;

pub(crate) async fn echo(stream: TcpStream) {
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = http1::Builder::new().serve_connection(io, service_fn(upgraded)).with_upgrades().await;
}

async fn upgraded(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let Ok((response, upgrade)) = upgrade::upgrade(&mut request) else { return Ok(Response::new(Empty::new())) };
    tokio::spawn(tokio::task::unconstrained(async move {
        let _ = answer(upgrade).await;
    }));
    Ok(response)
}

async fn answer(upgrade: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = FragmentCollector::new(upgrade.await?);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
