//! What our client says to another library's echo server, and checks of what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use silverback::dialer::Proxy;
use silverback::{Budget, CloseCode, CloseReport, Deflate, Dialer, Heartbeat, Message, WebSocket};
use silverback_conformance::{Failure, Process, Result};

const SOON: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(60);

/// How long the peer has to answer our pings, and a little more than that.
const DEAD_AFTER: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_millis(2500);

/// What our client offers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ours {
    /// No compression.
    Plain,
    /// Compression as it is by default: each message for itself.
    Compressed,
    /// Compression that refers to earlier messages.
    KeepingContext,
}

impl Ours {
    fn deflate(self) -> Option<Deflate> {
        match self {
            Self::Plain => None,
            Self::Compressed => Some(Deflate::default()),
            Self::KeepingContext => Some(Deflate::default().context_takeover(Budget::new(64 << 20))),
        }
    }
}

/// Talks to the server of another library at this address until both have closed, and returns the extension that was agreed on.
pub(crate) async fn talk_with(server: &Process, address: SocketAddr, ours: Ours) -> Result<String> {
    let heartbeat = Heartbeat { ping_after: Duration::from_millis(300), dead_after: DEAD_AFTER };
    let dialer = Dialer::builder().deflate(ours.deflate()).heartbeat(heartbeat).proxy(Proxy::none()).build()?;
    let url = format!("ws://{address}/");
    let talk = async {
        let (socket, response) = dialer.connect_with_response(&url).await?;
        let agreed = response.headers().get("sec-websocket-extensions").map_or(Ok("none"), |value| value.to_str())?.to_owned();
        let report = until_we_close(socket).await?;
        compression_is_seen(&report, agreed != "none")?;
        server.wait_for_line("closed 4321 done: 完了", SOON)?;
        until_they_close(dialer.connect(&url).await?).await?;
        Ok(agreed)
    };
    tokio::time::timeout(LIMIT, talk).await?.map_err(|failure: Failure| server.failure(failure.to_string()))
}

async fn until_we_close(mut socket: WebSocket) -> Result<CloseReport> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let texts = ["hello", "Grüße, κόσμε, 世界, 🦍", "", &"0123456789abcdef".repeat(1 << 16)];
    let binaries = [every_byte.clone(), Vec::new(), every_byte.repeat(1 << 12)];
    for message in texts.map(Message::text).into_iter().chain(binaries.map(Message::binary)) {
        socket.send(message.clone()).await?;
        comes(&mut socket, message).await?;
    }
    // They send this in fragments. It has no repetition, for compression not to make one fragment of it.
    let noise: String = (0..4000_u32).map(|i| format!("{:x}", i.wrapping_mul(2_654_435_761))).collect();
    let in_pieces = Message::text(format!("in pieces: {noise}, 世界"));
    socket.send(in_pieces.clone()).await?;
    comes(&mut socket, in_pieces).await?;

    let burst = || (0..2000).map(|i| Message::text(format!("message {i}")));
    for message in burst() {
        socket.send(message).await?;
    }
    for message in burst() {
        comes(&mut socket, message).await?;
    }

    socket.send("ping me").await?;
    comes(&mut socket, Message::text("pong came")).await?;
    // We ping while nothing comes, and would give the peer up without its pongs.
    if let Ok(message) = tokio::time::timeout(SILENCE, socket.recv()).await {
        return Err(Failure::new(format!("not quiet, but {message:?}: {:?}", socket.close_report())));
    }

    let report = socket.close(CloseCode::new(4321)?, "done: 完了").await;
    // A server need not repeat the reason, and gorilla's does not.
    match report.received.as_ref().and_then(|frame| frame.code).map(CloseCode::get) {
        Some(4321) => Ok((*report).clone()),
        _ => Err(Failure::new(format!("our close was not answered with its code: {report}"))),
    }
}

async fn until_they_close(mut socket: WebSocket) -> Result<()> {
    socket.send("close me").await?;
    if let Some(message) = socket.recv().await {
        return Err(Failure::new(format!("not a close, but {message:?}")));
    }
    match socket.close_report() {
        Some(report) if report.to_string().contains("received 4322 \"as you wish: どうぞ\"") && report.is_clean() => Ok(()),
        report => Err(Failure::new(format!("not the close that was asked for: {report:?}"))),
    }
}

async fn comes(socket: &mut WebSocket, expected: Message) -> Result<()> {
    match socket.recv().await {
        Some(message) if message == expected => Ok(()),
        Some(other) => Err(Failure::new(format!("{} bytes came that are not the {} that were sent", other.len(), expected.len()))),
        None => Err(Failure::new(format!("the end came, and {} bytes should have: {:?}", expected.len(), socket.close_report()))),
    }
}

/// Two MiB went each way, in patterns that leave little of them.
fn compression_is_seen(report: &CloseReport, is_compressed: bool) -> Result<()> {
    const A_QUARTER: u64 = 512 * 1024;
    let is_small = [report.incoming.bytes < A_QUARTER, report.outgoing.bytes < A_QUARTER];
    if is_small == [is_compressed; 2] {
        return Ok(());
    }
    Err(Failure::new(format!("compressed: {is_compressed}; sent {:?}, received {:?}", report.outgoing, report.incoming)))
}
