//! What holds for any bytes, in any cuts, and for any two connections that talk to each other.

mod peer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use peer::{BINARY, FIN, Life, MORE, PING, PONG, TEXT, close_payload, frame};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use silverback_wire::handshake::HeadReader;
use silverback_wire::{CloseCode, CloseFrame, CloseReport, Config, Connection, Event, Message, Role, TransportEnd};

/// Bytes that now and then make sense: frames with any first byte, and noise.
fn bytes(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![8 => select(vec![0x01, 0x02, MORE, FIN, TEXT, BINARY, PING, PONG]), 1 => any::<u8>()];
    let text = any::<String>().prop_map(String::into_bytes);
    let payload = prop_oneof![4 => text, 1 => vec(any::<u8>(), 0..300)];
    let close = (any::<u16>(), any::<String>()).prop_map(move |(code, reason)| frame(sender, 0x88, &close_payload(code % 5000, &reason)));
    let piece = prop_oneof![
        16 => (first, payload).prop_map(move |(first, payload)| frame(sender, first, &payload)),
        1 => close,
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn cut<'a>(mut bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces: Vec<_> = at.iter().rev().map(|at| bytes.split_off(*at..).unwrap_or_default()).collect();
    pieces.push(bytes);
    pieces.reverse();
    pieces
}

/// All that is seen of a connection that hears these pieces and then loses its transport.
fn life_of(role: Role, pieces: &[&[u8]]) -> (Vec<Event>, Vec<peer::Seen>, CloseReport) {
    let mut config = Config::default();
    config.message_limit = 400;
    let mut life = Life::with(role, config);
    let (mut events, mut written) = (Vec::new(), Vec::new());
    for piece in pieces {
        events.extend(life.hears(piece));
        written.extend(life.writes());
    }
    let report = life.transport_ends(TransportEnd::Finished).unwrap_or_else(|| unreachable!("a transport that ended has a report"));
    (events, written, report)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn bytes_are_judged_the_same_in_any_cuts(
        (role, bytes) in prop_oneof![bytes(Role::Client).prop_map(|bytes| (Role::Server, bytes)), bytes(Role::Server).prop_map(|bytes| (Role::Client, bytes))],
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let whole = life_of(role, &[&bytes]);
        prop_assert_eq!(&life_of(role, &cut(&bytes, &cuts)), &whole);
        prop_assert_eq!(&life_of(role, &bytes.chunks(1).collect::<Vec<_>>()), &whole);
    }

    #[test]
    fn noise_never_panics(bytes: Vec<u8>, cuts in vec(any::<Index>(), 0..5), is_server: bool) {
        let role = if is_server { Role::Server } else { Role::Client };
        prop_assert_eq!(life_of(role, &cut(&bytes, &cuts)), life_of(role, &[&bytes]));
    }

    #[test]
    fn a_head_is_judged_the_same_in_any_cuts(
        lines in vec("[ -~]{0,20}(: [ -~]{0,20})?(\r\n|\r\n|\r\n|\n|\r)", 0..6),
        cuts in vec(any::<Index>(), 0..10),
    ) {
        let head = [b"GET / HTTP/1.1\r\n", lines.concat().as_bytes(), b"\r\n\x81\x00"].concat();
        let read = |pieces: &[&[u8]]| {
            let mut reader = HeadReader::new(100);
            for piece in pieces {
                reader.buffer().extend_from_slice(piece);
                match reader.poll_end() {
                    Ok(None) => {}
                    Ok(Some(end)) => return Some(reader.finish(end).map(|(request, _)| (request.headers().clone(), end))),
                    Err(error) => return Some(Err(error)),
                }
            }
            None
        };
        prop_assert_eq!(read(&cut(&head, &cuts)).map(|read| read.map_err(drop)), read(&[&head]).map(|read| read.map_err(drop)));
    }
}

fn message() -> impl Strategy<Value = Message> {
    let sizes = prop_oneof![0..130usize, 4090..4100usize, 16_380..16_390usize, 65_530..65_540usize];
    prop_oneof![
        any::<String>().prop_map(Message::from),
        (sizes.clone(), any::<u8>()).prop_map(|(size, byte)| Message::binary(vec![byte; size])),
        sizes.prop_map(|size| Message::from("ü".repeat(size / 2))),
    ]
}

/// The message in fragments at these cuts, with a Ping in front of each.
fn fragments(sender: Role, message: &Message, cuts: &[Index]) -> Vec<u8> {
    let opcode = if message.as_text().is_some() { 1 } else { 2 };
    let pieces = cut(message.payload(), cuts);
    let last = pieces.len() - 1;
    let frames = pieces.iter().enumerate().map(|(i, piece)| {
        let first = if i == last { FIN } else { MORE } | if i == 0 { opcode } else { 0 };
        [frame(sender, PING, &[i as u8]), frame(sender, first, piece)].concat()
    });
    frames.collect::<Vec<_>>().concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn messages_survive_fragments_pings_and_cuts(
        messages in vec((message(), vec(any::<Index>(), 0..5)), 1..5),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        for role in [Role::Server, Role::Client] {
            let mut life = Life::new(role);
            let bytes: Vec<u8> = messages.iter().flat_map(|(message, cuts)| fragments(peer::other(role), message, cuts)).collect();
            let events = cut(&bytes, &cuts).into_iter().flat_map(|piece| life.hears(piece)).collect::<Vec<_>>();
            let (pings, heard): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| matches!(event, Event::Ping(_)));
            prop_assert_eq!(heard, messages.iter().map(|(message, _)| Event::Message(message.clone())).collect::<Vec<_>>());
            prop_assert_eq!(life.writes().len(), pings.len());
        }
    }

    #[test]
    fn messages_survive_the_trip_between_two_connections(messages in vec(message(), 1..8), cuts in vec(any::<Index>(), 0..20)) {
        for (from, to) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let (mut sender, mut receiver) = (Life::new(from), Life::new(to));
            messages.iter().for_each(|message| assert_eq!(sender.connection.send(message.clone()), Ok(())));
            let bytes = sender.write_all();
            let heard: Vec<_> = cut(&bytes, &cuts).into_iter().flat_map(|piece| receiver.hears(piece)).collect();
            prop_assert_eq!(heard, messages.iter().map(|message| Event::Message(message.clone())).collect::<Vec<_>>());
        }
    }
}

#[derive(Debug, Clone)]
enum Action {
    Send(Message),
    Close(u16),
    Abandon,
    Pause,
    Resume,
    /// The transport takes this many bytes and the peer reads them.
    Carry(usize),
    Wait(u64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => message().prop_map(Action::Send),
        2 => (4000..4010u16).prop_map(Action::Close),
        1 => Just(Action::Abandon),
        1 => Just(Action::Pause),
        1 => Just(Action::Resume),
        8 => (0..100_000usize).prop_map(Action::Carry),
        2 => (0..12_000u64).prop_map(Action::Wait),
    ]
}

/// One end, with what has become of it.
struct End {
    connection: Connection,
    sent: Vec<Message>,
    heard: Vec<Message>,
    has_finished: bool,
    report: Option<CloseReport>,
}

impl End {
    fn new(role: Role, now: Instant) -> Self {
        let connection = Connection::new(role, Arc::new(Config::default()), now);
        Self { connection, sent: Vec::new(), heard: Vec::new(), has_finished: false, report: None }
    }

    fn act(&mut self, action: &Action, now: Instant) {
        match action {
            Action::Send(message) if self.connection.send(message.clone()).is_ok() => self.sent.push(message.clone()),
            Action::Close(code) => {
                self.connection.close(CloseCode::new(*code).map_or(CloseFrame::empty(), |code| CloseFrame::new(code, "")), now)
            }
            Action::Abandon => self.connection.abandon("abandoned", now),
            Action::Pause => self.connection.pause_reading(now),
            Action::Resume => self.connection.resume_reading(now),
            _ => {}
        }
    }

    /// Writes at most `count` bytes, which `peer` reads; ends the transport where that is due.
    fn carry(&mut self, mut count: usize, peer: &mut Self, now: Instant) {
        while let Some(out) = self.connection.poll_transmit().filter(|_| count > 0) {
            let bytes = out.copy_to_bytes(count.min(out.remaining()));
            count -= bytes.len();
            if peer.connection.report().is_some() {
                continue; // into the void
            }
            peer.connection.receive(BytesMut::from(&bytes[..]), now);
            let events = std::iter::from_fn(|| peer.connection.poll_event(now));
            peer.heard.extend(events.filter_map(|event| if let Event::Message(message) = event { Some(message) } else { None }));
        }
        self.has_finished |= self.connection.poll_shutdown(now) || self.connection.report().is_some();
        if self.has_finished && peer.connection.report().is_none() {
            peer.connection.transport_ended(TransportEnd::Finished, now);
        }
    }

    /// A report that is there stays as it is.
    fn note_report(&mut self) {
        let report = self.connection.report();
        assert!(self.report.is_none() || self.report == report, "{:?} became {report:?}", self.report);
        self.report = report;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn two_connections_end_with_one_report_each_that_agree(actions in vec((any::<bool>(), action()), 0..40)) {
        let mut now = peer::origin();
        let (mut client, mut server) = (End::new(Role::Client, now), End::new(Role::Server, now));
        // Whatever they do, an hour later both are at their ends.
        let after = [Action::Close(4999), Action::Carry(usize::MAX), Action::Carry(usize::MAX), Action::Wait(3_600_000), Action::Wait(3_600_000)];
        let after = after.into_iter().flat_map(|action| [(true, action.clone()), (false, action)]);
        for (is_clients, action) in actions.into_iter().chain(after) {
            let (one, other) = if is_clients { (&mut client, &mut server) } else { (&mut server, &mut client) };
            match action {
                Action::Carry(count) => one.carry(count, other, now),
                Action::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    one.connection.handle_timeout(now);
                    other.connection.handle_timeout(now);
                }
                action => one.act(&action, now),
            }
            one.note_report();
            other.note_report();
        }
        let (Some(of_client), Some(of_server)) = (client.report, server.report) else { return Err(TestCaseError::fail("no report")) };
        for (one, other) in [(&of_client, &of_server), (&of_server, &of_client)] {
            prop_assert!(one.received.is_none() || one.received == other.sent, "{} / {}", one, other);
            prop_assert!(one.incoming.bytes <= other.outgoing.bytes);
            prop_assert!(one.incoming.messages <= other.outgoing.messages);
        }
        if of_client.is_clean() && of_server.is_clean() && of_client.began != of_server.began {
            prop_assert_eq!(of_client.sent.map(|frame| frame.code), of_server.sent.map(|frame| frame.code), "an echo has the same code");
        }
        for (sent, heard) in [(&client.sent, &server.heard), (&server.sent, &client.heard)] {
            prop_assert!(sent.starts_with(heard), "{heard:?} is not the beginning of {sent:?}");
        }
    }
}
