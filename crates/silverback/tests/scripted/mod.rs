//! Servers on loopback that do what a test says, and remember what they were asked.
#![allow(dead_code, reason = "not every test needs every server")]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use silverback::wire::handshake::{HeadReader, encode_response};
use silverback::{Dialer, Upgrader};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A dialer that goes through no proxy, whatever the machine says.
pub(crate) fn dialer() -> silverback::DialerBuilder {
    Dialer::builder().proxy(silverback::dialer::Proxy::none())
}

/// Serves each connection that comes, in a task of its own.
pub(crate) async fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A WebSocket server that says back what it hears.
pub(crate) async fn echo(upgrader: Upgrader) -> SocketAddr {
    serve(move |stream| {
        let upgrader = upgrader.clone();
        async move {
            let Ok(mut socket) = upgrader.accept(stream).await else { return };
            while let Some(message) = socket.recv().await {
                let _ = socket.send(message).await;
            }
        }
    })
    .await
}

/// Answers every request with these bytes and then reads on, so that the connection stays. The heads of the requests come out of the channel.
pub(crate) async fn answering(answer: impl Into<String>) -> (SocketAddr, mpsc::Receiver<String>) {
    let (heads, all_heads) = mpsc::channel(100);
    let answer = answer.into();
    let address = serve(move |mut stream| {
        let (heads, answer) = (heads.clone(), answer.clone());
        async move {
            heads.send(head(&mut stream).await).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    (address, all_heads)
}

/// Answers with a good 101 and these headers as well, and with what follows it.
pub(crate) async fn accepting(headers: &'static [(&'static str, &'static str)], behind: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut reader = HeadReader::new(10_000);
        let end = loop {
            if let Some(end) = reader.poll_end().unwrap() {
                break end;
            }
            stream.read_buf(reader.buffer()).await.unwrap();
        };
        let (request, _) = reader.finish(end).unwrap();
        let mut response = Upgrader::default().judge(&request).unwrap().response;
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        let mut bytes = encode_response(&response);
        bytes.extend_from_slice(behind);
        stream.write_all(&bytes).await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

/// Takes connections and says nothing.
pub(crate) async fn silent() -> SocketAddr {
    serve(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

/// Where nothing listens.
pub(crate) async fn dead() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap() // and it is closed
}

/// Listens, but takes no connection: its queue is full.
pub(crate) struct BlackHole {
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn black_hole() -> BlackHole {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "this system's queues have no end");
    }
    BlackHole { _listener: listener, _queued: queued, address }
}

/// Reads one head.
pub(crate) async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A message goes there and comes back.
pub(crate) async fn echoes(socket: &mut silverback::WebSocket) {
    socket.send("hello").await.unwrap();
    assert_eq!(timeout(DEADLINE, socket.recv()).await.unwrap().unwrap(), silverback::Message::from("hello"));
}

/// Message and `Debug` of an error, with all its causes.
pub(crate) fn all_of(error: &dyn std::error::Error) -> String {
    format!("{error} {error:?} {}", error.source().map(all_of).unwrap_or_default())
}
