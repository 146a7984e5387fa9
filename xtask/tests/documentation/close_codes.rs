//! `docs/why-disconnected.md` has every close code and every reason that the program sends, and none that it does not.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use silverback_hub::{Drain, JoinRefused, WhenFull};
use silverback_wire::{CloseCode, ProtocolError};

use crate::pages;
use crate::sources::each_source;

const PAGE: &str = "docs/why-disconnected.md";

/// A code and a reason, with `…` for what differs from one time to the next.
type Pair = (u16, String);

#[test]
fn the_page_has_every_reason_that_the_program_sends_and_no_other() {
    let page = of_the_page();
    let program: BTreeSet<Pair> = of_the_sources().into_iter().chain(of_the_protocol()).chain(of_the_hub()).collect();
    let (missing, untrue): (Vec<_>, Vec<_>) = (program.difference(&page).collect(), page.difference(&program).collect());
    assert!(missing.is_empty() && untrue.is_empty(), "{PAGE} lacks {missing:#?}\nand has what nobody sends: {untrue:#?}");
}

#[test]
fn every_code_of_the_rfc_and_every_code_that_is_sent_has_a_heading() {
    let page = std::fs::read_to_string(pages::root().join(PAGE)).unwrap();
    let headings: BTreeSet<u16> = page.lines().filter_map(|line| line.strip_prefix("## ")?.get(..4)?.parse().ok()).collect();
    let sent = of_the_sources().into_iter().map(|(code, _)| code).filter(|code| *code < 3000);
    let lacking: Vec<_> = (1000..=1015).chain(sent).filter(|code| !headings.contains(code)).collect();
    assert!(lacking.is_empty(), "{PAGE} has no heading for {lacking:?}");
}

/// The tables below the heading of a code: the first cell in backticks, or the first two where the first is a code.
fn of_the_page() -> BTreeSet<Pair> {
    let text = std::fs::read_to_string(pages::root().join(PAGE)).unwrap();
    let (mut pairs, mut heading, mut row) = (BTreeSet::new(), None, Vec::new());
    let mut inside = false;
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => (heading, inside) = (None, true),
            Event::End(TagEnd::Heading(_)) => inside = false,
            Event::Text(text) if inside => heading = text.get(..4).and_then(|code| code.parse::<u16>().ok()),
            Event::Start(Tag::TableRow) => row.clear(),
            Event::Start(Tag::TableCell) => row.push((String::new(), false)),
            Event::Text(text) => row.last_mut().into_iter().for_each(|(cell, _)| cell.push_str(&text)),
            Event::Code(text) => row.last_mut().into_iter().for_each(|(cell, is_code)| {
                cell.push_str(&text);
                *is_code = true;
            }),
            Event::End(TagEnd::TableRow) => {
                let told = row.first().and_then(|(cell, _)| cell.parse().ok()).or(heading.filter(|code| *code != 1006 && *code < 3000));
                let reason = row.iter().find(|(cell, _)| cell.parse::<u16>().is_err());
                if let (Some(code), Some((reason, true)), Some(_)) = (told, reason, heading) {
                    pairs.insert((code, reason.clone()));
                }
            }
            _ => {}
        }
    }
    assert!(pairs.len() > 25, "the tables of {PAGE} were not understood: {pairs:#?}");
    pairs
}

/// What stands literally in the sources: a code, and the text behind it.
fn of_the_sources() -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for package in ["wire", "silverback", "hub", "server"] {
        each_source(&pages::root().join("crates").join(package).join("src"), &mut |source| {
            for (at, name) in source.match_indices("CloseCode::") {
                let rest = &source[at + name.len()..];
                let end = rest.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap_or(rest.len());
                if let (Some(code), Some(reason)) = (named(&rest[..end]), literal(&rest[end..])) {
                    pairs.insert((code, reason));
                }
            }
            // A code of our own, which has no name among the RFC's.
            let expired = source.split("const TOKEN_EXPIRED: u16 = ").nth(1).and_then(|rest| rest.get(..4)?.parse().ok());
            pairs.extend(expired.zip(source.split("begin_close(code").nth(1).and_then(literal)));
        });
    }
    let idle = std::fs::read_to_string(pages::root().join("crates/wire/src/connection/timing.rs")).unwrap();
    let idle = idle.split("let reason = format!").nth(1).map(|rest| format!(",{}", rest.trim_start_matches('(')));
    pairs.extend(idle.as_deref().and_then(literal).map(|reason| (CloseCode::POLICY_VIOLATION.get(), reason)));
    pairs.retain(|(_, reason)| !reason.is_empty());
    assert!(pairs.len() > 8, "{pairs:#?}");
    pairs
}

/// A text that is the next argument, `, "like this"` or `, format!("like {this}")`, with `…` for what is filled in.
fn literal(rest: &str) -> Option<String> {
    let rest = rest.strip_prefix(',')?.trim_start();
    let rest = rest.strip_prefix("format!(").unwrap_or(rest).strip_prefix('"')?;
    let (mut text, mut depth) = (String::new(), 0);
    for letter in rest.chars() {
        match letter {
            '"' => return Some(text),
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                text.push('…');
            }
            letter if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    None
}

fn named(name: &str) -> Option<u16> {
    let code = match name {
        "NORMAL" => CloseCode::NORMAL,
        "GOING_AWAY" => CloseCode::GOING_AWAY,
        "PROTOCOL_ERROR" => CloseCode::PROTOCOL_ERROR,
        "UNSUPPORTED_DATA" => CloseCode::UNSUPPORTED_DATA,
        "INVALID_PAYLOAD" => CloseCode::INVALID_PAYLOAD,
        "POLICY_VIOLATION" => CloseCode::POLICY_VIOLATION,
        "MESSAGE_TOO_BIG" => CloseCode::MESSAGE_TOO_BIG,
        "INTERNAL_ERROR" => CloseCode::INTERNAL_ERROR,
        "SERVICE_RESTART" => CloseCode::SERVICE_RESTART,
        "TRY_AGAIN_LATER" => CloseCode::TRY_AGAIN_LATER,
        "" => return None,
        other => panic!("a code that this test does not know: {other}"),
    };
    Some(code.get())
}

fn of_the_protocol() -> Vec<Pair> {
    let errors = [
        (ProtocolError::UnmaskedFrame, ""),
        (ProtocolError::MaskedFrame, ""),
        (ProtocolError::ReservedBits(0b101), "101"),
        (ProtocolError::CompressedBitMisplaced, ""),
        (ProtocolError::ReservedOpcode(11), "11"),
        (ProtocolError::ControlTooLong, ""),
        (ProtocolError::ControlFragmented, ""),
        (ProtocolError::LengthNotMinimal, ""),
        (ProtocolError::LengthOutOfRange, ""),
        (ProtocolError::UnexpectedContinuation, ""),
        (ProtocolError::MessageInsideMessage, ""),
        (ProtocolError::InvalidUtf8, ""),
        (ProtocolError::InflateFailed, ""),
        (ProtocolError::TooManyEmptyFragments { limit: 987 }, "987"),
        (ProtocolError::MessageTooSlow { limit: Duration::from_secs(987) }, "987"),
        (ProtocolError::MessageTooBig { limit: 987 }, "987"),
        (ProtocolError::CloseTooShort, ""),
        (ProtocolError::CloseCodeInvalid(987), "987"),
        (ProtocolError::CloseReasonNotUtf8, ""),
    ];
    let source = std::fs::read_to_string(pages::root().join("crates/wire/src/error.rs")).unwrap();
    assert_eq!(source.matches("#[error(").count(), errors.len(), "an error of the protocol is not in this test");
    errors.map(|(error, value)| (error.code().get(), without(&error.to_string(), value))).to_vec()
}

fn of_the_hub() -> Vec<Pair> {
    let limit = NonZeroUsize::new(987).unwrap();
    let refusals = [
        JoinRefused::TooManySessions { user: "alice".into(), limit },
        JoinRefused::DeviceConnected { user: "alice".into(), device: "phone".into() },
        JoinRefused::Draining,
    ];
    let mut pairs: Vec<_> = refusals.iter().map(|refused| (refused.close_code().get(), without(&refused.to_string(), "987"))).collect();
    if let WhenFull::CloseOldest { code, reason } = WhenFull::default() {
        pairs.push((code.get(), reason.into_owned()));
    }
    pairs.push((Drain::default().code.get(), r#"{"reason":"…","retry_ms":…}"#.to_owned()));
    pairs
}

fn without(reason: &str, value: &str) -> String {
    if value.is_empty() { reason.to_owned() } else { reason.replacen(value, "…", 1) }
}
