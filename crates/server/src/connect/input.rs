//! What is to be sent: from a person, or from a pipe.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use silverback::{Message, Text};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// So many lines wait to be sent. While they wait, nothing more is read.
pub(super) const LINES: usize = 64;

/// So many KiB of them wait, or a single one that is larger.
const KIB: u32 = 4096;

/// One thing that came in.
#[derive(Debug)]
pub(super) enum Input {
    /// A line by a person: a message or a command.
    Typed(String),
    /// A message from a pipe, and its share of what may wait.
    Piped(Message, OwnedSemaphorePermit),
    /// There is no more.
    End,
    /// It cannot be read on.
    Broken(String),
}

/// What a message is, of what comes through a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Each line is a text.
    Line,
    /// All of it is one text.
    WholeText,
    /// All of it is one binary message.
    WholeBinary,
}

/// Reads standard input on a thread of its own, messages of at most so many bytes.
pub(super) fn start(unit: Unit, limit: usize, input: mpsc::Sender<Input>) -> std::io::Result<()> {
    let (runtime, room) = (Handle::current(), Arc::new(Semaphore::new(KIB as usize)));
    let reading = move || {
        let send = |message: Message| {
            let share = u32::try_from(message.len() / 1024 + 1).unwrap_or(KIB).min(KIB);
            let share = runtime.block_on(room.clone().acquire_many_owned(share));
            share.is_ok_and(|share| input.blocking_send(Input::Piped(message, share)).is_ok())
        };
        let last = match read(BufReader::new(std::io::stdin()), unit, limit, send) {
            Ok(()) => Input::End,
            Err(problem) => Input::Broken(problem),
        };
        let _ = input.blocking_send(last);
    };
    std::thread::Builder::new().name("reading".to_owned()).spawn(reading).map(drop)
}

/// Reads until the end, or until `send` has no use for more.
fn read(mut from: impl BufRead, unit: Unit, limit: usize, mut send: impl FnMut(Message) -> bool) -> Result<(), String> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(2); // the end of a line is no part of the message
    let failed = |error| format!("standard input could not be read: {error}");
    let too_large = |what: &str| format!("{what} is larger than {limit} bytes: raise --max-message");
    if unit != Unit::Line {
        let mut bytes = Vec::new();
        from.take(most).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() > limit {
            return Err(too_large("standard input"));
        }
        send(match unit {
            Unit::WholeBinary => Message::binary(bytes),
            _ => text(bytes, "standard input")?,
        });
        return Ok(());
    }
    for number in 1_u64.. {
        let mut line = Vec::new();
        if from.by_ref().take(most).read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        }
        let what = format!("line {number} of standard input");
        if line.len() > limit {
            return Err(too_large(&what));
        }
        if !send(text(line, &what)?) {
            break;
        }
    }
    Ok(())
}

fn text(bytes: Vec<u8>, what: &str) -> Result<Message, String> {
    let text = String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8, which a text must be: send it with --binary"))?;
    Ok(Message::text(Text::from(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], unit: Unit) -> Result<Vec<Message>, String> {
        let mut messages = Vec::new();
        read(bytes, unit, 5, |message| {
            messages.push(message);
            true
        })?;
        Ok(messages)
    }

    #[test]
    fn each_line_is_a_message_and_its_end_is_not_in_it() {
        let expected = ["a", "", "b\rc", "12345", "d"].map(Message::text);
        assert_eq!(all(b"a\n\nb\rc\r\n12345\r\nd", Unit::Line).unwrap(), expected);
        assert_eq!(all(b"", Unit::Line), Ok(Vec::new()));
    }

    #[test]
    fn all_of_it_can_be_one_message() {
        assert_eq!(all(b"a\nb\n", Unit::WholeText).unwrap(), [Message::text("a\nb\n")]);
        assert_eq!(all(b"\xff\n", Unit::WholeBinary).unwrap(), [Message::binary(vec![0xff, b'\n'])]);
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        assert!(all(b"a\n123456\n", Unit::Line).unwrap_err().starts_with("line 2 of standard input is larger than 5 bytes"));
        assert!(all(b"a\n\xff\n", Unit::Line).unwrap_err().contains("--binary"));
        assert!(all(b"123456", Unit::WholeBinary).unwrap_err().contains("--max-message"));
    }
}
