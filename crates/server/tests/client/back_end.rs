//! A back end: it takes events over HTTP, remembers them, and answers as it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use serde_json::Value;

use super::DEADLINE;

/// The secret of these tests, for `hooks.secret`.
pub(crate) const HOOK_SECRET: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// An event as it came.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Hook {
    /// The header's value, or "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The last part of its type: `connect`, `connected`, `message`, `ended`.
    pub(crate) fn kind(&self) -> &str {
        self.header("ce-type").rsplit('.').next().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a back end says: a status, a content type and a body.
pub(crate) type Reply = (u16, &'static str, Vec<u8>);

/// Nothing but that it has it.
pub(crate) fn taken() -> Reply {
    (204, "", Vec::new())
}

type Judge = Box<dyn FnMut(&Hook) -> Option<Reply> + Send>;

pub(crate) struct BackEnd {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    judge: Mutex<Judge>,
    received: Mutex<Vec<Hook>>,
    changed: Condvar,
}

impl BackEnd {
    /// Answers each event so; `None` ends the connection without an answer.
    pub(crate) fn start(judge: impl FnMut(&Hook) -> Option<Reply> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared { judge: Mutex::new(Box::new(judge)), received: Mutex::default(), changed: Condvar::new() });
        let (address, serving) = (listener.local_addr().unwrap(), shared.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = serving.clone();
                thread::spawn(move || serving.serve(stream.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// Takes everything.
    pub(crate) fn agreeable() -> Self {
        Self::start(|_| Some(taken()))
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, judge: impl FnMut(&Hook) -> Option<Reply> + Send + 'static) {
        *self.shared.judge.lock().unwrap() = Box::new(judge);
    }

    /// A configuration that tells this back end everything, with these lines behind it.
    pub(crate) fn configuration(&self, more: &str) -> String {
        format!("[hooks]\nurl = \"http://{}/hooks?hush=hush-hush-query\"\nsecret = \"{HOOK_SECRET}\"\n{more}\n", self.address)
    }

    /// Waits until it has so many events of a kind, and gives all of that kind, in the order in which they came.
    #[track_caller]
    pub(crate) fn wait_for(&self, kind: &str, count: usize) -> Vec<Hook> {
        let of_kind = |received: &[Hook]| received.iter().filter(|hook| hook.kind() == kind).cloned().collect::<Vec<_>>();
        let received = self.shared.received.lock().unwrap();
        let (received, _) = self.shared.changed.wait_timeout_while(received, DEADLINE, |received| of_kind(received).len() < count).unwrap();
        let found = of_kind(&received);
        assert!(
            found.len() >= count,
            "{} of {count} events {kind:?}: {:?}",
            found.len(),
            received.iter().map(Hook::kind).collect::<Vec<_>>()
        );
        found
    }

    /// All that came so far.
    pub(crate) fn received(&self) -> Vec<Hook> {
        self.shared.received.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        loop {
            let Some(head_end) = fill(&mut stream, &mut read, |read| read.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4))
            else {
                return;
            };
            let head = String::from_utf8(read.drain(..head_end).collect()).unwrap();
            let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            let headers: Vec<_> = pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let length = headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, value)| value.parse().unwrap());
            if fill(&mut stream, &mut read, |read| (read.len() >= length).then_some(length)).is_none() {
                return;
            }
            let hook = Hook { headers, body: read.drain(..length).collect() };
            let reply = (self.judge.lock().unwrap())(&hook);
            self.received.lock().unwrap().push(hook);
            self.changed.notify_all();
            let Some((status, content_type, body)) = reply else { return };
            let typed = if content_type.is_empty() { String::new() } else { format!("Content-Type: {content_type}\r\n") };
            let head = format!("HTTP/1.1 {status} X\r\n{typed}Content-Length: {}\r\n\r\n", body.len());
            if stream.write_all(&[head.as_bytes(), &body].concat()).is_err() {
                return;
            }
        }
    }
}

/// Reads until it is enough; `None` where the stream ends before.
fn fill(stream: &mut TcpStream, read: &mut Vec<u8>, enough: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
    let mut part = [0; 16 * 1024];
    loop {
        if let Some(end) = enough(read) {
            return Some(end);
        }
        match stream.read(&mut part) {
            Ok(count @ 1..) => read.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}
