//! Large messages that are read to where they belong.

mod peer;

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use peer::{BINARY, FIN, MORE, PING, TEXT, frame, origin};
use proptest::collection::vec;
use proptest::prelude::*;
use silverback_wire::{Config, Connection, Event, Message, Role};

fn server(config: Config) -> Connection {
    Connection::new(Role::Server, Arc::new(config), origin())
}

fn text(length: usize) -> String {
    "Grüße, 世界! 🦍"
        .chars()
        .cycle()
        .scan(0, |sum, c| {
            *sum += c.len_utf8();
            (*sum <= length).then_some(c)
        })
        .collect()
}

/// What a reader does with a step: how much it reads, and where to.
#[derive(Debug, Clone, Copy)]
enum Step {
    Lent(usize),
    /// It asks for room and does not use it.
    Elsewhere(usize),
    Unasked(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..300_000usize).prop_map(Step::Lent),
        1 => (1..100_000usize).prop_map(Step::Elsewhere),
        1 => (1..100_000usize).prop_map(Step::Unasked),
        1 => (1..3usize).prop_map(Step::Lent),
    ]
}

/// Reads all of it in these steps, over and over.
fn read(connection: &mut Connection, mut bytes: &[u8], steps: &[Step]) -> Vec<Event> {
    let now = origin();
    let mut events = Vec::new();
    for step in steps.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (most, room) = match *step {
            Step::Lent(most) => (most, connection.lend()),
            Step::Elsewhere(most) => (most, connection.lend().and(None)),
            Step::Unasked(most) => (most, None),
        };
        let most = room.as_ref().map_or(most, |room| most.min(room.capacity()));
        let (read, rest) = bytes.split_at(most.min(bytes.len()));
        let mut room = room.unwrap_or_default();
        room.extend_from_slice(read);
        bytes = rest;
        connection.receive(room, now);
        events.extend(std::iter::from_fn(|| connection.poll_event(now)));
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn messages_are_the_same_wherever_they_are_read_to(mut steps in vec(step(), 0..20), length in 0..300_000usize) {
        steps.push(Step::Unasked(30_000));
        let (text, bytes) = (text(length), vec![7; length]);
        let (begin, end) = text.as_bytes().split_at(length / 3);
        let stream = [
            frame(Role::Client, TEXT, text.as_bytes()),
            frame(Role::Client, TEXT & !FIN, begin),
            frame(Role::Client, PING, b"between"),
            frame(Role::Client, MORE, b""),
            frame(Role::Client, FIN, end),
            frame(Role::Client, BINARY, &bytes),
        ];
        let expected = [
            Event::Message(text.as_str().into()), Event::Ping("between".into()), Event::Message(text.as_str().into()), Event::Message(bytes.into()),
        ];
        let mut connection = server(Config::default());
        prop_assert_eq!(&read(&mut connection, &stream.concat(), &steps)[..], &expected[..]);
        prop_assert!(connection.is_open());
    }
}

#[test]
fn what_is_read_into_lent_room_is_not_copied() {
    let now = origin();
    let stream = frame(Role::Client, BINARY, &[7; 200_000]);
    let mut connection = server(Config::default());
    connection.receive(BytesMut::from(&stream[..50_000]), now);
    assert_eq!(connection.poll_event(now), None);
    let mut room = connection.lend().unwrap();
    assert_eq!(room.capacity(), stream.len() - 50_000, "the frame ends there");
    let end = room.spare_capacity_mut().as_ptr_range().end.cast();
    room.extend_from_slice(&stream[50_000..]);
    connection.receive(room, now);
    let Some(Event::Message(Message::Binary(payload))) = connection.poll_event(now) else { unreachable!("it is whole") };
    assert_eq!(payload, vec![7; 200_000]);
    assert_eq!(payload.as_ptr_range().end, end);
}

#[test]
fn no_room_is_lent_for_a_mere_promise_nor_for_what_is_given_out_in_parts() {
    let now = origin();
    let stream = frame(Role::Client, BINARY, &[7; 200_000]);
    let mut promised = server(Config::default());
    promised.receive(BytesMut::from(&stream[..14]), now);
    assert_eq!(promised.poll_event(now), None);
    assert!(promised.lend().is_none());

    let mut config = Config::default();
    config.part_size = Some(100_000);
    let mut in_parts = server(config);
    in_parts.receive(BytesMut::from(&stream[..50_000]), now);
    assert_eq!(in_parts.poll_event(now), None);
    assert!(in_parts.lend().is_none());
}

#[test]
fn a_bad_byte_in_lent_room_is_found_when_it_comes() {
    let now = origin();
    let mut payload = text(200_000).into_bytes();
    payload[120_000..120_001].fill(0xff);
    let stream = frame(Role::Client, TEXT, &payload);
    let mut connection = server(Config::default());
    connection.receive(BytesMut::from(&stream[..50_000]), now);
    assert_eq!(connection.poll_event(now), None);
    let mut room = connection.lend().unwrap();
    room.extend_from_slice(&stream[50_000..121_000]);
    connection.receive(room, now);
    assert_eq!(connection.poll_event(now), Some(Event::Ending));
    assert!(connection.lend().is_none(), "nothing more is read of it");
    assert_eq!(connection.poll_event(now), None);
    let close = connection.poll_transmit().unwrap();
    assert_eq!(close.chunk()[2..4], 1007u16.to_be_bytes());
}
