//! `autobahn_client SERVER`: a client built on the library takes every case of the Autobahn fuzzing server at this address.

use silverback::dialer::Proxy;
use silverback::{Deflate, Dialer, Message, WebSocket};
use silverback_conformance::{Failure, Result};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server] = &arguments[..] else { return Err(Failure::new("usage: autobahn_client SERVER")) };
    let dialer = Dialer::builder()
        .deflate(Deflate::default())
        .message_limit(64 << 20)
        .heartbeat(None) // a case tells what came, and a ping of ours would be in it
        .proxy(Proxy::none())
        .build()?;
    let connect = async |target: &str| dialer.connect(&format!("ws://{server}{target}")).await;

    let mut socket = connect("/getCaseCount").await?;
    let count = case_count(socket.recv().await)?;
    echo(socket).await;
    for case in 1..=count {
        echo(connect(&format!("/runCase?case={case}&agent=silverback")).await?).await;
    }
    // The reports are written before this connection is closed.
    echo(connect("/updateReports?agent=silverback").await?).await;
    Ok(())
}

fn case_count(said: Option<Message>) -> Result<usize> {
    let count = said.as_ref().and_then(Message::as_text).and_then(|text| text.parse().ok());
    count.ok_or_else(|| Failure::new(format!("the server does not say how many cases there are but {said:?}")))
}

/// Sends back what comes, until the end.
async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        let _ = socket.send(message).await; // when the connection is closing, `recv` sees it to its end
    }
}
