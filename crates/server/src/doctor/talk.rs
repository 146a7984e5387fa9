//! An open connection, in our hands: `wire` drives it, and every frame is seen.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use silverback::wire::deflate::Agreement;
use silverback::wire::frame::{Header, Opcode};
use silverback::wire::mask;
use silverback::wire::{Connection, Event, Role, TransportEnd};
use silverback::{CloseCode, CloseFrame, Config, Message, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::observed::{Close, End, Idled, Large, Ping, Sent};

/// How long an echo is waited for once the server has answered a ping behind the message.
const ECHO: Duration = Duration::from_millis(300);

/// A connection after its handshake.
pub(super) struct Talk {
    stream: Box<dyn Stream>,
    wire: Connection,
    pings_heard: u32,
    messages_heard: u32,
    /// When the last byte went or came, but for a Close.
    last_byte: Instant,
}

enum Heard {
    Event(Event),
    Ended(End),
    TimeIsOver,
}

impl Talk {
    /// `behind` came behind the head of the answer.
    pub(super) fn new(stream: Box<dyn Stream>, agreement: Option<Agreement>, behind: BytesMut, largest: usize, within: Duration) -> Self {
        let mut config = Config::default();
        config.heartbeat = None; // the silence of the idle wait is to be silence
        config.message_limit = largest.max(1 << 20);
        config.close_timeout = within;
        config.linger = within.min(Duration::from_secs(2));
        config.write_timeout = Some(within);
        let mut wire = Connection::new(Role::Client, Arc::new(config), now()).with_deflate(agreement);
        if !behind.is_empty() {
            wire.receive(behind, now());
        }
        Self { stream, wire, pings_heard: 0, messages_heard: 0, last_byte: Instant::now() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.wire.is_open()
    }

    /// A ping's round trip.
    pub(super) async fn ping(&mut self, within: Duration) -> Ping {
        let began = Instant::now();
        match self.pong(b"doctor", began + within, |_| {}).await {
            Ok(true) => Ping::Answered(began.elapsed()),
            Ok(false) => Ping::TimedOut(within),
            Err(end) => Ping::Ended(end),
        }
    }

    /// Sends random bytes, which compression does not make fewer, and a ping behind them.
    pub(super) async fn large(&mut self, size: usize, within: Duration) -> Large {
        let mut payload = vec![0; size];
        rand::fill(&mut payload[..]);
        let payload = Bytes::from(payload);
        let outcome = self.send_large(&payload, within).await.unwrap_or_else(Sent::Ended);
        Large { size, outcome }
    }

    async fn send_large(&mut self, payload: &Bytes, within: Duration) -> Result<Sent, End> {
        let until = Instant::now() + within;
        if self.wire.send(Message::Binary(payload.clone())).is_err() {
            return Ok(Sent::NotOpen);
        }
        let mut is_echoed = false;
        let is_echo = |heard: &Event| matches!(heard, Event::Message(Message::Binary(echo)) if echo == payload);
        let has_pong = self.pong(b"behind", until, |heard| is_echoed |= is_echo(heard)).await?;
        let patience = until.min(Instant::now() + ECHO);
        while has_pong && !is_echoed {
            match self.hear(patience).await {
                Heard::Event(event) => is_echoed |= is_echo(&event),
                Heard::Ended(end) => return Err(end),
                Heard::TimeIsOver => break,
            }
        }
        Ok(match (is_echoed, has_pong) {
            (true, _) => Sent::Echoed,
            (false, true) => Sent::Taken,
            (false, false) => Sent::NoAnswer(within),
        })
    }

    /// Says nothing for a while, but for answers to pings.
    pub(super) async fn idle(&mut self, silence: Duration, within: Duration) -> (Idled, u32, u32) {
        (self.pings_heard, self.messages_heard) = (0, 0);
        let until = self.last_byte + silence; // a proxy has counted from there
        let outcome = loop {
            match self.hear(until).await {
                Heard::Event(_) => {}
                Heard::Ended(end) => break Idled::Ended { after: self.last_byte.elapsed(), end },
                Heard::TimeIsOver => match self.pong(b"still", Instant::now() + within, |_| {}).await {
                    Ok(true) => break Idled::Open,
                    Ok(false) | Err(_) => break Idled::Dead,
                },
            }
        };
        (outcome, self.pings_heard, self.messages_heard)
    }

    /// Closes with 1000.
    pub(super) async fn close(mut self, within: Duration) -> Close {
        if !self.is_open() {
            return Close::NotOpen;
        }
        self.wire.close(CloseFrame::new(CloseCode::NORMAL, "silverback doctor"), now());
        let until = Instant::now() + within + within.min(Duration::from_secs(2));
        loop {
            match self.hear(until).await {
                Heard::Event(_) => {}
                Heard::Ended(end) => return Close::Done(end.report),
                Heard::TimeIsOver => {
                    self.wire.transport_ended(TransportEnd::TimedOut, now());
                    return self.report().map_or(Close::NotOpen, |end| Close::Done(end.report));
                }
            }
        }
    }

    /// Sends a ping and waits for the pong to it. `false` when time is over.
    async fn pong(&mut self, payload: &'static [u8], until: Instant, mut heard: impl FnMut(&Event)) -> Result<bool, End> {
        if !self.flush(until).await {
            return Ok(false);
        }
        if let Some(end) = self.report() {
            return Err(end);
        }
        match timeout_at(until, self.stream.write_all(&ping_frame(payload))).await {
            Err(_) => return Ok(false),
            Ok(Err(_)) => {} // reading tells more
            Ok(Ok(())) => drop(timeout_at(until, self.stream.flush()).await),
        }
        self.last_byte = Instant::now();
        loop {
            match self.hear(until).await {
                Heard::Event(Event::Pong { payload: echo, .. }) if echo == payload => return Ok(true),
                Heard::Event(event) => heard(&event),
                Heard::Ended(end) => return Err(end),
                Heard::TimeIsOver => return Ok(false),
            }
        }
    }

    /// The next thing that happens. What waits is written on the way.
    async fn hear(&mut self, until: Instant) -> Heard {
        loop {
            while let Some(event) = self.wire.poll_event(now()) {
                match &event {
                    Event::Ping(_) => self.pings_heard += 1,
                    Event::Message(_) | Event::Part(_) => self.messages_heard += 1,
                    _ => {}
                }
                if !matches!(event, Event::Ending) {
                    self.last_byte = Instant::now();
                    return Heard::Event(event);
                }
            }
            if !self.flush(until).await {
                return Heard::TimeIsOver;
            }
            if let Some(end) = self.report() {
                return Heard::Ended(end);
            }
            if Instant::now() >= until {
                return Heard::TimeIsOver; // however fast bytes come, which a time-out around a read does not notice
            }
            let due = self.wire.poll_timeout().map(Instant::from_std);
            let mut bytes = BytesMut::with_capacity(16 * 1024);
            match timeout_at(due.map_or(until, |due| due.min(until)), self.stream.read_buf(&mut bytes)).await {
                Ok(Ok(0)) => self.wire.transport_ended(TransportEnd::Finished, now()),
                Ok(Ok(_)) => self.wire.receive(bytes, now()),
                Ok(Err(error)) => self.wire.transport_ended(end_of(&error), now()),
                Err(_) if Instant::now() >= until => return Heard::TimeIsOver,
                Err(_) => self.wire.handle_timeout(now()),
            }
        }
    }

    /// Writes what waits. `false` when time is over. A failure is left for reading to tell, which knows what the server said before.
    async fn flush(&mut self, until: Instant) -> bool {
        let mut buffer = BytesMut::new();
        while let Some(transmit) = self.wire.poll_transmit() {
            let length = transmit.remaining();
            buffer.extend_from_slice(&transmit.copy_to_bytes(length));
        }
        if !buffer.is_empty() {
            let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
            let writing = async {
                writer.write_all(&buffer).await?;
                writer.flush().await
            };
            // A peer that sends while it is sent to must be read, or both wait for ever.
            let mut arrived = BytesMut::new();
            tokio::pin!(writing);
            loop {
                tokio::select! {
                    written = &mut writing => {
                        let _ = written;
                        break;
                    }
                    read = reader.read_buf(&mut arrived), if arrived.len() < buffer.len() + (1 << 20) => {
                        if !matches!(read, Ok(1..)) { break }
                    }
                    () = tokio::time::sleep_until(until) => return false,
                }
            }
            if !arrived.is_empty() {
                self.wire.receive(arrived, now());
            }
        }
        if self.wire.poll_shutdown(now()) {
            let _ = timeout_at(until, self.stream.shutdown()).await;
        }
        true
    }

    fn report(&self) -> Option<End> {
        self.wire.report().map(|report| End { report: Box::new(report) })
    }
}

fn end_of(error: &io::Error) -> TransportEnd {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => TransportEnd::Finished, // TLS that was ended without a word
        kind => TransportEnd::Failed(kind),
    }
}

/// A masked Ping (RFC 6455, 5.5.2), which `wire` sends only for its heartbeat.
fn ping_frame(payload: &[u8]) -> BytesMut {
    let key: [u8; 4] = rand::random();
    let length = payload.len() as u64;
    let mut frame = BytesMut::new();
    Header { fin: true, reserved: 0, opcode: Opcode::Ping, mask: Some(key), length }.encode(&mut frame);
    let mut masked = payload.to_vec();
    mask::apply(&mut masked, key, 0);
    frame.extend_from_slice(&masked);
    frame
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
