//! HTTP/1.1, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;

use super::{DEADLINE, WebSocket};

/// A request that is written as it stands.
#[derive(Clone)]
pub(crate) struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { line: format!("{method} {target} HTTP/1.1"), headers: vec![("Host".into(), "silverback.test".into())], body: Vec::new() }
    }

    /// A handshake with which nothing is wrong but that it has no token.
    pub(crate) fn handshake(target: &str) -> Self {
        Self::new("GET", target)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Another request line.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.line = line.to_owned();
        self
    }

    /// One more header line.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// These lines, none or several, in place of those of that name.
    pub(crate) fn with(mut self, name: &str, values: &[&str]) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        values.iter().fold(self, |request, value| request.header(name, value))
    }

    /// A body, and its length.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.with("Content-Length", &[&length])
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The header's value, or "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| unreachable!("{error}: {self:?}"))
    }

    /// It is a problem (RFC 9457) with this status and cause; its members, for more.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, cause: &str) -> Value {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!((&problem["status"], &problem["cause"]), (&Value::from(status), &Value::from(cause)), "{self:?}");
        assert_eq!(problem["type"], format!("urn:silverback:refusal:{cause}"));
        problem
    }

    /// It is a refusal in words with this status and cause.
    #[track_caller]
    pub(crate) fn refusal(&self, status: u16, cause: &str) -> &str {
        assert_eq!((self.status, self.header("content-type")), (status, "text/plain; charset=utf-8"), "{self:?}");
        for part in [&format!("({cause})"), "\nWhat arrived: ", "\nWhat to do: "] {
            assert!(self.body.contains(part), "{part:?} is not in {self:?}");
        }
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        &self.body
    }
}

/// Something that is sent all the time.
pub(crate) struct Talk {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Talk {
    pub(crate) fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// A TCP connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// What was read and not yet taken.
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Writes what the other end still takes; one that has answered already may take no more.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => unreachable!("{error}"),
            _ => {}
        }
    }

    /// Sends this again and again, from another thread, as fast as it is taken.
    pub(crate) fn sending_for_ever(&self, bytes: Vec<u8>) -> Talk {
        let mut stream = self.stream.try_clone().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let told = is_over.clone();
        Talk { is_over, thread: std::thread::spawn(move || while !told.load(Ordering::Relaxed) && stream.write_all(&bytes).is_ok() {}) }
    }

    /// No more will be sent.
    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn ask(&mut self, request: Request) -> Answer {
        self.send(&request.bytes());
        self.answer()
    }

    /// The next answer, with its body if it says how long it is.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.read_until(|read| read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4));
        let head = String::from_utf8(head).unwrap();
        let (line, lines) = head.split_once("\r\n").unwrap();
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        let pairs = lines.lines().filter_map(|line| line.split_once(": "));
        let headers = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut answer = Answer { status, headers, body: String::new() };
        let length: usize = answer.header("content-length").parse().unwrap_or_default();
        let body = self.read_until(|read| (read.len() >= length).then_some(length));
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Shakes hands, which must succeed.
    #[track_caller]
    pub(crate) fn upgrade(mut self, request: Request) -> (Answer, WebSocket) {
        let answer = self.ask(request);
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        (answer, WebSocket::new(self))
    }

    /// Everything up to and with this text, of a stream that goes on.
    pub(crate) fn read_to(&mut self, text: &str) -> String {
        let text = text.as_bytes();
        let read = self.read_until(|read| read.windows(text.len()).position(|part| part == text).map(|at| at + text.len()));
        String::from_utf8(read).unwrap()
    }

    /// Takes as many bytes as `end` says, as soon as it says so.
    pub(crate) fn read_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Vec<u8> {
        loop {
            if let Some(end) = end(&self.read) {
                return self.read.drain(..end).collect();
            }
            let mut part = [0; 16 * 1024];
            let count = self.stream.read(&mut part).unwrap_or_else(|error| unreachable!("{error} behind {}", self.shown()));
            assert!(count > 0, "the connection ended behind {}", self.shown());
            self.read.extend_from_slice(&part[..count]);
        }
    }

    /// Everything up to the end of the stream.
    pub(crate) fn rest(&mut self) -> String {
        self.stream.read_to_end(&mut self.read).unwrap();
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    /// Waits until the other end has ended the connection, with a FIN or a reset.
    pub(crate) fn wait_for_end(&mut self) {
        let mut part = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(1..) => {}
                Err(error) if error.kind() != ErrorKind::ConnectionReset => unreachable!("the connection did not end: {error}"),
                _ => return,
            }
        }
    }

    fn shown(&self) -> String {
        format!("{:?}", String::from_utf8_lossy(&self.read))
    }
}
