//! Every deadline ends the connection in its time, with its own cause, and not before.

mod peer;

use std::time::Duration;

use bytes::Buf;
use peer::{FIN, Life, MORE, PING, PONG, TEXT};
use silverback_wire::{Cause, Config, Keepalive, Part, Role, Side, TransportEnd};

fn with(change: impl FnOnce(&mut Config)) -> Life {
    let mut config = Config::default();
    config.heartbeat = None;
    config.write_timeout = Some(MINUTE);
    change(&mut config);
    Life::with(Role::Server, config)
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_peer_that_is_alive_and_says_nothing_is_idle() {
    let mut life = with(|config| config.idle_timeout = Some(MINUTE));
    life.at(50.0).hears_frame(PING, b"");
    life.writes();
    assert_eq!(life.due(), Some(60.0), "a Ping is no message");
    life.at(55.0).hears_frame(TEXT, b"hello");
    assert_eq!(life.due(), Some(115.0));
    assert_eq!(life.at(114.9).fires().writes(), []);
    life.at(115.0).fires();
    assert_eq!(life.writes_close(), (1008, "no message came within 60 s".to_owned()));
    life.hears_frame(peer::CLOSE, &peer::close_payload(1008, ""));
    life.shuts_down();
    let report = life.transport_ends(TransportEnd::Finished).unwrap();
    assert_eq!((report.cause, report.began), (Cause::Idle(MINUTE), Side::Local));
}

#[test]
fn a_peer_is_not_idle_while_nobody_reads() {
    let mut life = with(|config| config.idle_timeout = Some(MINUTE));
    life.pauses();
    assert_eq!(life.at(1000.0).fires().due(), None);
    let now = life.now();
    life.connection.resume_reading(now);
    assert_eq!(life.due(), Some(1060.0));
}

#[test]
fn a_connection_that_is_old_is_closed_with_1001() {
    let mut life = with(|config| config.max_age = Some(MINUTE));
    life.at(59.9).hears_frame(TEXT, b"hello");
    assert_eq!(life.due(), Some(60.0));
    life.at(60.0).fires();
    assert_eq!(life.writes_close(), (1001, "this connection has lasted its time: connect again".to_owned()));
    life.at(65.0).fires();
    assert_eq!(life.connection.report().unwrap().cause, Cause::MaxAge(MINUTE));
}

#[test]
fn connections_that_began_together_do_not_end_together() {
    let ends: Vec<f64> =
        (0..100).map(|_| with(|config| (config.max_age, config.max_age_jitter) = (Some(MINUTE), MINUTE)).due().unwrap()).collect();
    assert!(ends.iter().all(|end| (60.0..120.0).contains(end)));
    assert!(ends.iter().any(|end| *end < 90.0) && ends.iter().any(|end| *end > 90.0), "{ends:?}");
}

#[test]
fn a_transport_that_takes_nothing_ends_the_connection() {
    let mut life = with(|_| {});
    life.connection.send("to nobody".into()).unwrap();
    let now = life.now();
    life.connection.transmit_blocked(now);
    assert_eq!(life.due(), Some(60.0));
    // A byte a minute is progress.
    life.connection.poll_transmit().unwrap().advance(1);
    assert_eq!(life.at(59.0).fires().due(), None, "it can be written to");
    let now = life.now();
    life.connection.transmit_blocked(now);
    life.at(100.0);
    let now = life.now();
    life.connection.transmit_blocked(now);
    assert_eq!(life.due(), Some(119.0), "counted from the last byte");
    assert!(life.at(118.9).fires().connection.report().is_none());
    let report = life.at(119.0).fires().connection.report().unwrap();
    assert_eq!((report.cause, report.transport), (Cause::WriteStalled(MINUTE), TransportEnd::TimedOut));
    assert_eq!((report.unsent.messages, report.unsent.bytes, report.sent), (1, 10, None));
}

#[test]
fn a_transport_that_has_taken_everything_owes_nothing() {
    let mut life = with(|_| {});
    life.connection.send("hello".into()).unwrap();
    let now = life.now();
    life.connection.transmit_blocked(now);
    life.write_all();
    assert_eq!(life.due(), None);
    assert!(life.at(1000.0).fires().connection.is_open());
}

#[test]
fn writes_may_stall_for_ever_if_that_is_wanted() {
    let mut life = with(|config| config.write_timeout = None);
    life.connection.send("hello".into()).unwrap();
    let now = life.now();
    life.connection.transmit_blocked(now);
    assert_eq!(life.due(), None);
}

#[test]
fn a_message_keeps_a_browsers_code_sure_of_us_when_no_other_does() {
    let keepalive = Keepalive { every: Duration::from_secs(10), message: "alive".into() };
    let mut life = with(|config| config.keepalive = Some(keepalive));
    assert_eq!(life.at(10.0).fires().writes()[0].payload, b"alive");
    life.at(15.0).connection.send("news".into()).unwrap();
    life.writes();
    assert_eq!(life.at(20.0).fires().writes(), [], "another message did it");
    assert_eq!(life.at(30.0).fires().writes()[0].payload, b"alive");
    // Not inside a message in parts.
    life.connection.send_part(Part { piece: "begun".into(), is_last: false }).unwrap();
    assert_eq!(life.at(40.0).fires().writes().len(), 1);
    life.connection.send_part(Part { piece: "done".into(), is_last: true }).unwrap();
    let firsts: Vec<u8> = life.at(50.0).fires().writes().iter().map(|frame| frame.first).collect();
    assert_eq!(firsts, [FIN]);
    assert_eq!(life.at(60.0).fires().writes()[0].payload, b"alive");
    assert_eq!(MORE, 0);
}

#[test]
fn a_keepalive_does_not_pile_up_for_a_peer_that_does_not_read() {
    let keepalive = Keepalive { every: Duration::from_secs(1), message: "x".repeat(10_000).into() };
    let mut life = with(|config| config.keepalive = Some(keepalive));
    for second in 1..100 {
        life.at(f64::from(second)).fires();
    }
    assert!(life.connection.transmit_len() < 30_000, "{}", life.connection.transmit_len());
}

#[test]
fn the_round_trip_of_the_last_ping_is_known_and_in_the_report() {
    let mut life = Life::new(Role::Server);
    assert_eq!(life.connection.round_trip(), None);
    let ping = life.at(20.0).fires().writes().remove(0);
    life.at(20.25).hears_frame(PONG, &ping.payload);
    assert_eq!(life.connection.round_trip(), Some(Duration::from_millis(250)));
    let report = life.transport_ends(TransportEnd::Failed(std::io::ErrorKind::ConnectionReset)).unwrap();
    assert_eq!(report.round_trip, Some(Duration::from_millis(250)));
    assert_eq!((report.pings, report.pings_unanswered, report.pauses), (1, 0, 0));
}
