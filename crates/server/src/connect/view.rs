//! What messages and frames look like.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytesize::ByteSize;
use silverback::wire::frame::{Header, Opcode, RSV1};
use silverback::{CloseCode, Message};

use super::frames::Passed;
use super::ink::{Ink, Style};
use super::tap::{Direction, Note};
use super::{hex, pretty, secrets};

/// How wide JSON gets on one line.
const WIDTH: usize = 78;

/// So much of a message is shown.
const SHOWN: usize = 16 * 1024;

/// A message that has come. With `is_detailed`, with its time and size.
pub(super) fn received(mut ink: Ink, message: &Message, is_raw: bool, is_detailed: bool) -> String {
    ink.put(Style::Green, "‹ ");
    if is_detailed {
        ink.dim(&detail(message)).plain("  ");
    }
    match message.as_text() {
        Some(text) => shown_text(&mut ink, text, is_raw, if is_detailed { 34 } else { 2 }),
        None => {
            let (length, more) = (message.len(), message.len().saturating_sub(hex::SHOWN));
            if !is_detailed {
                ink.dim(&format!("binary, {}", size(length as u64)));
            }
            ink.plain("\n").put(Style::Yellow, hex::dump(message.payload()).trim_end());
            if more > 0 {
                ink.plain("\n").dim(&format!("… {more} more bytes; /save PATH saves all of them"));
            }
        }
    }
    ink.line()
}

/// What a person is told of a message that went out: its text is what they typed.
pub(super) fn sent(mut ink: Ink, message: &Message) -> Ink {
    ink.put(Style::Blue, "› ").dim(&detail(message));
    ink
}

/// When a message came or went, and how large it is.
pub(super) fn detail(message: &Message) -> String {
    let kind = if message.as_text().is_some() { "text" } else { "binary" };
    format!("{} {kind} {}", clock(SystemTime::now()), size(message.len() as u64))
}

fn shown_text(ink: &mut Ink, text: &str, is_raw: bool, column: usize) {
    if !is_raw {
        let width = WIDTH.saturating_sub(column).max(30);
        match pretty::write(ink, text, width, 2, SHOWN) {
            pretty::Pretty::Whole => return,
            pretty::Pretty::Cut => return cut(ink, text.len()),
            pretty::Pretty::NotJson => {}
        }
    }
    let shown = &text[..text.floor_char_boundary(SHOWN)];
    ink.plain(&shown.trim_end_matches('\n').replace('\n', "\n  "));
    if shown.len() < text.len() {
        cut(ink, text.len());
    }
}

fn cut(ink: &mut Ink, length: usize) {
    ink.plain("\n").dim(&format!("… it goes on: {} in all; /save PATH saves all of it", size(length as u64)));
}

/// A head or a frame that has passed.
pub(super) fn passed(mut ink: Ink, note: &Note) -> Ink {
    let (arrow, style) = match note.direction {
        Direction::Out => ("→", Style::Blue),
        Direction::In => ("←", Style::Green),
    };
    match &note.passed {
        Passed::Head(head) => {
            for (at, line) in secrets::head(head).iter().enumerate() {
                ink.plain(if at == 0 { "" } else { "\n" }).put(style, &format!("{arrow} ")).dim(line);
            }
        }
        Passed::Frame { header, payload } => {
            ink.put(style, &format!("{arrow} ")).dim(&format!("{} frame {}", clock(note.time), frame(header, payload)));
        }
    }
    ink
}

fn frame(header: &Header, payload: &[u8]) -> String {
    let mut text = match header.opcode {
        Opcode::Continuation => "continuation",
        Opcode::Text => "text",
        Opcode::Binary => "binary",
        Opcode::Close => "close",
        Opcode::Ping => "ping",
        Opcode::Pong => "pong",
    }
    .to_owned();
    for (is_so, word) in [(header.fin, " fin"), (header.reserved & RSV1 != 0, " compressed"), (header.mask.is_some(), " masked")] {
        text.push_str(if is_so { word } else { "" });
    }
    text.push_str(&format!(" {}", size(header.length)));
    match (header.opcode, payload) {
        (_, []) => {}
        (Opcode::Close, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            text.push_str(&format!(" {code}"));
            if !reason.is_empty() {
                text.push_str(&format!(" {}", String::from_utf8_lossy(reason)));
            }
        }
        (_, payload) if payload.iter().all(|byte| matches!(byte, b' '..=b'~')) => {
            text.push_str(&format!(" {:?}", String::from_utf8_lossy(payload)));
        }
        (_, payload) => payload.iter().take(16).for_each(|byte| text.push_str(&format!(" {byte:02x}"))),
    }
    text
}

/// A close code in words (RFC 6455, 7.4.1, and the IANA registry).
pub(super) fn in_words(code: Option<CloseCode>) -> &'static str {
    match code.map(CloseCode::get) {
        None => "it gave no code",
        Some(1000) => "normal: what it was for is done",
        Some(1001) => "going away: the server is shutting down, or hands over",
        Some(1002) => "protocol error: it says that we broke RFC 6455",
        Some(1003) => "it does not take this kind of data: is it text where binary is meant, or the other way round?",
        Some(1007) => "invalid data: it could not read what was sent",
        Some(1008) => "policy: it does not allow this; the reason may say what",
        Some(1009) => "the message was larger than it takes",
        Some(1010) => "it wants an extension that was not agreed on",
        Some(1011) => "an error within the server: its log may say which",
        Some(1012) => "the service is restarting",
        Some(1013) => "too much to do: try again later",
        Some(1014) => "a gateway got no good answer from the server behind it",
        Some(3000) => "unauthorized: are the credentials good?",
        Some(3003) => "forbidden: the credentials are not enough",
        Some(3008) => "a time-out",
        Some(3000..=3999) => "a code of a library or framework",
        Some(_) => "a code of the application's own",
    }
}

pub(super) fn size(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

/// A time that was measured, in three digits or so.
pub(super) fn short(time: Duration) -> String {
    format!("{time:.1?}")
}

/// The time of day in UTC, as logs have it.
fn clock(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60, since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_behind_its_direction() {
        let shown = |message: Message| received(Ink::new(false), &message, false, false);
        assert_eq!(shown("hi".into()), "‹ hi\n");
        assert_eq!(shown("a\nb\n".into()), "‹ a\n  b\n");
        assert_eq!(shown("\x1b[2J".into()), "‹ \\x1b[2J\n");
        assert_eq!(shown("{\"a\":1}".into()), "‹ {\"a\": 1}\n");
        assert!(shown(vec![0xff, b'a'].into()).starts_with("‹ binary, 2 B\n000000  ff 61 "));
        assert!(shown("é".repeat(100_000).into()).len() < 20_000);
        assert_eq!(received(Ink::new(false), &"{\"a\":1}".into(), true, false), "‹ {\"a\":1}\n");
    }

    #[test]
    fn a_frame_is_told_by_its_header() {
        let header = Header { fin: true, reserved: RSV1, opcode: Opcode::Text, mask: Some([0; 4]), length: 2000 };
        assert_eq!(frame(&header, b""), "text fin compressed masked 2.0 KiB");
        let close = Header { fin: true, reserved: 0, opcode: Opcode::Close, mask: None, length: 5 };
        assert_eq!(frame(&close, b"\x03\xe8bye"), "close fin 5 B 1000 bye");
    }

    #[test]
    fn the_clock_is_that_of_utc() {
        assert_eq!(clock(UNIX_EPOCH + Duration::from_millis(86_400_000 * 3 + 3_723_004)), "01:02:03.004Z");
    }
}
