//! What a person types: a message, or a command with a slash.

use std::path::PathBuf;

use silverback::wire::ProtocolError;
use silverback::{CloseCode, CloseFrame, Message};

use super::hex;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Send(Message),
    SendFile(PathBuf),
    Save(PathBuf),
    Ping(String),
    Close(CloseCode, String),
    Status,
    Help,
    Quit,
    /// A line with nothing in it.
    Nothing,
}

/// The commands, with what they take and do.
pub(super) const COMMANDS: [(&str, &str, &str); 8] = [
    ("/send-file", "PATH", "sends a file as a binary message"),
    ("/hex", "00 ff …", "sends these bytes as a binary message"),
    ("/save", "PATH", "saves the last message that came to a new file"),
    ("/ping", "[TEXT]", "sends a ping and shows how long its pong takes"),
    ("/status", "", "tells what was sent and received so far"),
    ("/close", "[CODE] [REASON]", "closes with a code, 1000 if none is given"),
    ("/quit", "", "closes with 1000; so do Ctrl-D and Ctrl-C"),
    ("/help", "", "shows this"),
];

/// Reads what was typed. A message that begins with a slash is written with two.
pub(super) fn parse(line: &str) -> Result<Command, String> {
    if line.trim().is_empty() {
        return Ok(Command::Nothing);
    }
    let Some(command) = line.strip_prefix('/') else { return Ok(Command::Send(Message::text(unfolded(line)))) };
    if command.starts_with('/') {
        return Ok(Command::Send(Message::text(unfolded(command))));
    }
    let (name, rest) = line.trim_end().split_once(char::is_whitespace).unwrap_or((line.trim_end(), ""));
    let rest = rest.trim();
    let path = || match rest {
        "" => Err(format!("{name} takes a path")),
        path => Ok(PathBuf::from(path)),
    };
    Ok(match name {
        "/send-file" => Command::SendFile(path()?),
        "/save" => Command::Save(path()?),
        "/hex" => Command::Send(Message::binary(hex::parse(rest)?)),
        "/ping" if rest.len() > 125 => return Err("a ping carries at most 125 bytes (RFC 6455, 5.5)".to_owned()),
        "/ping" => Command::Ping(rest.to_owned()),
        "/close" => close(rest)?,
        "/status" => Command::Status,
        "/help" | "/?" => Command::Help,
        "/quit" | "/exit" | "/q" => Command::Quit,
        other => return Err(unknown(other)),
    })
}

/// Whether the line is not at its end: it ends with a backslash, or with a bracket of JSON open. An empty line ends it all the same.
pub(super) fn is_unfinished(line: &str) -> bool {
    if line.ends_with('\n') || (line.starts_with('/') && !line.starts_with("//")) {
        return false;
    }
    let backslashes = line.len() - line.trim_end_matches('\\').len();
    backslashes % 2 == 1 || has_open_bracket(line)
}

fn has_open_bracket(line: &str) -> bool {
    if !line.trim_start().starts_with(['{', '[']) {
        return false;
    }
    let (mut depth, mut is_text, mut is_escaped) = (0_i64, false, false);
    for byte in line.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'{' | b'[' if !is_text => depth += 1,
            b'}' | b']' if !is_text => depth -= 1,
            _ => {}
        }
    }
    depth > 0
}

/// The message, without the backslashes that carried it over lines, and without the empty line that ended it.
fn unfolded(line: &str) -> String {
    line.strip_suffix('\n').unwrap_or(line).replace("\\\n", "\n")
}

fn close(rest: &str) -> Result<Command, String> {
    let (code, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (code, reason) = match code.parse::<u16>() {
        _ if rest.is_empty() => (CloseCode::NORMAL, ""),
        Err(_) => (CloseCode::NORMAL, rest),
        Ok(code) => (CloseCode::new(code).map_err(|error| not_sendable(code, &error))?, reason.trim()),
    };
    if reason.len() > CloseFrame::REASON_LIMIT {
        return Err(format!("a reason has at most {} bytes (RFC 6455, 5.5)", CloseFrame::REASON_LIMIT));
    }
    Ok(Command::Close(code, reason.to_owned()))
}

fn not_sendable(code: u16, _: &ProtocolError) -> String {
    format!("{code} must not be sent (RFC 6455, 7.4): take 1000 to 1003, 1007 to 1014 or 3000 to 4999")
}

fn unknown(name: &str) -> String {
    let nearest = COMMANDS.iter().map(|(known, ..)| (strsim::damerau_levenshtein(known, name), known)).min();
    match nearest {
        Some((0..=2, known)) => format!("there is no {name}; {known} was meant? A message that begins with a slash is written with two"),
        _ => format!("there is no {name}; /help tells what there is. A message that begins with a slash is written with two"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_begins_with_one_slash() {
        assert_eq!(parse(" hi "), Ok(Command::Send(Message::text(" hi "))));
        assert_eq!(parse("//hi"), Ok(Command::Send(Message::text("/hi"))));
        assert_eq!(parse("a\\\nb\\"), Ok(Command::Send(Message::text("a\nb\\"))));
        assert_eq!(parse("  "), Ok(Command::Nothing));
        assert_eq!(parse("/hex 00 ff"), Ok(Command::Send(Message::binary(vec![0, 255]))));
        assert_eq!(parse("/send-file a b.bin"), Ok(Command::SendFile("a b.bin".into())));
    }

    #[test]
    fn a_close_takes_a_code_and_a_reason_or_either() {
        let close = |code, reason: &str| Ok(Command::Close(CloseCode::new(code).unwrap(), reason.to_owned()));
        assert_eq!(parse("/close"), close(1000, ""));
        assert_eq!(parse("/close 4000 bye now"), close(4000, "bye now"));
        assert_eq!(parse("/close bye now"), close(1000, "bye now"));
        assert!(parse("/close 1006").unwrap_err().contains("must not be sent"));
        assert!(parse(&format!("/close 4000 {}", "x".repeat(124))).is_err());
    }

    #[test]
    fn what_is_no_command_is_told_the_nearest() {
        assert!(parse("/pong").unwrap_err().contains("/ping was meant"));
        assert!(parse("/etc/passwd").unwrap_err().contains("with two"));
        assert!(parse("/save").unwrap_err().contains("takes a path"));
    }

    #[test]
    fn a_line_goes_on_behind_a_backslash_or_in_an_open_bracket() {
        for line in ["a\\", "{", "[1,", "{\"a\": \"}\"", "//x\\"] {
            assert!(is_unfinished(line), "{line}");
        }
        for line in ["a", "a\\\\", "{}", "{\"a\": \"{\"}", "a {", "{\n", "/hex {\\"] {
            assert!(!is_unfinished(line), "{line}");
        }
    }
}
