//! Messages in parts, and messages that take too long.

#![expect(clippy::unwrap_used, reason = "a test's own words")]

mod peer;

use std::time::Duration;

use peer::{BINARY, CLOSE, FIN, Life, MORE, PING, PONG, Seen, TEXT, frame};
use silverback_wire::{Cause, Config, Event, Message, NotSent, Part, ProtocolError, Role};

fn receiving(part_size: usize) -> Life {
    let mut config = Config::default();
    config.part_size = Some(part_size);
    config.message_limit = 100;
    Life::with(Role::Server, config)
}

fn part(piece: impl Into<Message>, is_last: bool) -> Event {
    Event::Part(Part { piece: piece.into(), is_last })
}

#[test]
fn a_message_above_the_part_size_arrives_in_parts_and_others_whole() {
    let mut life = receiving(10);
    assert_eq!(life.hears_frame(TEXT, b"0123456789"), [Event::Message("0123456789".into())]);
    assert_eq!(life.hears_frame(TEXT, b"0123456789a"), [part("0123456789a", false), part("", true)]);
    assert_eq!(life.hears_frame(MORE | 0x02, b"0123456789a"), [part(b"0123456789a".to_vec(), false)]);
    assert_eq!(life.hears_frame(MORE, b"b"), []);
    assert_eq!(life.hears_frame(PING, b""), [Event::Ping("".into())], "control frames come between");
    assert_eq!(life.hears_frame(FIN, b"c"), [part(b"bc".to_vec(), true)]);
}

#[test]
fn a_text_is_cut_between_characters() {
    let mut life = receiving(2);
    let bytes = frame(Role::Client, TEXT, "aäöü".as_bytes());
    let events: Vec<Event> = bytes.chunks(1).flat_map(|byte| life.hears(byte)).collect();
    assert_eq!(events, [part("aä", false), part("ö", false), part("ü", true)]);
    life.hears_frame(MORE | 0x01, b"ab\xc3");
    life.hears_frame(FIN, b"");
    assert_eq!(life.writes_close(), (1007, ProtocolError::InvalidUtf8.to_string()));
}

#[test]
fn the_limit_counts_all_parts() {
    let mut life = receiving(10);
    life.hears_frame(MORE | 0x02, &[0; 60]);
    life.hears_frame(MORE, &[0; 40]);
    assert!(life.connection.is_open());
    life.hears_frame(FIN, &[0]);
    assert_eq!(life.writes_close(), (1009, ProtocolError::MessageTooBig { limit: 100 }.to_string()));
}

#[test]
fn a_message_is_sent_in_parts_with_control_frames_between_them() {
    for role in [Role::Server, Role::Client] {
        let mut life = Life::new(role);
        let send = |life: &mut Life, piece: &'static str, is_last| life.connection.send_part(Part { piece: piece.into(), is_last });
        send(&mut life, "one", false).unwrap();
        assert!(life.connection.is_inside_message());
        life.hears_frame(PING, b"");
        assert_eq!(life.connection.send("other".into()), Err(NotSent::InsideMessage("other".into())));
        assert_eq!(life.connection.send_prepared(&"other".into()), Err(NotSent::InsideMessage("other".into())));
        send(&mut life, "", false).unwrap();
        send(&mut life, "two", true).unwrap();
        assert!(!life.connection.is_inside_message());
        life.connection.send("other".into()).unwrap();
        let seen: Vec<(u8, Vec<u8>)> = life.writes().into_iter().map(|Seen { first, payload, .. }| (first, payload)).collect();
        let expected = [(MORE | 0x01, "one"), (PONG, ""), (MORE, ""), (FIN, "two"), (TEXT, "other")];
        assert_eq!(seen, expected.map(|(first, payload)| (first, payload.as_bytes().to_vec())));
        send(&mut life, "all", true).unwrap();
        assert_eq!(life.writes()[0].first, TEXT, "a first part that is the last is a whole message");
    }
}

#[test]
fn a_close_comes_in_front_of_the_parts_that_are_left() {
    let mut life = Life::new(Role::Server);
    life.connection.send_part(Part { piece: "one".into(), is_last: false }).unwrap();
    life.close(1011, "given up");
    let rest = Part { piece: "two".into(), is_last: true };
    assert_eq!(life.connection.send_part(rest), Err(NotSent::Closed("two".into())));
    let firsts: Vec<u8> = life.writes().iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [MORE | 0x01, CLOSE]);
}

fn hurried() -> Life {
    let mut config = Config::default();
    config.message_timeout = Some(Duration::from_secs(60));
    config.heartbeat = None;
    Life::with(Role::Server, config)
}

fn is_too_slow(life: &mut Life) {
    let error = ProtocolError::MessageTooSlow { limit: Duration::from_secs(60) };
    assert_eq!(life.writes_close(), (1008, error.to_string()));
    life.shuts_down();
    let report = life.transport_ends(silverback_wire::TransportEnd::Finished).unwrap();
    assert_eq!(report.cause, Cause::Protocol(error));
}

#[test]
fn a_message_in_single_bytes_has_its_time_and_no_more() {
    let mut life = hurried();
    assert_eq!(life.due(), None);
    let bytes = frame(Role::Client, BINARY, &[0; 100]);
    for (second, byte) in bytes.iter().enumerate().take(60) {
        life.at(second as f64).hears(&[*byte]);
        assert_eq!(life.due(), Some(60.0), "counted from the first byte");
        assert!(life.fires().connection.is_open());
    }
    life.at(60.0).fires();
    is_too_slow(&mut life);
}

#[test]
fn every_message_has_its_own_time() {
    let mut life = hurried();
    life.hears(&frame(Role::Client, BINARY, b"first")[..5]);
    let both = [&frame(Role::Client, BINARY, b"first")[5..], &frame(Role::Client, BINARY, b"second")[..1]].concat();
    assert_eq!(life.at(59.0).hears(&both).len(), 1);
    assert_eq!(life.due(), Some(119.0));
    life.at(70.0).hears(&frame(Role::Client, BINARY, b"second")[1..]);
    assert_eq!(life.due(), None);
    life.at(80.0).hears_frame(MORE | 0x01, b"a frame is not a message");
    assert_eq!(life.due(), Some(140.0));
    life.at(140.0).fires();
    is_too_slow(&mut life);
}

#[test]
fn the_time_in_which_nobody_reads_is_not_the_peers() {
    let mut life = hurried();
    life.hears_frame(MORE | 0x01, b"begun");
    life.pauses();
    assert_eq!(life.at(1000.0).due(), None);
    assert!(life.fires().connection.is_open());
    let now = life.now();
    life.connection.resume_reading(now);
    assert_eq!(life.due(), Some(1060.0));
}

#[test]
fn a_message_in_parts_has_its_time_for_each() {
    let mut config = Config::default();
    (config.part_size, config.message_timeout, config.heartbeat) = (Some(10), Some(Duration::from_secs(60)), None);
    let mut life = Life::with(Role::Server, config);
    life.hears_frame(MORE | 0x02, &[0; 20]);
    assert_eq!(life.at(50.0).hears_frame(MORE, &[0; 20]).len(), 2);
    assert_eq!(life.due(), Some(110.0));
    life.at(110.0).fires();
    is_too_slow(&mut life);
}

#[test]
fn empty_fragments_are_taken_a_thousand_times_and_no_more() {
    let mut life = Life::new(Role::Server);
    life.hears_frame(MORE | 0x01, b"");
    for _ in 1..1000 {
        life.hears_frame(MORE, b"");
    }
    assert_eq!(life.hears_frame(FIN, b"end"), [Event::Message("end".into())]);
    life.hears_frame(MORE | 0x01, b"");
    for _ in 1..1000 {
        life.hears_frame(MORE, b"");
    }
    assert!(life.connection.is_open());
    life.hears_frame(MORE, b"");
    assert_eq!(life.writes_close(), (1008, ProtocolError::TooManyEmptyFragments { limit: 1000 }.to_string()));
}
