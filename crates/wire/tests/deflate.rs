//! Compressed messages (RFC 7692, 6 and 7.2): the RFC's own examples, every setting both ways, and what a peer can do wrong.

#![expect(clippy::unwrap_used, reason = "a test's own words")]

mod peer;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use peer::{BINARY, FIN, Life, MORE, PING, PONG, RSV1, TEXT, frame};
use proptest::collection::vec;
use proptest::prelude::*;
use silverback_wire::deflate::{Budget, Options};
use silverback_wire::{Cause, Config, Event, Message, Part, Prepared, ProtocolError, Role};

fn takeover() -> Options {
    Options::default().threshold(0).context_takeover(Budget::new(usize::MAX))
}

fn plain() -> Options {
    Options::default().threshold(0)
}

fn life_with(options: &Options, limit: usize) -> Life {
    let mut config = Config::default();
    config.message_limit = limit;
    Life::compressing(Role::Server, config, options, options)
}

fn life(options: &Options) -> Life {
    life_with(options, 1 << 20)
}

fn text(text: &str) -> Vec<Event> {
    vec![Event::Message(text.into())]
}

/// As a peer compresses, by zlib itself.
fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 1000);
    Compress::new(Compression::best(), false).compress_vec(payload, &mut out, FlushCompress::Sync).unwrap();
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

#[test]
fn the_rfcs_examples_are_read() {
    for options in [plain(), takeover()] {
        // 7.2.3.1: one frame, and the same in two.
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(life(&options).hears_frame(TEXT | RSV1, &hello), text("Hello"));
        let mut life = life(&options);
        assert_eq!(life.hears_frame(MORE | 0x01 | RSV1, &hello[..3]), []);
        assert_eq!(life.hears_frame(FIN, &hello[3..]), text("Hello"));
        // 7.2.3.3: a block without compression.
        assert_eq!(life.hears_frame(TEXT | RSV1, &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]), text("Hello"));
        // 7.2.3.4: a last block (BFINAL).
        assert_eq!(life.hears_frame(TEXT | RSV1, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), text("Hello"));
        // 7.2.3.5: two blocks.
        assert_eq!(
            life.hears_frame(TEXT | RSV1, &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
            text("Hello")
        );
        // 7.2.3.6: nothing.
        assert_eq!(life.hears_frame(TEXT | RSV1, &[0x00]), text(""));
        assert_eq!(life.hears_frame(TEXT | RSV1, &hello), text("Hello"), "and it goes on");
    }
}

#[test]
fn a_message_that_refers_to_the_one_before_is_read_with_context_takeover_only() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00]; // 7.2.3.2
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let mut with = life(&takeover());
    with.hears_frame(TEXT | RSV1, &hello);
    assert_eq!(with.hears_frame(TEXT | RSV1, &second), text("Hello"));
    let mut without = life(&plain());
    without.hears_frame(TEXT | RSV1, &hello);
    assert_eq!(without.hears_frame(TEXT | RSV1, &second), []);
    assert_eq!(without.writes_close(), (1007, ProtocolError::InflateFailed.to_string()));
}

#[test]
fn messages_that_are_not_compressed_may_come_in_between() {
    let mut life = life(&takeover());
    assert_eq!(life.hears_frame(TEXT, b"as it is"), text("as it is"));
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(life.hears_frame(TEXT | RSV1, &hello), text("Hello"));
    assert_eq!(life.hears_frame(TEXT, b"again"), text("again"));
    assert_eq!(life.hears_frame(TEXT | RSV1, &[0xf2, 0x00, 0x11, 0x00, 0x00]), text("Hello"), "they are not part of the context");
}

#[test]
fn control_frames_come_between_the_frames_of_a_compressed_message_as_they_are() {
    let mut life = life(&plain());
    let payload = deflated(b"a message in two halves");
    life.hears_frame(MORE | 0x02 | RSV1, &payload[..7]);
    assert_eq!(life.hears_frame(PING, b"now"), [Event::Ping(Bytes::from_static(b"now"))]);
    assert_eq!(life.writes()[0].first, PONG, "a control frame is never compressed");
    assert_eq!(life.hears_frame(FIN, &payload[7..]), [Event::Message(Message::binary(&b"a message in two halves"[..]))]);
}

#[test]
fn rsv1_belongs_on_the_first_frame_of_a_message() {
    for (before, first) in
        [(None, PING | RSV1), (None, PONG | RSV1), (Some(MORE | 0x01), FIN | RSV1), (Some(MORE | 0x01 | RSV1), MORE | RSV1)]
    {
        let mut life = life(&plain());
        before.map(|first| life.hears_frame(first, &[]));
        assert_eq!(life.hears_frame(first, b""), []);
        assert_eq!(life.writes_close(), (1002, ProtocolError::CompressedBitMisplaced.to_string()), "{first:#x}");
    }
    for first in [TEXT | 0x20, TEXT | 0x10, BINARY | 0x60] {
        let mut life = life(&plain());
        life.hears_frame(first, b"");
        assert_eq!(life.writes_close().0, 1002, "the other bits have no meaning");
    }
}

#[test]
fn what_is_not_deflate_is_a_violation() {
    let whole = deflated(b"some text that ends in the middle of a block");
    for bad in [&[0x06][..], &[0xff; 40], &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48], &[], &whole[..whole.len() - 6]] {
        for options in [plain(), takeover()] {
            let mut life = life(&options);
            assert_eq!(life.hears_frame(BINARY | RSV1, bad), [], "{bad:02x?}");
            assert_eq!(life.writes_close(), (1007, ProtocolError::InflateFailed.to_string()), "{bad:02x?}, {options:?}");
        }
    }
}

#[test]
fn compressed_text_must_be_utf8() {
    let mut life = life(&plain());
    life.hears_frame(TEXT | RSV1, &deflated(b"caf\xe9"));
    assert_eq!(life.writes_close(), (1007, ProtocolError::InvalidUtf8.to_string()));
}

#[test]
fn of_two_faults_in_a_compressed_message_the_first_is_found_in_whatever_pieces_it_arrives() {
    let no_block = [0x00, 0x00, 0xff, 0xff, 0x06];
    let bad_text = [&b"caf\xe9 "[..], &[b'x'; 200]].concat();
    let long_text = [b'x'; 200];
    for (payload, limit, code) in [
        ([&deflated(&bad_text)[..], &no_block].concat(), 1000, 1007),
        (deflated(&bad_text), 100, 1007),
        ([&deflated(&long_text)[..], &no_block].concat(), 100, 1009),
    ] {
        let frame = frame(Role::Client, TEXT | RSV1, &payload);
        let close = |cut: usize| {
            let mut life = life_with(&plain(), limit);
            frame.chunks(cut).for_each(|piece| assert_eq!(life.hears(piece), []));
            life.writes_close()
        };
        assert_eq!(close(usize::MAX), close(1));
        assert_eq!(close(1).0, code);
    }
}

#[test]
fn the_limit_is_one_of_inflated_bytes() {
    let payload = vec![b'x'; 1000];
    assert_eq!(life_with(&plain(), 1000).hears_frame(BINARY | RSV1, &deflated(&payload)), [Event::Message(payload.clone().into())]);
    let mut life = life_with(&plain(), 999);
    life.hears_frame(BINARY | RSV1, &deflated(&payload));
    assert_eq!(life.writes_close(), (1009, ProtocolError::MessageTooBig { limit: 999 }.to_string()));
}

#[test]
fn a_bomb_is_noticed_while_it_is_inflated() {
    let bomb = deflated(&vec![0; 64 << 20]);
    assert!(bomb.len() < 70_000);
    for options in [plain(), takeover()] {
        let mut life = life(&options);
        life.hears_frame(MORE | 0x02 | RSV1, &bomb[..2000]);
        assert_eq!(life.writes_close().0, 1009, "the rest need not even arrive");
    }
}

#[test]
fn a_compressed_message_that_does_not_shrink_may_be_longer_than_the_limit_and_not_without_end() {
    let payload: Vec<u8> = (0..1000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    let compressed = deflated(&payload);
    assert!(compressed.len() > payload.len());
    assert_eq!(life_with(&plain(), payload.len()).hears_frame(BINARY | RSV1, &compressed), [Event::Message(payload.into())]);

    let mut life = life_with(&plain(), 1000);
    let nothing = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(700); // empty blocks: 3,500 bytes of no message
    life.hears_frame(MORE | 0x02 | RSV1, &nothing[..3000]);
    assert!(life.connection.is_open());
    life.hears_frame(FIN, &nothing[3000..]);
    assert_eq!(life.writes_close().0, 1009);
}

#[test]
fn a_message_below_the_threshold_goes_as_it_is() {
    let mut life = life(&Options::default().threshold(10));
    life.connection.send("aaaaaaaaa".into()).unwrap();
    life.connection.send("aaaaaaaaaa".into()).unwrap();
    let firsts: Vec<u8> = life.writes().iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [TEXT, TEXT | RSV1]);
}

#[test]
fn a_message_that_does_not_shrink_goes_as_it_is_without_context_takeover() {
    let noise: Vec<u8> = (0..100u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_be_bytes()).collect();
    let mut life = life(&plain());
    life.connection.send(noise.clone().into()).unwrap();
    assert_eq!(life.writes()[0].payload, noise);
}

#[test]
fn a_peer_that_asks_for_a_window_of_8_bits_gets_messages_as_they_are() {
    let mut server = takeover_server_for("permessage-deflate; server_max_window_bits=8");
    server.connection.send("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into()).unwrap();
    server.connection.send_part(Part { piece: "aaaaaaaaaaaaaaaaaaaa".into(), is_last: false }).unwrap();
    assert!(server.writes().iter().all(|frame| frame.first & RSV1 == 0));
}

fn takeover_server_for(offer: &'static str) -> Life {
    use silverback_wire::handshake::{client::Offer, server::Policy};
    let mut request = Offer::new(&http::Uri::from_static("ws://a/"), http::HeaderMap::new()).unwrap().request().clone();
    request.headers_mut().insert("sec-websocket-extensions", http::HeaderValue::from_static(offer));
    let mut policy = Policy::default();
    policy.deflate = Some(takeover());
    let agreement = policy.judge(&request).unwrap().deflate;
    let mut life = Life::new(Role::Server);
    life.connection = silverback_wire::Connection::new(Role::Server, Default::default(), life.now()).with_deflate(agreement);
    life
}

#[test]
fn the_memory_for_context_takeover_is_given_back_at_the_end_of_the_connection() {
    let budget = Budget::new(1 << 20);
    let options = plain().context_takeover(budget.clone());
    let mut life = Life::compressing(Role::Server, Config::default(), &options, &plain().context_takeover(Budget::new(1 << 20)));
    assert!(budget.used() > 0);
    life.hears_frame(peer::CLOSE, b"");
    assert_eq!(budget.used(), 0, "also while the transport lingers");
}

#[test]
fn what_was_prepared_once_fits_every_receiver() {
    let prepared = Prepared::new("news news news news news news news news news news");
    let small = takeover().server_window_bits(9).unwrap();
    for options in [None, Some(plain()), Some(takeover()), Some(small)] {
        for role in [Role::Server, Role::Client] {
            let mut sender = match &options {
                None => Life::new(role),
                Some(options) => Life::compressing(role, Config::default(), options, options),
            };
            let mut receiver = match &options {
                None => Life::new(peer::other(role)),
                Some(options) => Life::compressing(peer::other(role), Config::default(), options, options),
            };
            let mut heard = Vec::new();
            for round in 0..3 {
                sender.connection.send(Message::text(format!("news news news {round}"))).unwrap();
                sender.connection.send_prepared(&prepared).unwrap();
                let bytes = sender.write_all();
                assert_eq!(bytes[0] & RSV1 != 0, options.is_some());
                heard.extend(receiver.hears(&bytes));
            }
            let expected = (0..3).flat_map(|round| [Message::text(format!("news news news {round}")), prepared.message().clone()]);
            assert_eq!(heard, expected.map(Event::Message).collect::<Vec<_>>(), "{options:?}");
        }
    }
}

#[test]
fn what_was_prepared_is_the_same_bytes_for_all_servers() {
    let prepared = Prepared::new(vec![7; 10_000]);
    let frames: Vec<_> = (0..2)
        .map(|_| {
            let mut life = life(&plain());
            life.connection.send_prepared(&prepared).unwrap();
            life.write_all()
        })
        .collect();
    assert_eq!(frames[0], frames[1]);
    assert!(frames[0].len() < 1000);
}

#[test]
fn what_goes_past_a_connection_is_what_it_would_send_itself() {
    for threshold in [0, 1, 99, 100, 101] {
        let mut life = life(&plain().threshold(threshold));
        let route = life.connection.route().unwrap();
        for message in [
            Message::text(""),
            "short".into(),
            "a".repeat(99).into(),
            "a".repeat(100).into(),
            Message::binary((0..=255).collect::<Vec<_>>()),
        ] {
            let prepared = Prepared::new(message.clone());
            let needs_compression = message.len() >= threshold.max(1);
            assert_eq!(prepared.frame_at_hand(route).is_none(), needs_compression, "{} bytes of {threshold}", message.len());
            let frame = prepared.frame(route);
            assert_eq!(prepared.frame_at_hand(route).as_ref(), Some(&frame));
            life.connection.send_prepared(&prepared).unwrap();
            assert_eq!(life.write_all(), frame);
        }
    }
    assert_eq!(life(&takeover()).connection.route(), None);
}

fn settings() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>(), 9..=15u8, 9..=15u8, 1..=9u8, 0..100usize).prop_map(
        |(server, client, server_bits, client_bits, level, threshold)| {
            let options = takeover().server_context_takeover(server).client_context_takeover(client).level(level).threshold(threshold);
            options.server_window_bits(server_bits).and_then(|options| options.client_window_bits(client_bits)).unwrap()
        },
    )
}

/// Messages that repeat themselves and each other, and some that do not.
fn message() -> impl Strategy<Value = Message> {
    let repeating = (vec(any::<u8>(), 1..40), 1..400usize).prop_map(|(bytes, times)| Message::binary(bytes.repeat(times)));
    prop_oneof![
        any::<String>().prop_map(Message::text),
        ("[a-e]{1,8}", 0..2000usize).prop_map(|(word, times)| Message::text(word.repeat(times))),
        vec(any::<u8>(), 0..3000).prop_map(Message::binary),
        repeating,
    ]
}

/// How a message is sent.
#[derive(Debug, Clone)]
enum Way {
    Whole,
    Prepared,
    Parts(usize),
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![Just(Way::Whole), Just(Way::Prepared), (1..1500usize).prop_map(Way::Parts)]
}

fn send(life: &mut Life, message: &Message, way: &Way) {
    match (way, message) {
        (Way::Whole, _) => life.connection.send(message.clone()).unwrap(),
        (Way::Prepared, _) => life.connection.send_prepared(&Prepared::new(message.clone())).unwrap(),
        (Way::Parts(size), Message::Binary(bytes)) => {
            for part in bytes.chunks(*size) {
                life.connection.send_part(Part { piece: part.to_vec().into(), is_last: false }).unwrap();
            }
            life.connection.send_part(Part { piece: Message::binary(Bytes::new()), is_last: true }).unwrap();
        }
        (Way::Parts(size), Message::Text(text)) => {
            let characters: Vec<char> = text.chars().collect();
            for part in characters.chunks(*size) {
                life.connection.send_part(Part { piece: part.iter().collect::<String>().into(), is_last: false }).unwrap();
            }
            life.connection.send_part(Part { piece: "".into(), is_last: true }).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every setting, every way to send, any cuts on the wire, and whole or in parts at the other end.
    #[test]
    fn what_one_side_sends_the_other_receives(
        server in settings(),
        client in settings(),
        sender in prop_oneof![Just(Role::Server), Just(Role::Client)],
        messages in vec((message(), way()), 1..8),
        cut in 1..5000usize,
        part_size in prop_oneof![Just(None), (1..3000usize).prop_map(Some)],
    ) {
        let mut config = Config::default();
        config.part_size = part_size;
        let mut receiver = Life::compressing(peer::other(sender), config, &server, &client);
        let mut sender = Life::compressing(sender, Config::default(), &server, &client);
        let mut events = Vec::new();
        for (message, way) in &messages {
            send(&mut sender, message, way);
        }
        for bytes in sender.write_all().chunks(cut) {
            events.extend(receiver.hears(bytes));
        }
        let (mut heard, mut parts) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Message(message) => heard.push(message),
                Event::Part(part) => {
                    let is_text = matches!(part.piece, Message::Text(_));
                    parts.extend_from_slice(part.piece.payload());
                    if part.is_last {
                        let bytes = std::mem::take(&mut parts);
                        heard.push(if is_text { Message::text(String::from_utf8(bytes).unwrap()) } else { bytes.into() });
                    }
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert!(receiver.connection.is_open(), "{:?}", receiver.write_all());
        prop_assert_eq!(heard, messages.into_iter().map(|(message, _)| message).collect::<Vec<_>>());
    }

    /// A window is never left: a peer whose decompressor has the agreed one and no more reads everything.
    #[test]
    fn no_reference_reaches_further_back_than_the_agreed_window(
        options in settings(),
        messages in vec(message(), 1..6),
    ) {
        let mut server = Life::compressing(Role::Server, Config::default(), &options, &takeover());
        let (agreement, _) = peer::agreements(&options, &takeover());
        let mut peers = flate2::Decompress::new_with_window_bits(false, agreement.outgoing().window_bits);
        for message in messages {
            server.connection.send(message.clone()).unwrap();
            for seen in server.writes() {
                let mut payload = seen.payload;
                if seen.first & RSV1 != 0 {
                    if !agreement.outgoing().context_takeover {
                        peers = flate2::Decompress::new_with_window_bits(false, agreement.outgoing().window_bits);
                    }
                    payload.extend([0, 0, 0xff, 0xff]);
                    let mut out = Vec::with_capacity(message.len() + 100);
                    peers.decompress_vec(&payload, &mut out, flate2::FlushDecompress::Sync).unwrap();
                    payload = out;
                }
                prop_assert_eq!(&payload[..], &message.payload()[..]);
            }
        }
    }

    #[test]
    fn no_compressed_bytes_make_it_panic(payload: Vec<u8>, more: Vec<u8>, is_takeover: bool, part_size in prop_oneof![Just(None), (1..100usize).prop_map(Some)]) {
        let options = if is_takeover { takeover() } else { plain() };
        let mut config = Config::default();
        config.message_limit = 100_000;
        config.part_size = part_size;
        let mut life = Life::compressing(Role::Server, config, &options, &options);
        life.hears(&[frame(Role::Client, MORE | 0x02 | RSV1, &payload), frame(Role::Client, FIN, &more)].concat());
        if !life.connection.is_open() {
            let (code, _) = life.writes_close();
            prop_assert!(code == 1007 || code == 1009);
        }
    }
}

#[test]
fn a_violation_in_a_compressed_message_is_reported_like_any_other() {
    let mut life = life(&plain());
    life.hears_frame(BINARY | RSV1, &[0x06]);
    life.shuts_down();
    life.write_all();
    let report = life.transport_ends(silverback_wire::TransportEnd::Finished).unwrap();
    assert_eq!(report.cause, Cause::Protocol(ProtocolError::InflateFailed));
}
