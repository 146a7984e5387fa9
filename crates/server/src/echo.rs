//! `silverback echo`: sends every message back.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytesize::ByteSize;
use silverback::{Origins, QueueLimits, Upgrader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::process;

pub(crate) async fn echo(listen: SocketAddr, max_message: ByteSize) -> Result<(), Box<dyn Error>> {
    let upgrader = Upgrader::builder()
        .origins(Origins::Any) // it knows nobody and tells nothing
        .message_limit(usize::try_from(max_message.as_u64())?)
        .queue(QueueLimits::default())
        .build();
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    println!("listening on ws://{}", listener.local_addr()?);

    let mut connections = JoinSet::new();
    let stopped = process::stopped();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            signal = &mut stopped => {
                signal?;
                return Ok(());
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(upgrader.clone(), stream))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
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
