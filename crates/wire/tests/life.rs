//! Whole lives of a connection, with the time passed in.

mod peer;

use std::io::ErrorKind;
use std::time::Duration;

use bytes::{Buf, Bytes};
use peer::{BINARY, CLOSE, FIN, Life, MORE, PING, PONG, TEXT, close_frame, close_payload, frame, header, read_frames};
use silverback_wire::{Cause, CloseFrame, Config, Event, Message, NotSent, Role, Side, Traffic, TransportEnd};

const BOTH: [Role; 2] = [Role::Server, Role::Client];

fn with(change: impl FnOnce(&mut Config)) -> Life {
    let mut config = Config::default();
    change(&mut config);
    Life::with(Role::Server, config)
}

mod traffic {
    use super::*;

    #[test]
    fn messages_go_both_ways() {
        for role in BOTH {
            let mut life = Life::new(role);
            life.connection.send("hello".into()).unwrap();
            life.connection.send(Message::binary(vec![7; 70_000])).unwrap();
            let frames = life.writes();
            assert_eq!(frames.iter().map(|frame| (frame.first, frame.payload.len())).collect::<Vec<_>>(), [(TEXT, 5), (BINARY, 70_000)]);
            assert_eq!((&frames[0].payload[..], &frames[1].payload[..]), (&b"hello"[..], &[7; 70_000][..]));
            assert_eq!(life.hears_frame(TEXT, "grüße".as_bytes()), [Event::Message("grüße".into())]);
            assert_eq!(life.hears_frame(BINARY, &[9; 70_000]), [Event::Message(Message::binary(vec![9; 70_000]))]);
            assert_eq!(life.hears_frame(TEXT, b""), [Event::Message("".into())]);
        }
    }

    #[test]
    fn each_frame_of_a_client_has_its_own_key() {
        let mut life = Life::new(Role::Client);
        let keys: std::collections::HashSet<Vec<u8>> = (0..20)
            .map(|_| {
                life.connection.send("same".into()).unwrap();
                life.write_all()[2..6].to_vec()
            })
            .collect();
        assert!(keys.len() > 18, "RFC 6455, 5.3: {keys:?}");
    }

    #[test]
    fn control_frames_come_between_fragments_and_before_their_message() {
        let mut life = Life::new(Role::Server);
        let frames = [(0x01, &b"gr\xc3"[..]), (PING, b"one"), (MORE, b"\xbc"), (PONG, b"two"), (MORE, b""), (FIN, b"n")];
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, payload)| frame(Role::Client, *first, payload)).collect();
        let events = life.hears(&bytes);
        let pong = Event::Pong { payload: Bytes::from_static(b"two"), round_trip: None };
        assert_eq!(events, [Event::Ping(Bytes::from_static(b"one")), pong, Event::Message("grün".into())]);
    }

    #[test]
    fn a_ping_is_answered_with_its_payload() {
        for role in BOTH {
            for payload in [&b""[..], b"are you there?", &[0xff; 125]] {
                let mut life = Life::new(role);
                assert_eq!(life.hears_frame(PING, payload), [Event::Ping(Bytes::copy_from_slice(payload))]);
                let frames = life.writes();
                assert_eq!((frames.len(), frames[0].first, &frames[0].payload[..]), (1, PONG, payload));
            }
        }
    }

    #[test]
    fn pings_are_answered_in_a_bounded_number_of_bytes_and_the_latest_at_last() {
        let mut life = Life::new(Role::Server);
        for number in 0..10_000_u32 {
            life.hears_frame(PING, &[&number.to_be_bytes()[..], &[0; 121]].concat());
        }
        assert!(life.connection.transmit_len() < 32 * 1024, "{} bytes wait", life.connection.transmit_len());
        let frames = life.writes();
        assert_eq!(frames.last().map(|frame| &frame.payload[..4]), Some(&9_999_u32.to_be_bytes()[..]));
    }

    /// RFC 6455, 5.5.3 lets older Pongs be left out; sent after a newer one, they would answer what is no longer asked.
    #[test]
    fn no_pong_goes_out_after_a_later_pings() {
        let mut life = Life::new(Role::Server);
        life.connection.send(Message::binary(vec![0; 20_000])).unwrap();
        life.hears_frame(PING, b"1");
        life.connection.poll_transmit().unwrap().advance(10_000);
        life.hears_frame(PING, b"2");
        let rest = life.write_all();
        let pongs: Vec<_> = read_frames(&rest[20_004 - 10_000..]).into_iter().map(|frame| frame.payload).collect();
        assert!(pongs == [b"2"] || pongs == [b"1", b"2"], "{pongs:?}");
    }

    /// The shell above keeps the transport busy: it sends more as soon as little is left, which need not be nothing.
    #[test]
    fn a_ping_is_answered_while_there_is_always_something_to_send() {
        let mut life = Life::new(Role::Server);
        let message = Message::binary(vec![0; 30_000]);
        life.connection.send(message.clone()).unwrap();
        life.hears_frame(PING, b"still there?");
        let mut written = Vec::new();
        for _ in 0..100 {
            life.connection.send(message.clone()).unwrap();
            written.extend_from_slice(&life.connection.poll_transmit().unwrap().copy_to_bytes(30_004));
        }
        let rest = life.connection.poll_transmit().unwrap(); // so that the last frame is whole
        written.extend_from_slice(&rest.copy_to_bytes(rest.remaining()));
        assert!(read_frames(&written).iter().any(|frame| frame.first == PONG), "no Pong in {} bytes", written.len());
    }

    #[test]
    fn a_message_of_the_limit_is_good_in_one_frame_and_in_many() {
        for length in [99, 100] {
            let mut life = with(|config| config.message_limit = 100);
            let payload = vec![b'x'; length];
            let expected = [Event::Message(Message::binary(payload.clone()))];
            assert_eq!(life.hears_frame(BINARY, &payload), expected);
            assert_eq!(life.hears_frame(0x02, &payload[..60]), []);
            assert_eq!(life.hears_frame(MORE, &payload[60..]), []);
            assert_eq!(life.hears_frame(FIN, b""), expected);
        }
    }

    #[test]
    fn the_limit_is_each_messages_own() {
        let mut life = with(|config| config.message_limit = 100);
        assert_eq!(life.hears_frame(0x02, &[0; 90]), []);
        assert_eq!(life.hears_frame(PING, &[0; 90]).len(), 1);
        assert_eq!(life.hears_frame(FIN, &[0; 10]).len(), 1);
        assert_eq!(life.hears_frame(BINARY, &[0; 100]).len(), 1);
    }

    #[test]
    fn an_announced_exabyte_costs_nothing_under_any_limit() {
        let mut life = with(|config| config.message_limit = usize::MAX);
        life.hears(&header(BINARY, true, u64::MAX >> 1));
        assert_eq!(life.hears(&[1, 2, 3]), []);

        let mut life = Life::new(Role::Server);
        life.hears(&header(BINARY, true, u64::MAX >> 1));
        assert_eq!(life.writes_close().0, 1009);
    }
}

mod ends {
    use super::*;

    #[test]
    fn a_close_sent_by_us_waits_for_the_peers() {
        for role in BOTH {
            let mut life = Life::new(role);
            life.connection.send("last words".into()).unwrap();
            life.at(1.0).close(1001, "restarting");
            assert_eq!(life.connection.send("too late".into()), Err(NotSent::Closed("too late".into())));
            let frames = life.writes();
            assert_eq!(frames[0].payload, b"last words");
            assert_eq!(frames[1].as_close(), Some((1001, "restarting")));
            assert!(!life.shuts_down(), "the peer may still have something to say");
            assert_eq!(life.hears_frame(TEXT, b"one more"), [Event::Message("one more".into())]);
            assert_eq!(life.due(), Some(6.0), "close_timeout is 5 s");

            assert_eq!(life.at(2.0).hears_frame(CLOSE, &close_payload(1001, "")), []);
            assert_eq!(life.shuts_down(), role == Role::Server, "the server ends TCP first");
            assert!(!life.shuts_down(), "once");
            assert_eq!(life.due(), Some(4.0), "linger is 2 s");
            let report = life.at(3.0).transport_ends(TransportEnd::Finished).unwrap();
            assert!(report.is_clean());
            assert_eq!((report.began, report.cause), (Side::Local, Cause::ClosedHere("closed here".into())));
            assert_eq!((report.sent, report.received), (Some(close_frame(1001, "restarting")), Some(close_frame(1001, ""))));
            assert_eq!(report.lived, Duration::from_secs(3));
            assert_eq!((report.outgoing.messages, report.incoming.messages), (1, 1));
            assert_eq!(report.unsent, Traffic::default());
        }
    }

    #[test]
    fn the_peers_close_is_answered_with_its_code() {
        for role in BOTH {
            for (payload, frame, answer) in [
                (close_payload(1000, "bye"), close_frame(1000, "bye"), 1000),
                (close_payload(4999, ""), close_frame(4999, ""), 4999),
                (vec![], CloseFrame::empty(), 1005),
            ] {
                let mut life = Life::new(role);
                assert_eq!(life.hears_frame(CLOSE, &payload), []);
                assert_eq!(life.connection.send("too late".into()), Err(NotSent::Closed("too late".into())));
                assert_eq!(life.writes_close(), (answer, String::new()));
                assert_eq!(life.shuts_down(), role == Role::Server);
                let report = life.transport_ends(TransportEnd::Finished).unwrap();
                assert_eq!((report.began, &report.cause, report.is_clean()), (Side::Peer, &Cause::ClosedByPeer, true));
                assert_eq!(report.received, Some(frame));
            }
        }
    }

    #[test]
    fn two_closes_that_cross_are_one_clean_end() {
        let mut life = Life::new(Role::Server);
        life.close(1001, "restarting").writes();
        life.hears_frame(CLOSE, &close_payload(1000, "bye"));
        assert_eq!(life.writes(), [], "one Close is enough");
        let report = life.transport_ends(TransportEnd::Finished).unwrap();
        assert_eq!((report.began, report.is_clean()), (Side::Local, true));
        assert_eq!(report.received, Some(close_frame(1000, "bye")));
    }

    #[test]
    fn nothing_goes_out_after_close() {
        let mut life = Life::new(Role::Server);
        life.close(1000, "").close(1001, "again");
        life.hears_frame(PING, b"there?");
        life.at(20.0);
        assert_eq!(life.writes_close(), (1000, String::new()));
        let _ = life.connection.send("too late".into());
        assert_eq!(life.writes(), []);
    }

    #[test]
    fn a_pong_that_is_owed_does_not_follow_close() {
        let mut life = Life::new(Role::Server);
        life.connection.send(Message::binary(vec![0; 20_000])).unwrap();
        life.hears_frame(PING, b"owed");
        life.close(1000, "");
        assert_eq!(life.writes().last().and_then(|frame| frame.as_close().map(|(code, _)| code)), Some(1000));
    }

    #[test]
    fn our_side_is_ended_only_after_everything_is_written() {
        let mut life = Life::new(Role::Server);
        life.connection.send(Message::binary(vec![0; 10_000])).unwrap();
        life.hears_frame(CLOSE, &close_payload(1000, ""));
        while life.connection.transmit_len() > 0 {
            assert!(!life.shuts_down());
            life.connection.poll_transmit().unwrap().advance(8);
        }
        assert!(life.shuts_down());
    }

    #[test]
    fn a_peer_that_does_not_answer_our_close_is_dropped_after_five_seconds() {
        let mut life = Life::new(Role::Server);
        life.at(1.0).close(1000, "").writes();
        life.at(4.0).hears_frame(TEXT, b"not now");
        assert_eq!(life.at(5.9).fires().connection.report(), None);
        let report = life.at(6.0).fires().connection.report().unwrap();
        assert_eq!((report.sent.is_some(), report.received, report.transport), (true, None, TransportEnd::TimedOut));
        assert_eq!(life.due(), None);
    }

    #[test]
    fn a_peer_that_does_not_end_tcp_is_dropped_after_the_linger() {
        for role in BOTH {
            let mut life = Life::new(role);
            life.at(1.0).hears_frame(CLOSE, &close_payload(1000, ""));
            life.writes();
            assert_eq!(life.at(2.9).fires().hears(b"noise"), []);
            assert_eq!(life.connection.report(), None);
            let report = life.at(3.0).fires().connection.report().unwrap();
            assert_eq!((report.is_clean(), report.transport), (true, TransportEnd::TimedOut));
        }
    }

    #[test]
    fn a_transport_that_is_lost_is_reported_with_what_was_not_sent() {
        let mut life = Life::new(Role::Server);
        life.connection.send("sent".into()).unwrap();
        life.writes();
        life.connection.send("not sent".into()).unwrap();
        let report = life.at(7.0).transport_ends(TransportEnd::Failed(ErrorKind::ConnectionReset)).unwrap();
        assert_eq!((report.began, report.cause), (Side::Peer, Cause::TransportLost));
        assert_eq!(report.transport, TransportEnd::Failed(ErrorKind::ConnectionReset));
        assert_eq!((report.outgoing.bytes, report.unsent), (6, Traffic { messages: 1, frames: 0, bytes: 10 }));
        assert!(life.connection.poll_transmit().is_none() && !life.shuts_down());
    }

    #[test]
    fn the_first_end_is_the_one_that_is_reported() {
        for role in BOTH {
            let mut life = Life::new(role);
            let first = life.at(1.0).transport_ends(TransportEnd::Finished);
            let now = life.at(9.0).now();
            life.connection.abandon("too late", now);
            assert_eq!(life.close(1000, "").fires().writes(), []);
            assert_eq!(life.hears_frame(TEXT, b"a ghost"), []);
            let second = life.transport_ends(TransportEnd::Failed(ErrorKind::ConnectionReset));
            assert!(first.is_some());
            assert_eq!(first, second, "nothing changes a report");
        }
    }

    #[test]
    fn a_connection_that_is_abandoned_says_why() {
        let mut life = Life::new(Role::Server);
        let now = life.now();
        life.connection.abandon("the handler panicked", now);
        let report = life.connection.report().unwrap();
        assert_eq!((report.began, report.cause), (Side::Local, Cause::ClosedHere("the handler panicked".into())));
        assert_eq!((report.sent, report.transport), (None, TransportEnd::Dropped));
    }

    #[test]
    fn a_close_frame_that_never_left_is_not_reported_as_sent() {
        let mut life = Life::new(Role::Server);
        life.hears_frame(CLOSE, &close_payload(1000, ""));
        let report = life.transport_ends(TransportEnd::Failed(ErrorKind::ConnectionReset)).unwrap();
        assert_eq!((report.outgoing.bytes, report.unsent.bytes), (0, 4));
        assert!(report.sent.is_none() && !report.is_clean(), "not a byte of it was taken: {report}");
    }

    /// `nc -N` and others end their side behind their last byte, and still read.
    #[test]
    fn a_fin_behind_a_violation_does_not_eat_the_close_frame() {
        let mut life = Life::new(Role::Server);
        life.hears(&[0x83]);
        life.transport_ends(TransportEnd::Finished);
        assert_eq!(life.writes_close().0, 1002);
    }

    #[test]
    fn times_without_end_are_no_trap() {
        let forever = |config: &mut Config| (config.close_timeout, config.linger) = (Duration::MAX, Duration::MAX);
        let mut life = with(forever);
        life.close(1000, "").fires();
        life.hears_frame(CLOSE, b"");
        assert_eq!(life.fires().connection.report(), None);
    }
}
