//! Floods of every kind against the real `silverback serve`: others are served meanwhile, memory stays flat, and the log stays readable.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use silverback_conformance::{Failure, Opcode, Place, RawPeer, Result, Server, installed};

const MIB: u64 = 1 << 20;

/// How many sockets stay half open: these are ours, of the 20,000 files that a process may have open here, and the others another process's.
const HALF_OPEN: [usize; 2] = [15_000, 5_000];

/// Opens as many sockets as it is told and keeps them until nobody listens to it.
const OTHER_PROCESS: &str = "
import socket, sys
sockets = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
for each in sockets[::2]: each.send(b'G')
print(len(sockets), flush=True)
sys.stdin.read()
";

/// What the server may grow by, whatever is sent to it.
const FLAT: u64 = 96 * MIB;

/// How many lines the log may have of a flood: at the beginning and the end, for each other client, and in a second.
const READABLE: (usize, usize, usize) = (50, 2, 24);

/// How long an answer may take on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Others of a server, before and during a flood.
struct Others<'a> {
    server: &'a Server,
    target: String,
    before: u64,
    began: Instant,
    served: usize,
    latencies: Vec<Duration>,
}

impl<'a> Others<'a> {
    fn of(server: &'a Server) -> Result<Self> {
        let target = format!("/ws?token={}", server.token("alice")?);
        let mut others = Self { server, target, before: 0, began: Instant::now(), served: 0, latencies: Vec::new() };
        for _ in 0..20 {
            others.are_served()?;
        }
        println!("before: {:?}", others.median());
        others.before = server.process.peak_memory()?;
        Ok(others)
    }

    /// A new client connects, says something and leaves.
    fn are_served(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut peer = RawPeer::connect(self.server.address, &self.target)?;
        peer.send(Opcode::Text, b"I am well")?;
        peer.send(Opcode::Close, &1000_u16.to_be_bytes())?;
        peer.close()?;
        self.latencies.push(began.elapsed());
        self.served += 1;
        Ok(())
    }

    fn median(&mut self) -> Duration {
        let mut latencies = std::mem::take(&mut self.latencies);
        latencies.sort_unstable();
        latencies.get(latencies.len() / 2).copied().unwrap_or_default()
    }

    /// They were served all the while, and it cost little.
    fn were_served(mut self) -> Result<()> {
        self.are_served()?;
        let median = self.median();
        let grown = self.server.process.peak_memory()?.saturating_sub(self.before);
        println!("during: {median:?}, and the process grew by {} KiB", grown / 1024);
        assert!(median <= ANSWERS_WITHIN, "a client was served after {median:?}");
        assert!(grown <= FLAT, "the process grew by {grown} bytes");
        let lines = self.server.process.printed_lines();
        let (around, each, in_a_second) = READABLE;
        let readable = around + each * self.served + in_a_second * (1 + self.began.elapsed().as_secs() as usize);
        println!("the log has {lines} lines, and may have {readable}");
        assert!(lines <= readable, "{}", self.server.process.failure(format!("the log has {lines} lines")));
        Ok(())
    }
}

fn connect(server: &Server) -> Result<TcpStream> {
    let stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    Ok(stream)
}

/// The status of what comes back.
fn status(mut stream: &TcpStream) -> Result<u16> {
    let mut head = [0; 12]; // HTTP/1.1 401
    stream.read_exact(&mut head)?;
    let head = String::from_utf8_lossy(&head).into_owned();
    head.rsplit(' ').next().and_then(|status| status.parse().ok()).ok_or_else(|| Failure::new(format!("{head:?} is no answer")))
}

/// Writes as much as is taken; whoever has answered may take no more.
fn send(mut stream: &TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
}

fn handshake(more: &str) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: silverback.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

#[test]
fn thousands_of_half_open_sockets_keep_nobody_out() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let mut others = Others::of(&server)?;
    let [ours, theirs] = HALF_OPEN;
    let (port, theirs) = (server.address.port().to_string(), theirs.to_string());
    let mut other = Command::new(installed::program("python3")?)
        .args(["-c", OTHER_PROCESS, &port, &theirs])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut half_open = Vec::with_capacity(ours);
    for number in 0..ours {
        let stream = connect(&server)?;
        let part: &[u8] = [&b""[..], b"G", b"GET /ws HTTP/1.1\r\nHost: silv"][number % 3];
        send(&stream, part);
        half_open.push(stream);
        if number % 500 == 0 {
            others.are_served()?;
        }
    }
    let mut opened = String::new();
    let told = other.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
    BufReader::new(told).read_line(&mut opened)?;
    assert_eq!(opened.trim(), theirs, "the other process has opened so many");
    let held = server.process.descriptors()?;
    println!("of {} half-open sockets the server holds {held}", HALF_OPEN.iter().sum::<usize>());
    assert!(held < 2500, "the server holds {held} descriptors");
    drop(other.stdin.take()); // it ends
    other.wait()?;
    others.were_served()
}

#[test]
fn a_flood_of_handshakes_keeps_nobody_out_and_fills_no_log() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let mut others = Others::of(&server)?;
    for round in 0..40 {
        let streams = (0..100).map(|_| connect(&server)).collect::<Result<Vec<_>>>()?;
        let forged = format!("X-Forwarded-For: 203.0.113.{round}\r\nForwarded: for=203.0.113.{round}\r\n");
        streams.iter().for_each(|stream| send(stream, handshake(&forged).as_bytes()));
        for stream in &streams {
            assert_eq!(status(stream)?, 401);
        }
        if round % 4 == 0 {
            others.are_served()?;
        }
    }
    let believed = server.process.printed();
    assert!(!believed.contains("203.0.113."), "{believed}");
    others.were_served()
}

#[test]
fn a_flood_of_one_address_takes_nothing_from_another() -> Result<()> {
    let settings = [("SILVERBACK_PROXIES_TRUSTED", "127.0.0.1"), ("SILVERBACK_LIMITS_HANDSHAKES_PER_SECOND_PER_ADDRESS", "50")];
    let server = Server::start(&Place::Here, &settings)?;
    let mut others = Others::of(&server)?;
    let mut refused = 0;
    for round in 0..20 {
        let streams = (0..100).map(|_| connect(&server)).collect::<Result<Vec<_>>>()?;
        streams.iter().for_each(|stream| send(stream, handshake("X-Forwarded-For: 203.0.113.7\r\n").as_bytes()));
        for stream in &streams {
            refused += usize::from(status(stream)? == 429);
        }
        if round % 4 == 0 {
            others.are_served()?;
        }
    }
    println!("{refused} of 2000 were told that they are too many");
    assert!(refused > 0);
    others.were_served()
}

#[test]
fn slow_heads_and_slow_bodies_keep_nobody_out() -> Result<()> {
    let server = Server::start(&Place::Here, &[("SILVERBACK_LIMITS_HANDSHAKE_TIMEOUT", "2s")])?;
    let mut others = Others::of(&server)?;
    let key = server.key();
    let body = format!(
        "POST /v1/users/alice/messages HTTP/1.1\r\nHost: silverback.test\r\nAuthorization: Bearer {key}\r\nContent-Length: 1000000\r\n\r\n"
    );
    let (mut slow_heads, mut slow_bodies) = (Vec::new(), Vec::new());
    for _ in 0..500 {
        slow_heads.push(connect(&server)?);
        slow_bodies.push(connect(&server)?);
        slow_heads.last().iter().for_each(|stream| send(stream, b"GET /"));
        slow_bodies.last().iter().for_each(|stream| send(stream, body.as_bytes()));
    }
    for _ in 0..20 {
        slow_bodies.iter().for_each(|stream| send(stream, b"x"));
        others.are_served()?;
    }
    for stream in &slow_heads {
        assert_eq!(status(stream)?, 408);
    }
    others.were_served()
}

#[test]
fn whatever_is_too_large_is_refused_before_it_is_kept() -> Result<()> {
    let server = Server::start(&Place::Here, &[])?;
    let mut others = Others::of(&server)?;
    let padding = "x".repeat(1 << 20);
    let key = server.key();
    for (request, expected) in [
        (handshake(&format!("X-Padding: {padding}\r\n")), 431),
        (format!("GET /{padding} HTTP/1.1\r\nHost: a\r\n\r\n"), 431),
        (
            format!("POST /v1/users/alice/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\nAuthorization: Bearer {key}\r\n\r\n"),
            413,
        ),
        ("POST /v1/users/alice/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 67108864\r\n\r\n".to_owned(), 401),
    ] {
        for _ in 0..20 {
            let stream = connect(&server)?;
            send(&stream, request.as_bytes());
            for _ in 0..2 {
                send(&stream, padding.as_bytes());
            }
            assert_eq!(status(&stream)?, expected, "{}", &request[..20]);
        }
        others.are_served()?;
    }
    for _ in 0..20 {
        let mut peer = RawPeer::connect(server.address, &others.target)?;
        peer.send_bytes(&[0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0])?; // a frame of 1 GiB
        assert_eq!(peer.close()?.0, 1009);
    }
    others.were_served()
}
