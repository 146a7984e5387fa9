//! What one connection sends, in whatever way, arrives at the other in whatever cuts, and what both report agrees.

#![no_main]

use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use bytes::{Buf, Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use silverback_fuzz::{Choice, Deadlines, KEEPALIVE, Setting, origin};
use silverback_wire::{
    Cause, CloseCode, CloseFrame, CloseReport, Connection, Event, Message, NotSent, Part, Prepared, ProtocolError, Side, Text, TransportEnd,
};

#[derive(Debug, Arbitrary)]
struct Input {
    server: Choice,
    client: Choice,
    /// Of the client and of the server, as in [`Setting`].
    part_sizes: [u8; 2],
    deadlines: [Deadlines; 2],
    actions: Vec<(bool, Action)>,
}

#[derive(Debug, Clone, Arbitrary)]
enum Action {
    Send(Words),
    SendPrepared(Words),
    /// Both send the same.
    SendToAll(Words),
    /// In parts of so many characters or bytes, behind those of a message that was begun.
    SendParts {
        words: Words,
        size: u16,
        is_last: bool,
    },
    /// The transport takes this many bytes, in pieces of this size, and the peer reads them, into lent room if there is some.
    Carry {
        count: u16,
        piece: u16,
        is_lent: bool,
    },
    /// Everything, both ways, until nothing waits.
    Settle,
    /// Deciseconds pass.
    Wait(u16),
    Pause,
    Resume,
    Close(u16),
    Abandon,
}

/// A message that repeats itself, or not.
#[derive(Debug, Clone, Arbitrary)]
enum Words {
    Text(String, u8),
    Binary(Vec<u8>, u8),
    /// So many times 64 bytes that hardly shrink.
    Noise(u8),
}

/// Of a message, in bytes: beyond what a length of 16 bits can say.
const LIMIT: usize = 70_000;

fuzz_target!(|input: Input| {
    let now = origin();
    let end = |is_client: bool| End::new(input.connection(is_client, now));
    let mut ends = Ends { client: end(true), server: end(false), now };
    let mut is_disturbed = false;
    for (is_clients, action) in &input.actions {
        is_disturbed |= matches!(action, Action::Wait(_) | Action::Abandon);
        ends.act(*is_clients, action);
    }
    // Whatever they did, both are at their ends when this is done.
    for (is_clients, action) in [(true, Action::Settle), (true, Action::Close(4999)), (true, Action::Settle)] {
        ends.act(is_clients, &action);
    }
    for _ in 0..2 {
        ends.wait(Duration::from_secs(3600));
    }
    ends.check(is_disturbed);
});

impl Input {
    fn connection(&self, is_client: bool, now: Instant) -> Connection {
        let at = usize::from(!is_client);
        let setting = Setting { is_client, message_limit: 0, part_size: self.part_sizes[at], server: self.server, client: self.client };
        let mut config = setting.config();
        config.message_limit = LIMIT;
        self.deadlines[at].set(&mut config);
        setting.connection(config, now)
    }
}

impl Words {
    /// As a message within the limit.
    fn message(&self) -> Message {
        let times = |length: usize, times: u8| usize::from(times).min(LIMIT / length.max(1));
        match self {
            Self::Text(text, count) => text.repeat(times(text.len(), *count)).into(),
            Self::Binary(bytes, count) => bytes.repeat(times(bytes.len(), *count)).into(),
            Self::Noise(count) => {
                (0..u32::from(*count) * 16).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect::<Vec<_>>().into()
            }
        }
    }
}

struct Ends {
    client: End,
    server: End,
    now: Instant,
}

struct End {
    connection: Connection,
    sent: Vec<Message>,
    /// A message that was begun in parts.
    begun: Option<Message>,
    heard: Vec<Message>,
    /// A message that arrives in parts.
    parts: Vec<Message>,
    has_finished: bool,
    report: Option<CloseReport>,
}

impl Ends {
    fn act(&mut self, is_clients: bool, action: &Action) {
        let now = self.now;
        let (one, other) = if is_clients { (&mut self.client, &mut self.server) } else { (&mut self.server, &mut self.client) };
        match action {
            Action::Send(words) => one.send(words.message(), |connection, message| connection.send(message)),
            Action::SendPrepared(words) => one.send_prepared(&Prepared::new(words.message())),
            Action::SendToAll(words) => {
                let prepared = Prepared::new(words.message());
                one.send_prepared(&prepared);
                other.send_prepared(&prepared);
            }
            Action::SendParts { words, size, is_last } => one.send_parts(words.message(), (*size).into(), *is_last),
            Action::Carry { count, piece, is_lent } => {
                one.carry((*count).into(), (*piece).max(count / 256 + 1).into(), *is_lent, other, now);
            }
            Action::Settle => self.settle(),
            Action::Wait(deciseconds) => self.wait(Duration::from_millis(u64::from(*deciseconds) * 100)),
            Action::Pause => one.connection.pause_reading(now),
            Action::Resume => one.connection.resume_reading(now),
            Action::Close(code) => {
                let frame = CloseCode::new(*code).map_or(CloseFrame::empty(), |code| CloseFrame::new(code, "as it was asked to"));
                one.connection.close(frame, now);
            }
            Action::Abandon => one.connection.abandon("as it was asked to", now),
        }
        self.client.note_report();
        self.server.note_report();
    }

    fn settle(&mut self) {
        for round in 0.. {
            self.client.carry(usize::MAX, usize::MAX, true, &mut self.server, self.now);
            self.server.carry(usize::MAX, usize::MAX, true, &mut self.client, self.now);
            if self.client.connection.poll_transmit().is_none() && self.server.connection.poll_transmit().is_none() {
                return;
            }
            assert!(round < 10, "two connections that answer each other come to rest");
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        for end in [&mut self.client, &mut self.server] {
            end.connection.handle_timeout(self.now);
            end.note_report();
        }
    }

    #[expect(clippy::expect_used, reason = "a target's assertion")]
    fn check(&self, is_disturbed: bool) {
        let of_client = self.client.report.as_ref().expect("an hour later there is a report");
        let of_server = self.server.report.as_ref().expect("an hour later there is a report");
        for (one, other) in [(of_client, of_server), (of_server, of_client)] {
            assert!(one.received.is_none() || one.received == other.sent, "{one} / {other}");
            assert!(one.incoming.bytes <= other.outgoing.bytes && one.incoming.messages <= other.outgoing.messages);
            match &one.cause {
                // A rule that the sender may not know.
                Cause::Protocol(ProtocolError::MessageTooSlow { .. }) => assert!(is_disturbed),
                Cause::Protocol(error) => unreachable!("we broke a rule: {error}"),
                Cause::ClosedByPeer => assert!(one.received.is_some() && other.sent.is_some()),
                _ => {}
            }
        }
        let is_clean = of_client.is_clean() && of_server.is_clean();
        assert!(is_clean || is_disturbed, "{of_client} / {of_server}");
        for (from, to) in [(&self.client, &self.server), (&self.server, &self.client)] {
            let (sent, heard) = (by_application(&from.sent), by_application(&to.heard));
            assert!(sent.starts_with(&heard), "what is heard is the beginning of what was sent");
            assert!(!is_clean || sent.len() == heard.len(), "what was sent before a Close is heard before it");
        }
        if is_clean {
            let codes = [of_client, of_server].map(|report| report.sent.as_ref().map(|close| close.code));
            assert!(of_client.began == of_server.began || codes[0] == codes[1], "an echo has the same code");
            assert!(of_client.began == Side::Local || of_server.began == Side::Local || is_disturbed, "{of_client} / {of_server}");
        }
    }
}

impl End {
    fn new(connection: Connection) -> Self {
        Self { connection, sent: Vec::new(), begun: None, heard: Vec::new(), parts: Vec::new(), has_finished: false, report: None }
    }

    fn send(&mut self, message: Message, send: impl FnOnce(&mut Connection, Message) -> Result<(), NotSent>) {
        match send(&mut self.connection, message.clone()) {
            Ok(()) => self.sent.push(message),
            Err(NotSent::Closed(back)) => assert!(back == message && !self.connection.is_open()),
            Err(NotSent::InsideMessage(back)) => assert!(back == message && self.begun.is_some()),
            Err(NotSent::OtherKind(back)) => unreachable!("a whole message continues none: {back:?}"),
        }
    }

    fn send_prepared(&mut self, prepared: &Prepared) {
        self.send(prepared.message().clone(), |connection, _| connection.send_prepared(prepared));
    }

    fn send_parts(&mut self, message: Message, size: usize, is_last: bool) {
        if !self.connection.is_open() {
            return;
        }
        if self.begun.as_ref().is_some_and(|begun| !is_alike(begun, &message)) {
            let part = Part { piece: message.clone(), is_last };
            assert_eq!(self.connection.send_part(part), Err(NotSent::OtherKind(message)));
            return;
        }
        let size = size.max(message.len() / 100 + 1); // this keeps what was sent so far by copying it
        let pieces: Vec<Message> = match (&self.begun, message.as_text()) {
            (Some(begun), _) if begun.len() + message.len() > LIMIT => Vec::new(),
            (_, Some(text)) => text.chars().collect::<Vec<_>>().chunks(size).map(|piece| piece.iter().collect::<String>().into()).collect(),
            (_, None) => message.payload().chunks(size).map(|piece| piece.to_vec().into()).collect(),
        };
        pieces.into_iter().for_each(|piece| self.send_part(piece, false));
        if is_last {
            let kind = self.begun.as_ref().unwrap_or(&message);
            self.send_part(joined(kind, &[]), true);
        }
    }

    fn send_part(&mut self, piece: Message, is_last: bool) {
        let whole = match self.begun.take() {
            None => piece.clone(),
            Some(begun) => joined(&begun, &[begun.payload(), piece.payload()]),
        };
        assert_eq!(self.connection.send_part(Part { piece, is_last }), Ok(()));
        assert_eq!(self.connection.is_inside_message(), !is_last);
        if is_last {
            self.sent.push(whole);
        } else {
            self.begun = Some(whole);
        }
    }

    /// Writes at most `count` bytes, which `peer` reads in pieces; ends the transport where that is due.
    fn carry(&mut self, mut count: usize, piece: usize, is_lent: bool, peer: &mut Self, now: Instant) {
        while let Some(out) = self.connection.poll_transmit().filter(|_| count > 0) {
            let bytes = out.copy_to_bytes(out.remaining().min(count).min(piece));
            count -= bytes.len();
            if peer.connection.report().is_none() {
                peer.hear(&bytes, is_lent, now);
            }
        }
        if self.connection.transmit_len() > 0 {
            self.connection.transmit_blocked(now);
        } else {
            self.connection.transmit_flowing();
        }
        self.has_finished |= self.connection.poll_shutdown(now) || self.connection.report().is_some();
        if self.has_finished && peer.connection.report().is_none() {
            peer.connection.transport_ended(TransportEnd::Finished, now);
        }
    }

    fn hear(&mut self, mut bytes: &[u8], is_lent: bool, now: Instant) {
        while let Some(mut room) = self.connection.lend().filter(|_| is_lent && !bytes.is_empty()) {
            let (here, rest) = bytes.split_at(bytes.len().min(room.capacity()));
            room.extend_from_slice(here);
            bytes = rest;
            self.receive(room, now);
        }
        self.receive(BytesMut::from(bytes), now);
    }

    fn receive(&mut self, bytes: BytesMut, now: Instant) {
        self.connection.receive(bytes, now);
        while let Some(event) = self.connection.poll_event(now) {
            match event {
                Event::Message(message) => self.heard.push(message),
                Event::Part(part) => {
                    self.parts.push(part.piece);
                    if part.is_last {
                        // Only now: what is copied for each part grows with the square.
                        let parts = std::mem::take(&mut self.parts);
                        self.heard.push(joined(&parts[0], &parts.iter().map(Message::payload).collect::<Vec<_>>()));
                    }
                }
                _ => {}
            }
        }
    }

    /// A report that is there stays as it is.
    fn note_report(&mut self) {
        let report = self.connection.report();
        assert!(self.report.is_none() || self.report == report, "{:?} became {report:?}", self.report);
        self.report = report;
    }
}

/// Without what a connection says by itself.
fn by_application(messages: &[Message]) -> Vec<&Message> {
    messages.iter().filter(|message| message.as_text() != Some(KEEPALIVE)).collect()
}

fn is_alike(one: &Message, other: &Message) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

/// A message of the same kind from these pieces.
#[expect(clippy::expect_used, reason = "a target's assertion")]
fn joined(kind: &Message, pieces: &[&Bytes]) -> Message {
    let bytes = Bytes::from(pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<_>>());
    match kind {
        Message::Text(_) => Message::Text(Text::try_from(bytes).expect("a text is cut between characters")),
        Message::Binary(_) => Message::Binary(bytes),
    }
}
