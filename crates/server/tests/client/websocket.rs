//! Frames (RFC 6455, 5.2), as far as a test needs them.

use super::Client;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// A frame of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Close(u16, String),
    Other(u8),
}

/// A client's WebSocket.
pub(crate) struct WebSocket {
    pub(crate) client: Client,
}

impl WebSocket {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(TEXT, text.as_bytes());
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
    }

    pub(crate) fn recv(&mut self) -> Frame {
        let [first, length] = self.take(2)[..] else { unreachable!("two bytes") };
        let length = match length {
            126 => self.take(2).into_iter().fold(0, |length, byte| length << 8 | usize::from(byte)),
            127 => self.take(8).into_iter().fold(0, |length, byte| length << 8 | usize::from(byte)),
            length => usize::from(length),
        };
        let payload = self.take(length);
        match first & 0x0f {
            TEXT => Frame::Text(String::from_utf8(payload).unwrap()),
            BINARY => Frame::Binary(payload),
            CLOSE => Frame::Close(u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).unwrap()),
            other => Frame::Other(other),
        }
    }

    /// The server's Close, which must be what comes next: its code and reason.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String) {
        match self.recv() {
            Frame::Close(code, reason) => (code, reason),
            frame => unreachable!("{frame:?} is not a Close"),
        }
    }

    /// Says so much that the server always has something to read, until its Close comes: its code and reason.
    #[track_caller]
    pub(crate) fn closed_while_talking(&mut self) -> (u16, String) {
        let frame = [0x80 | TEXT, 0x80 | 1, 0, 0, 0, 0, b'x'];
        let talk = self.client.sending_for_ever(frame.repeat(1000));
        let closed = self.closed();
        talk.stop();
        closed
    }

    /// The server's Close, its answer, and the end of TCP.
    #[track_caller]
    pub(crate) fn closed_and_answered(mut self) -> (u16, String) {
        let (code, reason) = self.closed();
        self.close(code, "");
        self.client.wait_for_end();
        (code, reason)
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length => frame.extend_from_slice(&[&[0x80 | 126], &(length as u16).to_be_bytes()[..]].concat()),
        }
        let mask = [7, 5, 3, 1];
        frame.extend_from_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.client.send(&frame);
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        self.client.read_until(|read| (read.len() >= count).then_some(count))
    }
}
