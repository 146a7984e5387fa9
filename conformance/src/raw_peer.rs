//! A WebSocket client made by hand, on blocking sockets. It shares no code with the library under test.
//!
//! It is a script's hands, not a client: it does what it is told, frame by frame, also what it should not.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::{Failure, Result};

/// The example of RFC 6455, section 1.3. A constant key spares us a hash; only a client that can be lied to needs a random one.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const MASK: [u8; 4] = [0x5A, 0xA5, 0x0F, 0xF0];
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The bit of a first byte that says: the last frame of its message.
pub const FIN: u8 = 0x80;
/// The bit of a first byte that says: a compressed message.
pub const RSV1: u8 = 0x40;

/// A connection whose handshake is done.
pub struct RawPeer {
    stream: BufReader<TcpStream>,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is the last of its message.
    pub is_final: bool,
    /// What it is.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The opcodes of RFC 6455, section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFC's own names")]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl RawPeer {
    /// Connects and shakes hands. `target` is the path, with a query if need be.
    pub fn connect(server: SocketAddr, target: &str) -> Result<Self> {
        Ok(Self::shake_hands(TcpStream::connect(server)?, server, target, "")?.0)
    }

    /// As [`connect`](Self::connect), asking for compression as well. It is an error when that is not granted.
    pub fn connect_compressing(server: SocketAddr, target: &str) -> Result<Self> {
        const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let (peer, head) = Self::shake_hands(TcpStream::connect(server)?, server, target, OFFER)?;
        match head.to_ascii_lowercase().contains("\r\nsec-websocket-extensions: permessage-deflate") {
            true => Ok(peer),
            false => Err(Failure::new(format!("no compression was granted:\n{head}"))),
        }
    }

    /// As [`connect`](Self::connect), from this address of ours.
    pub fn connect_from(source: IpAddr, server: SocketAddr, target: &str) -> Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect(&server.into())?;
        Ok(Self::shake_hands(socket.into(), server, target, "")?.0)
    }

    /// The peer, and the head of the answer.
    fn shake_hands(stream: TcpStream, server: SocketAddr, target: &str, more_headers: &str) -> Result<(Self, String)> {
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        let mut peer = Self { stream: BufReader::new(stream) };
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more_headers}\r\n"
        );
        peer.stream.get_mut().write_all(request.as_bytes())?;
        let head = peer.response_head()?;
        let is_accepted = head.starts_with("HTTP/1.1 101 ")
            && head.lines().any(|line| {
                let header = line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
                header == Some(("sec-websocket-accept".to_owned(), ACCEPT))
            });
        if is_accepted { Ok((peer, head)) } else { Err(Failure::new(format!("{target} was refused:\n{head}"))) }
    }

    fn response_head(&mut self) -> Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(Failure::new(format!("the connection ended in the response:\n{head}")));
            }
        }
        Ok(head)
    }

    /// Sends a whole message, or a control frame, masked as a client must.
    pub fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<()> {
        self.send_bytes(&frame(FIN | opcode as u8, payload))
    }

    /// Sends these bytes as they are, be they frames or not.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// Sends as much of these bytes as there is room for at once. It is an error when the server has ended the connection.
    pub fn send_what_has_room(&mut self, bytes: &[u8]) -> Result<usize> {
        self.stream.get_ref().set_nonblocking(true)?;
        let sent = self.stream.get_mut().write(bytes);
        self.stream.get_ref().set_nonblocking(false)?;
        match sent {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            sent => Ok(sent?),
        }
    }

    /// The next frame, whatever it is. It is an error when none comes in time, or TCP ends.
    pub fn frame(&mut self) -> Result<Frame> {
        let [first, second] = self.bytes()?;
        let length = match second {
            short @ 0..126 => u64::from(short),
            126 => u64::from(u16::from_be_bytes(self.bytes()?)),
            127 => u64::from_be_bytes(self.bytes()?),
            _ => return Err(Failure::new("the server masked a frame")),
        };
        let mut payload = Vec::new();
        self.stream.by_ref().take(length).read_to_end(&mut payload)?;
        if payload.len() as u64 != length {
            return Err(Failure::new("TCP ended within a frame"));
        }
        Ok(Frame { is_final: first & 0x80 != 0, opcode: Opcode::from_bits(first & 0x7F)?, payload })
    }

    /// The next frame that is no ping; pings are answered.
    pub fn message(&mut self) -> Result<Frame> {
        loop {
            match self.frame()? {
                Frame { opcode: Opcode::Ping, payload, .. } => self.send(Opcode::Pong, &payload)?,
                frame => return Ok(frame),
            }
        }
    }

    /// The code and the reason of the Close that comes now, after messages or not.
    pub fn close(&mut self) -> Result<(u16, String)> {
        loop {
            let frame = self.message()?;
            match (frame.opcode, frame.payload.first_chunk()) {
                (Opcode::Close, None) => return Ok((1005, String::new())),
                (Opcode::Close, Some(code)) => {
                    return Ok((u16::from_be_bytes(*code), String::from_utf8_lossy(&frame.payload[2..]).into_owned()));
                }
                _ => {}
            }
        }
    }

    /// Stays connected until the server ends it: answers pings, and passes over everything else.
    pub fn hold(mut self) -> Result<()> {
        self.stream.get_ref().set_read_timeout(None)?;
        loop {
            if self.message()?.opcode == Opcode::Close {
                return Ok(());
            }
        }
    }

    /// Ends TCP with a reset instead of an orderly end.
    pub fn reset(self) -> Result<()> {
        Ok(SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO))?)
    }

    /// Whether TCP has ended in order, with nothing more to read.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.stream.fill_buf()?.is_empty())
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A frame as a client sends it: masked, after this first byte, which holds the opcode and its bits.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self> {
        let known = [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];
        known
            .into_iter()
            .find(|opcode| *opcode as u8 == bits)
            .ok_or_else(|| Failure::new(format!("a frame has reserved bits or an unknown opcode: {bits:#04x}")))
    }
}
