//! `back_end ADDRESS FILE`: a back end that takes every event of the hooks. It is made to be killed.
//!
//! Before it answers, it adds a line to the file: `KIND SESSION ID TEXT`. The text is that of a message, or how many were given up by a session that
//! ended. It says `listening on ADDRESS`.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;

use serde_json::Value;
use silverback_conformance::{Failure, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, file] = &arguments[..] else { return Err(Failure::new("usage: back_end ADDRESS FILE")) };
    let listener = TcpListener::bind(address).await?;
    let file = Arc::new(OpenOptions::new().append(true).create(true).open(file)?);
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, file.clone()));
    }
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, file: Arc<File>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut line) = (HashMap::new(), String::new());
        while stream.read_line(&mut line).await? > 0 && line.trim() != "" {
            if let Some((name, value)) = line.trim().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            line.clear();
        }
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let Ok(length) = header("content-length").parse() else { return Ok(()) };
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let kind = header("ce-type").rsplit('.').next().unwrap_or_default();
        let shown = match kind {
            "message" => String::from_utf8_lossy(&body).into_owned(),
            "ended" => serde_json::from_slice::<Value>(&body)?["messages"]["given_up"].to_string(),
            _ => String::new(),
        };
        let told = format!("{kind} {} {} {shown}\n", header("ce-session"), header("webhook-id"));
        (&*file).write_all(told.as_bytes())?; // one write is one line, also when this is killed
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
    }
}
