//! How the dead are told from the quiet.

mod peer;

use std::time::Duration;

use peer::{Life, PING, PONG, TEXT, frame};
use silverback_wire::{Cause, Config, Event, Heartbeat, Role};

fn with(heartbeat: Option<Heartbeat>) -> Life {
    let mut config = Config::default();
    config.heartbeat = heartbeat;
    Life::with(Role::Server, config)
}

#[test]
fn silence_is_asked_about_after_20_seconds_and_is_death_after_30() {
    for role in [Role::Server, Role::Client] {
        let mut life = Life::new(role);
        assert_eq!(life.due(), Some(20.0));
        assert_eq!(life.at(19.9).fires().writes(), []);
        assert_eq!(life.at(20.0).fires().writes()[0].first, PING);
        assert_eq!(life.due(), Some(30.0));
        assert_eq!(life.at(29.9).fires().writes(), [], "one Ping is enough for one silence");
        assert_eq!(life.at(30.0).fires().writes_close().0, 1011);
        assert!(life.shuts_down());
        assert_eq!(life.fires().connection.report().unwrap().cause, Cause::PeerSilent(Duration::from_secs(30)));
    }
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut config = Config::default();
    config.message_timeout = None;
    let mut life = Life::with(Role::Server, config);
    let bytes = frame(Role::Client, TEXT, b"slow");
    for (second, byte) in bytes.iter().enumerate() {
        let at = 19.0 * (second + 1) as f64;
        life.at(at).hears(&[*byte]);
        assert_eq!(life.due(), Some(at + 20.0));
        assert_eq!(life.fires().writes(), []);
    }
}

#[test]
fn the_pong_says_how_long_the_peer_took() {
    let mut life = Life::new(Role::Server);
    let ping = life.at(20.0).fires().writes().remove(0);
    let event = life.at(20.25).hears_frame(PONG, &ping.payload).remove(0);
    assert_eq!(event, Event::Pong { payload: ping.payload.clone().into(), round_trip: Some(Duration::from_millis(250)) });
    assert_eq!(life.due(), Some(40.25), "and it is a sign of life");
    let again = life.hears_frame(PONG, &ping.payload).remove(0);
    assert_eq!(again, Event::Pong { payload: ping.payload.into(), round_trip: None }, "a Ping is answered once");
}

#[test]
fn each_silence_is_asked_about_anew() {
    let mut life = Life::new(Role::Server);
    let first = life.at(20.0).fires().writes().remove(0);
    life.at(25.0).hears_frame(TEXT, b"busy, not dead");
    assert_eq!(life.due(), Some(45.0));
    let second = life.at(45.0).fires().writes().remove(0);
    assert_ne!(first.payload, second.payload);
    let late = life.at(46.0).hears_frame(PONG, &first.payload).remove(0);
    assert!(matches!(late, Event::Pong { round_trip: None, .. }), "it answers an earlier Ping: {late:?}");
}

#[test]
fn silence_is_not_held_against_a_peer_that_nobody_reads() {
    let mut life = Life::new(Role::Server);
    life.at(20.0).fires().writes();
    life.pauses();
    assert_eq!(life.at(1000.0).fires().writes()[0].first, PONG, "a peer that is not asked is told");
    assert!(life.connection.is_open());
    let now = life.now();
    life.connection.resume_reading(now);
    assert_eq!(life.due(), Some(1020.0));
    assert_eq!(life.at(1020.0).fires().writes()[0].first, PING);
    life.connection.resume_reading(now);
    assert_eq!(life.due(), Some(1030.0), "resuming what was not paused changes nothing");
}

#[test]
fn a_peer_whose_pings_nobody_reads_is_told_that_we_live() {
    let mut life = Life::new(Role::Server);
    life.at(10.0).pauses();
    life.at(15.0).pauses();
    for second in [30.0, 50.0, 70.0] {
        assert_eq!(life.due(), Some(second));
        assert_eq!(life.at(second).fires().writes().len(), 1);
        assert_eq!(life.fires().writes(), [], "once each");
    }
    let now = life.now();
    life.connection.resume_reading(now);
    life.at(90.0).fires();
    life.pauses();
    let report = life.transport_ends(silverback_wire::TransportEnd::Finished).unwrap();
    assert_eq!((report.pings, report.pings_unanswered, report.pauses), (1, 1, 2));
}

#[test]
fn a_busy_end_is_not_taken_for_dead_by_one_like_it() {
    let (mut busy, mut peer) = (Life::new(Role::Server), Life::new(Role::Client));
    busy.pauses();
    for second in 1..300 {
        busy.at(f64::from(second)).fires();
        peer.at(f64::from(second));
        let bytes = busy.write_all();
        peer.hears(&bytes);
        peer.fires().write_all(); // its Pings go nowhere
    }
    assert!(peer.connection.is_open(), "{:?}", peer.connection.report());
}

/// The timer was late because this process was (a blocked thread, a stopped machine). A peer that was never asked is not dead.
#[test]
fn a_late_timer_asks_before_it_buries() {
    let mut life = Life::new(Role::Server);
    life.at(35.0).fires();
    assert!(life.connection.is_open(), "{:?}", life.connection.report());
    assert_eq!(life.writes().iter().map(|frame| frame.first).collect::<Vec<_>>(), [PING]);
    assert_eq!(life.due(), Some(45.0), "it has its ten seconds from the Ping");
}

#[test]
fn without_a_heartbeat_there_is_no_timer() {
    let mut life = with(None);
    assert_eq!(life.due(), None);
    assert_eq!(life.at(1e6).fires().writes(), []);
    assert!(life.connection.is_open());
}

#[test]
fn a_heartbeat_that_is_never_death_may_say_so_with_the_longest_duration() {
    let never = Duration::MAX;
    let mut life = with(Some(Heartbeat { ping_after: Duration::from_secs(20), dead_after: never }));
    assert_eq!(life.at(20.0).fires().writes().len(), 1);
    let _ = life.due();
    assert!(life.at(1e6).fires().connection.is_open());
}
