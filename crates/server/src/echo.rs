//! `silverback echo`: sends every message back.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;

use bytesize::ByteSize;
use silverback::{Deflate, Origins, Upgrader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use crate::config::Runtime;
use crate::shards::Shards;
use crate::{accept, process};

pub(crate) async fn echo(listen: SocketAddr, max_message: ByteSize) -> Result<(), Box<dyn Error>> {
    let upgrader = Upgrader::builder()
        .origins(Origins::Any) // it knows nobody and tells nothing
        .message_limit(usize::try_from(max_message.as_u64())?)
        .deflate(Deflate::default())
        .build();
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}; choose another address with --listen"))?;
    let mut stopped = pin!(process::stopped()?);
    writeln!(std::io::stdout(), "listening on ws://{}", listener.local_addr()?)?;

    let (shards, tasks) = (Shards::start(Runtime::default())?, TaskTracker::new());
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(()),
            (stream, _) = accept::next(|| listener.accept()) => {
                let upgrader = upgrader.clone();
                shards.spawn(&tasks, stream, |stream| serve(upgrader, stream));
            }
        }
    }
}

async fn serve(upgrader: Upgrader, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = match upgrader.accept(stream).await {
        Ok(socket) => socket,
        Err(error) => return tracing::debug!(%error, "no connection"),
    };
    let report = socket
        .run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                tx.send(message).await?;
            }
            Ok(())
        })
        .await;
    tracing::debug!(%report, "ended");
}
