//! What passes on the wire, as far as its shape goes: one head, and frames behind it.

use bytes::Bytes;
use silverback::wire::frame::{Header, Opcode};
use silverback::wire::mask;

/// The most bytes of a head that are kept.
const HEAD_LIMIT: usize = 64 * 1024;

/// Something that has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passed {
    /// The request, or its answer.
    Head(Vec<u8>),
    /// The beginning of a frame, with its payload if it is a control frame.
    Frame { header: Header, payload: Bytes },
}

/// Follows one direction of a connection. It looks at headers and leaves the payload of messages alone.
#[derive(Debug)]
pub(super) struct Track(State);

#[derive(Debug)]
enum State {
    /// The head has not come to its end.
    Head(Vec<u8>),
    /// Between frames, or in a header.
    Header(Vec<u8>),
    /// In a control frame.
    Control { header: Header, payload: Vec<u8> },
    /// In the payload of another frame, of which so much is to come.
    Payload(u64),
    /// No frames come: the body of a refusal, or what is no frame.
    Opaque,
}

impl Track {
    pub(super) fn new() -> Self {
        Self(State::Head(Vec::new()))
    }

    /// Whether something may be put in here without cutting a frame.
    pub(super) fn is_between_frames(&self) -> bool {
        matches!(&self.0, State::Header(begun) if begun.is_empty())
    }

    /// Nothing more is to be put in or looked at.
    pub(super) fn end(&mut self) {
        self.0 = State::Opaque;
    }

    /// Looks at what has passed.
    pub(super) fn see(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Passed)) {
        while !bytes.is_empty() {
            bytes = match &mut self.0 {
                State::Opaque => return,
                State::Head(head) => {
                    let before = head.len();
                    head.extend_from_slice(&bytes[..bytes.len().min(HEAD_LIMIT - before)]);
                    let from = before.saturating_sub(3);
                    match head[from..].windows(4).position(|end| end == b"\r\n\r\n") {
                        None if head.len() == HEAD_LIMIT => return self.end(),
                        None => return,
                        Some(at) => {
                            head.truncate(from + at + 4);
                            let rest = &bytes[head.len() - before..];
                            let head = std::mem::take(head);
                            let has_frames = !head.starts_with(b"HTTP/") || head.get(9..12) == Some(b"101");
                            self.0 = if has_frames { State::Header(Vec::new()) } else { State::Opaque };
                            tell(Passed::Head(head));
                            rest
                        }
                    }
                }
                State::Header(begun) => {
                    begun.push(bytes[0]);
                    match Header::decode(begun) {
                        Err(_) => return self.end(), // the connection itself tells what is wrong
                        Ok(None) => {}
                        Ok(Some((header, _))) if header.opcode.is_control() && header.length > 0 => {
                            self.0 = State::Control { header, payload: Vec::new() };
                        }
                        Ok(Some((header, _))) => {
                            self.0 = after(header.length);
                            tell(Passed::Frame { header, payload: Bytes::new() });
                        }
                    }
                    &bytes[1..]
                }
                State::Control { header, payload } => {
                    let header = *header;
                    let missing = usize::try_from(header.length).unwrap_or(usize::MAX) - payload.len();
                    let (part, rest) = bytes.split_at(missing.min(bytes.len()));
                    payload.extend_from_slice(part);
                    if part.len() == missing {
                        let mut payload = std::mem::take(payload);
                        mask::apply(&mut payload, header.mask.unwrap_or_default(), 0);
                        self.0 = if header.opcode == Opcode::Close { State::Opaque } else { after(0) };
                        tell(Passed::Frame { header, payload: payload.into() });
                    }
                    rest
                }
                State::Payload(left) => {
                    let part = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    self.0 = after(*left - part as u64);
                    &bytes[part..]
                }
            };
        }
    }
}

fn after(left: u64) -> State {
    if left == 0 { State::Header(Vec::new()) } else { State::Payload(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x89\x02hi\x01\x03abc\x80\x00\x88\x85\x01\x01\x01\x01\x02\xe9cxd";

    fn passed(wire: &[u8], size: usize) -> Vec<Passed> {
        let (mut track, mut all) = (Track::new(), Vec::new());
        wire.chunks(size).for_each(|bytes| track.see(bytes, |passed| all.push(passed)));
        all
    }

    #[test]
    fn a_head_and_frames_are_seen_however_they_are_cut() {
        let whole = passed(WIRE, WIRE.len());
        assert_eq!(whole.len(), 5, "{whole:?}");
        assert!(matches!(&whole[0], Passed::Head(head) if head.ends_with(b"websocket\r\n\r\n")));
        assert!(matches!(&whole[1], Passed::Frame { header, payload } if header.opcode == Opcode::Ping && payload == "hi"));
        assert!(matches!(&whole[2], Passed::Frame { header, .. } if header.opcode == Opcode::Text && !header.fin && header.length == 3));
        assert!(matches!(&whole[3], Passed::Frame { header, .. } if header.opcode == Opcode::Continuation && header.fin));
        assert!(matches!(&whole[4], Passed::Frame { payload, .. } if payload == &b"\x03\xe8bye"[..]));
        for size in 1..WIRE.len() {
            assert_eq!(passed(WIRE, size), whole, "{size}");
        }
    }

    #[test]
    fn the_body_of_a_refusal_is_not_taken_for_frames() {
        let all = passed(b"HTTP/1.1 401 Unauthorized\r\n\r\n\x81\x01a", 7);
        assert!(matches!(&all[..], [Passed::Head(_)]));
    }

    #[test]
    fn there_is_room_between_frames_only() {
        let mut track = Track::new();
        let mut is_between = |bytes: &[u8]| {
            track.see(bytes, |_| {});
            track.is_between_frames()
        };
        assert!(!is_between(b"GET / HTTP/1.1\r\n"));
        assert!(is_between(b"\r\n"));
        assert!(!is_between(b"\x82"));
        assert!(!is_between(b"\x02"));
        assert!(!is_between(b"a"));
        assert!(is_between(b"b"));
    }
}
