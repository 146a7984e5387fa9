//! Every way to break the protocol, by name: what goes out, what is reported, and that no byte more is needed to notice it.

mod peer;

use peer::{BINARY, CLOSE, FIN, Life, MORE, PING, PONG, TEXT, close_payload, frame, header, other};
use silverback_wire::{Cause, Config, Event, Message, ProtocolError, Role, Side, TransportEnd};

const LIMIT: usize = 1000;

fn life(role: Role) -> Life {
    let mut config = Config::default();
    config.message_limit = LIMIT;
    Life::with(role, config)
}

/// After `before`, which is good, `bytes` are a violation that is known with their last byte at the latest, in one piece or in single bytes.
#[expect(clippy::unwrap_used, reason = "a test's own words")]
fn violates_after(before: &[u8], bytes: &[u8], role: Role, code: u16, error: ProtocolError) {
    for piece in [1, bytes.len()] {
        let mut life = life(role);
        life.hears(before);
        for bytes in bytes.chunks(piece) {
            assert_eq!(life.hears(bytes), [], "there is no event in a violation");
        }
        assert!(!life.connection.is_open(), "{bytes:02x?} should be {error:?}");
        assert!(!life.shuts_down(), "the Close frame goes out first");
        assert_eq!(life.writes_close(), (code, error.to_string()));
        assert!(life.shuts_down(), "then our side of the transport is ended");

        assert_eq!(life.hears_frame(TEXT, b"and another thing"), [], "nothing is read after a violation");
        assert_eq!(life.writes(), [], "nothing goes out after Close");
        assert_eq!(life.connection.report(), None, "it is not over before the transport is");
        let report = life.transport_ends(TransportEnd::Finished).unwrap();
        assert_eq!((report.began, report.cause), (Side::Peer, Cause::Protocol(error)));
        let sent = report.sent.unwrap();
        assert_eq!((sent.code.map(|code| code.get()), sent.reason()), (Some(code), &error.to_string()[..]));
        assert_eq!((report.received, report.transport), (None, TransportEnd::Finished));
    }
}

fn violates(bytes: &[u8], role: Role, code: u16, error: ProtocolError) {
    violates_after(&[], bytes, role, code, error);
}

/// The same of a client and a server, where the frames differ only in their masks.
fn violates_either_way(before: &[(u8, &[u8])], violation: impl Fn(Role) -> Vec<u8>, code: u16, error: ProtocolError) {
    for role in [Role::Server, Role::Client] {
        let before: Vec<u8> = before.iter().flat_map(|(first, payload)| frame(other(role), *first, payload)).collect();
        violates_after(&before, &violation(other(role)), role, code, error);
    }
}

/// The frame's whole header, which is all that is needed to see what is wrong.
fn head_of(first: u8, length: u64) -> impl Fn(Role) -> Vec<u8> {
    move |sender| header(first, sender == Role::Client, length)
}

#[test]
fn an_unmasked_frame() {
    violates(&frame(Role::Server, TEXT, b""), Role::Server, 1002, ProtocolError::UnmaskedFrame);
    violates(&header(TEXT, false, 5), Role::Server, 1002, ProtocolError::UnmaskedFrame);
    violates(&header(PING, false, 5), Role::Server, 1002, ProtocolError::UnmaskedFrame);
}

#[test]
fn a_masked_frame_from_a_server() {
    violates(&header(TEXT, true, 5), Role::Client, 1002, ProtocolError::MaskedFrame);
    violates(&header(CLOSE, true, 0), Role::Client, 1002, ProtocolError::MaskedFrame);
}

#[test]
fn reserved_bits() {
    for (bits, first) in [(4, TEXT | 0x40), (2, BINARY | 0x20), (1, PING | 0x10), (7, TEXT | 0x70)] {
        violates_either_way(&[], head_of(first, 1), 1002, ProtocolError::ReservedBits(bits));
    }
}

#[test]
fn a_reserved_bit_on_a_continuation() {
    violates_either_way(&[(0x01, b"begun")], head_of(FIN | 0x40, 1), 1002, ProtocolError::ReservedBits(4));
}

#[test]
fn a_reserved_opcode_at_its_first_byte() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        violates(&[FIN | opcode], Role::Server, 1002, ProtocolError::ReservedOpcode(opcode));
        violates(&[MORE | opcode], Role::Client, 1002, ProtocolError::ReservedOpcode(opcode));
    }
}

#[test]
fn a_control_frame_of_126_bytes_at_its_second_byte() {
    for first in [CLOSE, PING, PONG] {
        violates(&[first, 0x80 | 126], Role::Server, 1002, ProtocolError::ControlTooLong);
        violates(&[first, 127], Role::Client, 1002, ProtocolError::ControlTooLong);
    }
}

#[test]
fn a_control_frame_in_fragments_at_its_first_byte() {
    for opcode in [8, 9, 10] {
        violates(&[MORE | opcode], Role::Server, 1002, ProtocolError::ControlFragmented);
    }
}

#[test]
fn a_length_in_more_bytes_than_it_needs() {
    for role in [Role::Server, Role::Client] {
        let mask = if role == Role::Server { 0x80 } else { 0 };
        violates(&[BINARY, mask | 126, 0, 125], role, 1002, ProtocolError::LengthNotMinimal);
        violates(&[BINARY, mask | 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], role, 1002, ProtocolError::LengthNotMinimal);
    }
}

#[test]
fn a_length_of_2_to_the_63() {
    violates(&[BINARY, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Role::Server, 1002, ProtocolError::LengthOutOfRange);
    violates(&[BINARY, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Role::Client, 1002, ProtocolError::LengthOutOfRange);
}

#[test]
fn a_continuation_of_nothing() {
    violates_either_way(&[], head_of(FIN, 3), 1002, ProtocolError::UnexpectedContinuation);
    violates_either_way(&[], head_of(MORE, 3), 1002, ProtocolError::UnexpectedContinuation);
    violates_either_way(&[(0x01, b"a"), (FIN, b"b")], head_of(FIN, 3), 1002, ProtocolError::UnexpectedContinuation);
}

#[test]
fn a_message_inside_a_message() {
    for first in [TEXT, BINARY, 0x01, 0x02] {
        violates_either_way(&[(0x01, b"begun")], head_of(first, 3), 1002, ProtocolError::MessageInsideMessage);
        violates_either_way(&[(0x02, b""), (PONG, b"")], head_of(first, 0), 1002, ProtocolError::MessageInsideMessage);
    }
}

/// Begins of a text message of 100 bytes in which the last byte shows that it cannot be UTF-8.
const NOT_UTF8: [&[u8]; 6] = [b"ok\x80", b"ok\xc0", b"\xed\xa0", b"\xf4\x90", b"\xe2\x82X", b"\xff"];

#[test]
fn text_that_is_not_utf8_at_the_byte_that_shows_it() {
    for begin in NOT_UTF8 {
        let begins = |first| {
            move |sender| {
                let mut bytes = frame(sender, first, &[begin, &[b'.'; 90]].concat());
                bytes.truncate(bytes.len() - 90);
                bytes
            }
        };
        violates_either_way(&[], begins(TEXT), 1007, ProtocolError::InvalidUtf8);
        violates_either_way(&[], begins(0x01), 1007, ProtocolError::InvalidUtf8);
    }
}

#[test]
fn text_that_is_not_utf8_in_its_second_fragment() {
    let second = |sender| frame(sender, MORE, b"\x28");
    violates_either_way(&[(0x01, b"\xe2\x82")], second, 1007, ProtocolError::InvalidUtf8);
}

#[test]
fn text_that_ends_inside_a_character() {
    violates_either_way(&[], |sender| frame(sender, TEXT, b"\xe2\x82"), 1007, ProtocolError::InvalidUtf8);
    violates_either_way(&[(0x01, b"\xe2\x82")], |sender| frame(sender, FIN, b""), 1007, ProtocolError::InvalidUtf8);
}

#[test]
fn a_message_beyond_the_limit_in_its_header() {
    let error = ProtocolError::MessageTooBig { limit: LIMIT };
    for length in [LIMIT as u64 + 1, u64::from(u32::MAX), u64::MAX >> 1] {
        violates_either_way(&[], head_of(BINARY, length), 1009, error);
        violates_either_way(&[], head_of(0x01, length), 1009, error);
    }
}

#[test]
fn fragments_that_sum_up_beyond_the_limit_in_the_last_ones_header() {
    let error = ProtocolError::MessageTooBig { limit: LIMIT };
    violates_either_way(&[(0x02, &[0; 600]), (MORE, &[0; 400])], head_of(FIN, 1), 1009, error);
}

#[test]
fn a_close_frame_of_one_byte() {
    violates_either_way(&[], |sender| frame(sender, CLOSE, b"\x03"), 1002, ProtocolError::CloseTooShort);
}

#[test]
fn a_close_code_that_must_not_be_sent() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX] {
        let close = |sender| frame(sender, CLOSE, &close_payload(code, "bye"));
        violates_either_way(&[], close, 1002, ProtocolError::CloseCodeInvalid(code));
    }
}

#[test]
fn a_close_reason_that_is_not_utf8() {
    let close = |sender| frame(sender, CLOSE, b"\x03\xe8\xff");
    violates_either_way(&[], close, 1007, ProtocolError::CloseReasonNotUtf8);
}

#[test]
fn what_was_good_before_a_violation_in_the_same_piece_is_delivered() {
    let mut life = life(Role::Server);
    let bytes = [frame(Role::Client, TEXT, b"good"), vec![0x83]].concat();
    assert_eq!(life.hears(&bytes), [Event::Message(Message::text("good"))]);
    assert_eq!(life.writes_close().0, 1002);
}

#[test]
fn a_violation_while_closing_sends_no_second_close() {
    let mut life = life(Role::Server);
    life.close(1001, "restart");
    assert_eq!(life.writes_close(), (1001, "restart".to_owned()));
    life.hears(&[0x83]);
    assert_eq!(life.writes(), []);
    assert!(life.shuts_down());
    let report = life.transport_ends(TransportEnd::Finished).unwrap();
    assert_eq!((report.began, report.received), (Side::Local, None));
}

/// The header's first two bytes and its length show more than is asked of them. Each of these is known to be wrong at its last byte.
#[test]
fn no_violation_in_a_header_waits_for_the_rest_of_the_header() {
    let begun = frame(Role::Client, 0x01, b"begun");
    let cases: [(&str, &[u8], &[u8]); 6] = [
        ("reserved bits", &[], &[TEXT | 0x40]),
        ("a continuation of nothing", &[], &[FIN]),
        ("a message inside a message", &begun, &[TEXT]),
        ("an unmasked frame", &[], &[TEXT, 127]),
        ("a message beyond the limit", &[], &[BINARY, 0x80 | 126, 0x03, 0xe9]),
        ("a close frame of one byte", &[], &[CLOSE, 0x80 | 1]),
    ];
    let late: Vec<_> = cases
        .iter()
        .filter(|(_, before, bytes)| {
            let mut life = life(Role::Server);
            life.hears(before);
            life.hears(bytes);
            life.connection.is_open()
        })
        .map(|(name, ..)| *name)
        .collect();
    assert!(late.is_empty(), "found late: {late:?}");
}
