//! tokio-tungstenite as a peer: see ../README.md. It has no compression.

use std::error::Error;
use std::future::ready;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};
use tokio_tungstenite::{accept_async, connect_async, tungstenite};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Either end of a connection.
trait Socket: Stream<Item = tungstenite::Result<Message>> + Sink<Message, Error = tungstenite::Error> + Unpin {}
impl<S: Stream<Item = tungstenite::Result<Message>> + Sink<Message, Error = tungstenite::Error> + Unpin> Socket for S {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", "off"] => serve().await,
        ["connect", url, "off"] => connect(url).await,
        _ => Err("usage: tungstenite_peer serve off | connect URL off".into()),
    }
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let mut ws = accept_async(stream).await?;
        println!("extensions none");
        while let Some(Ok(message)) = ws.next().await {
            match message {
                Message::Close(frame) => print_closed(frame),
                Message::Ping(_) => {} // the library answers it
                Message::Pong(_) => ws.send(Message::text("pong came")).await?,
                Message::Text(text) if text == "ping me" => ws.send(Message::Ping("are you there?".into())).await?,
                Message::Text(text) if text == "close me" => ws.send(close(4322, "as you wish: どうぞ")).await?,
                Message::Text(text) if text.starts_with("in pieces") => in_pieces(&mut ws, Data::Text, text.as_bytes()).await?,
                message => ws.send(message).await?,
            }
        }
    }
}

async fn connect(url: &str) -> Result<()> {
    let (mut ws, _) = connect_async(url).await?;
    println!("extensions none");
    let every_byte = (0..=255).collect::<Vec<u8>>();
    for text in ["hello", "Grüße, κόσμε, 世界, 🦍", "", &"0123456789abcdef".repeat(1 << 16)] {
        ws.send(Message::text(text)).await?;
        comes(&mut ws, Message::text(text)).await?;
    }
    for binary in [every_byte.clone(), Vec::new()] {
        ws.send(Message::binary(binary.clone())).await?;
        comes(&mut ws, Message::binary(binary)).await?;
    }
    in_pieces(&mut ws, Data::Text, "in pieces: 世界".as_bytes()).await?;
    comes(&mut ws, Message::text("in pieces: 世界")).await?;
    in_pieces(&mut ws, Data::Binary, &every_byte).await?;
    comes(&mut ws, Message::binary(every_byte)).await?;

    let burst = || (0..2000).map(|i| Message::text(format!("message {i}")));
    ws.send_all(&mut futures_util::stream::iter(burst().map(Ok))).await?;
    for message in burst() {
        comes(&mut ws, message).await?;
    }

    ws.send(Message::Ping("are you there?".into())).await?;
    comes(&mut ws, Message::Pong("are you there?".into())).await?;
    ws.send(close(4321, "done: 完了")).await?;
    let Some(Ok(Message::Close(frame))) = ws.next().await else { return Err("no Close came".into()) };
    print_closed(frame);
    ws.for_each(|_| ready(())).await; // to the end of TCP
    Ok(())
}

async fn comes(ws: &mut impl Socket, expected: Message) -> Result<()> {
    match ws.next().await {
        Some(Ok(message)) if message == expected => Ok(()),
        other => Err(format!("not what was sent: {:.80}", format!("{other:?}")).into()),
    }
}

/// Sends one message in three frames, the first of which may end within a character, and the second of which is empty.
async fn in_pieces(ws: &mut impl Socket, kind: Data, payload: &[u8]) -> Result<()> {
    let (first, last) = payload.split_at(12);
    for (kind, part, is_last) in [(kind, first, false), (Data::Continue, &[], false), (Data::Continue, last, true)] {
        ws.send(Message::Frame(Frame::message(part.to_vec(), OpCode::Data(kind), is_last))).await?;
    }
    Ok(())
}

fn close(code: u16, reason: &'static str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

fn print_closed(frame: Option<CloseFrame>) {
    match frame {
        Some(frame) => println!("closed {} {}", u16::from(frame.code), frame.reason),
        None => println!("closed 1005"),
    }
}
