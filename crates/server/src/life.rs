//! A client's life: its messages, its fresh tokens, and its end when there is none.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use silverback::{CloseCode, CloseReport, HandlerResult, Message, Sender};
use silverback_hub::{Session, SessionInfo, SessionReceiver};
use tracing::Span;
use tracing::field::display;

use crate::auth::{Authenticator, TokenError, written};
use crate::hooks::{Line, Told};
use crate::identity::Presented;
use crate::limits::Pace;
use crate::log::SESSIONS;
use crate::renewal::{self, Asked};
use crate::term::{Notice, Term};
use crate::traces;
use crate::traffic::Traffic;

/// The token has expired. Codes from 4000 on are an application's (RFC 6455, 7.4.2); this one reads like HTTP's 401.
const TOKEN_EXPIRED: u16 = 4401;

/// Runs it to its end. Whoever checked its token checks its fresh ones too; the back end is told by the line, if there is one.
/// `place` is what the session takes from what all may have; it is given back at the end.
pub(crate) fn run<P>(
    session: Session,
    line: Option<Line>,
    pace: Pace,
    place: P,
    auth: Option<Arc<Authenticator>>,
    traffic: Traffic,
) -> impl Future<Output = ()> {
    let info = session.info().clone();
    let span = traces::session(info.id, &info.identity.user);
    let span = (!span.is_none()).then(|| Box::new(span)); // which nobody has room for where there are no traces
    let life = session.run(|_, rx| listen(auth, line, pace, traffic, rx));
    // What is above is no part of the future, which every session keeps.
    async move {
        let report = life.await;
        tell(&info, &report, span.as_deref().unwrap_or(&Span::none()));
        drop(place);
    }
}

/// Tells the log and the trace how it ended.
fn tell(info: &SessionInfo, report: &CloseReport, span: &Span) {
    tracing::info!(
        target: SESSIONS,
        session = %info.id,
        user = &*info.identity.user,
        lived = ?report.lived,
        messages_in = report.incoming.messages,
        messages_out = report.outgoing.messages,
        unsent = report.unsent.messages,
        %report,
        "ended"
    );
    span.record("silverback.cause", display(&report.cause));
    for (field, frame) in [("silverback.close.sent", &report.sent), ("silverback.close.received", &report.received)] {
        span.record(field, frame.as_ref().map(|frame| frame.code.map_or(1005, CloseCode::get)));
    }
    span.record("silverback.messages.in", report.incoming.messages);
    span.record("silverback.messages.out", report.outgoing.messages);
}

/// What a session holds as long as it lives. What it needs only now and then is in boxes that are made for it: most of them are quiet.
struct Client {
    /// `None` where no token can be checked.
    auth: Option<Arc<Authenticator>>,
    term: Term,
    line: Option<Box<Line>>,
    pace: Pace,
    traffic: Traffic,
    rx: SessionReceiver,
}

/// What a session waits for.
enum Happened {
    Notice(Notice),
    /// The back end knows of it.
    Introduced,
    Message(Option<Message>),
}

/// What is to be done, and may take long.
enum Task {
    Answer(Asked),
    Deliver(Message),
}

/// What comes of something that has happened.
enum Then {
    GoOn,
    Do(Task),
    End,
}

/// Takes what the client says, until it says no more.
fn listen(
    auth: Option<Arc<Authenticator>>,
    line: Option<Line>,
    pace: Pace,
    traffic: Traffic,
    rx: SessionReceiver,
) -> impl Future<Output = HandlerResult> {
    let mut client = Client::new(auth, line, pace, traffic, rx);
    // A block: what an `async fn` is called with would have its place in the future twice.
    async move {
        loop {
            let happened = poll_fn(|cx| client.poll_next(cx)).await;
            match client.take(happened) {
                Then::GoOn => {}
                // In a box: whoever says nothing holds no room for it.
                Then::Do(task) => match Box::pin(client.act(task)).await {
                    true => {}
                    false => return Ok(()),
                },
                Then::End => return Ok(()),
            }
        }
    }
}

impl Client {
    fn new(auth: Option<Arc<Authenticator>>, line: Option<Line>, pace: Pace, traffic: Traffic, rx: SessionReceiver) -> Self {
        let mut client = Self { auth, term: Term::default(), line: line.map(Box::new), pace, traffic, rx };
        client.extend(client.rx.info().identity.expires_at);
        if let Some(line) = &mut client.line {
            line.is_of(client.rx.sender());
        }
        client
    }

    /// However much a client says, its end comes.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if let Poll::Ready(notice) = self.term.poll_next(cx) {
            return Poll::Ready(Happened::Notice(notice));
        }
        if let Some(line) = self.line.as_mut().filter(|line| line.is_to_be_introduced())
            && line.poll_introduced(cx).is_ready()
        {
            return Poll::Ready(Happened::Introduced);
        }
        Poll::Ready(Happened::Message(ready!(self.pace.poll_next(&mut self.rx, cx))))
    }

    fn take(&mut self, happened: Happened) -> Then {
        let message = match happened {
            Happened::Message(Some(message)) => message,
            Happened::Message(None) => return Then::End,
            Happened::Introduced => return Then::GoOn,
            Happened::Notice(notice) => {
                notify(&self.rx, notice);
                return Then::GoOn;
            }
        };
        if let Some(asked) = renewal::asked(&message) {
            return Then::Do(Task::Answer(asked));
        }
        self.traffic.came(message.len());
        self.rx.show(&message);
        tracing::debug!(session = %self.rx.info().id, size = message.len(), text = message.as_text().map(beginning), "message");
        match &self.line {
            Some(line) if line.is_for_messages() => Then::Do(Task::Deliver(message)),
            _ => Then::GoOn,
        }
    }

    /// Whether to go on after it.
    async fn act(&mut self, task: Task) -> bool {
        match task {
            Task::Answer(asked) => self.answer(asked).await,
            Task::Deliver(message) => return self.deliver(&message).await,
        }
        true
    }

    /// Notices of the session's end come in time, however long the back end takes.
    async fn deliver(&mut self, message: &Message) -> bool {
        let Self { line: Some(line), term, traffic, rx, .. } = self else { return true };
        {
            let mut doing = pin!(deliver(line, message, rx.sender(), traffic));
            loop {
                tokio::select! {
                    biased;
                    notice = term.next() => notify(rx, notice),
                    is_taken = &mut doing => match is_taken {
                        true => return true,
                        false => break,
                    },
                }
            }
        }
        rx.notes().add("a message was given up: the back end could not be reached");
        while let Some(message) = rx.recv_unseen().await {
            if renewal::asked(&message).is_none() {
                line.give_up();
            }
        }
        false
    }

    /// While a token is checked nothing else is read; the check is bounded.
    async fn answer(&mut self, asked: Asked) {
        if self.term.is_over() {
            return; // the Close has been said
        }
        let answer = match renewed(self.auth.as_deref(), self.rx.info(), asked).await {
            Ok(expires_at) => {
                self.extend(expires_at);
                self.rx.notes().add("its token was renewed");
                tracing::info!(session = %self.rx.info().id, expires_at = expires_at.map(written), "the token was renewed");
                renewal::accepted(expires_at)
            }
            Err(error) => {
                self.rx.notes().add(format!("a fresh token was refused: {}", error.cause()));
                tracing::info!(session = %self.rx.info().id, cause = error.cause(), %error, "a fresh token was refused");
                renewal::refused(&error)
            }
        };
        say(&self.rx, answer);
    }

    /// The session lasts until then. A client is warned if it has said that it knows our messages, by the subprotocol; others are told nothing that
    /// they did not ask for.
    fn extend(&mut self, expires_at: Option<SystemTime>) {
        let warning = self.auth.as_ref().filter(|_| self.rx.info().subprotocol.is_some()).map(|auth| auth.warning());
        self.term = Term::new(expires_at, warning.unwrap_or_default());
    }
}

/// The new end.
async fn renewed(auth: Option<&Authenticator>, of: &SessionInfo, asked: Asked) -> Result<Option<SystemTime>, TokenError> {
    let Asked::Renewal(token) = asked else {
        return Err(TokenError::Malformed("the message must be {\"type\":\"silverback.token\",\"token\":\"…\"}"));
    };
    let auth = auth.ok_or(TokenError::NoKeys)?;
    let verified = auth.check(&Presented { token, source: "connection" }).await?;
    if *verified.user == *of.identity.user { Ok(verified.expires_at) } else { Err(TokenError::OtherUser) }
}

fn notify(of: &SessionReceiver, notice: Notice) {
    match notice {
        Notice::Soon { expires_at, left } => {
            of.notes().add("warned of its token's end");
            say(of, renewal::expiring(expires_at, left));
        }
        Notice::Over => {
            of.notes().add("its token expired");
            let code = CloseCode::new(TOKEN_EXPIRED).unwrap_or(CloseCode::POLICY_VIOLATION);
            of.sender().begin_close(code, "the token expired: connect again with a fresh one");
        }
    }
}

/// Brings a message to the back end and its answer to the client. Whether to go on: where it is given up, the session is closed.
async fn deliver(line: &mut Line, message: &Message, tx: &Sender, traffic: &Traffic) -> bool {
    let answer = match line.tell(message).await {
        Told::Taken(None) => return true,
        Told::Taken(Some(answer)) => answer,
        Told::Refused(notice) => notice,
        Told::GivenUp { number } => {
            tx.begin_close(CloseCode::TRY_AGAIN_LATER, format!("the back end did not take message {number}: send it again later"));
            return false;
        }
    };
    let bytes = answer.len();
    match tx.send(answer).await {
        Ok(()) => traffic.went_to_one(bytes),
        Err(_) => line.answer_was_lost(),
    }
    true
}

/// Never waits: a client that reads nothing must not keep its session alive by it.
fn say(of: &SessionReceiver, message: Message) {
    if let Err(error) = of.sender().try_send(message) {
        tracing::debug!(session = %of.info().id, %error, "a message about the token could not be queued");
    }
}

/// What fits on a line of the log.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use silverback::Upgrader;
    use silverback_hub::{Event, Hub, Identity, Subscription};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::time::Instant;

    use super::*;
    use crate::auth::{Auth, Mint};
    use crate::config::Secret;
    use crate::identity::SUBPROTOCOL;
    use crate::limits::Limits;

    const SECRET: &str = "auth-secret-that-nobody-may-see-0123456789";

    /// A client in the hub by a token of so many seconds.
    struct Client {
        stream: DuplexStream,
        events: Subscription,
        began: Instant,
    }

    impl Client {
        async fn joined(seconds: Option<u64>, offers: Option<&str>) -> Self {
            let auth = Auth { secret: Some(Secret::new(SECRET.to_owned())), ..Auth::default() };
            let auth = Arc::new(Authenticator::new(&auth).unwrap());
            let expires_at = seconds.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
            let (mut stream, theirs) = tokio::io::duplex(1 << 16);
            let hub = Hub::new();
            let events = hub.subscribe();
            let began = Instant::now();
            tokio::spawn(async move {
                let upgrader = Upgrader::builder().subprotocols([SUBPROTOCOL]).build();
                let socket = upgrader.accept(theirs).await.unwrap();
                let identity = Identity::new("alice");
                let identity = match expires_at {
                    Some(end) => identity.until(end),
                    None => identity,
                };
                run(hub.join(identity, socket).unwrap(), None, Pace::new(&Limits::default()), (), Some(auth), Traffic::default()).await;
            });
            let offer = offers.map(|offers| format!("Sec-WebSocket-Protocol: {offers}\r\n")).unwrap_or_default();
            let request = format!(
                "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
            Self { stream, events, began }
        }

        async fn frame(&mut self) -> (u8, Vec<u8>) {
            let opcode = self.stream.read_u8().await.unwrap() & 0x0f;
            let length = match self.stream.read_u8().await.unwrap() {
                126 => usize::from(self.stream.read_u16().await.unwrap()),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.unwrap();
            (opcode, payload)
        }

        /// The next frame that is no ping; those are answered.
        async fn next(&mut self) -> (u8, Vec<u8>) {
            loop {
                match self.frame().await {
                    (9, payload) => self.send(10, &payload).await,
                    frame => return frame,
                }
            }
        }

        /// The next message, which is of JSON, and when it came.
        async fn told(&mut self) -> (Value, u64) {
            let (opcode, payload) = self.next().await;
            assert_eq!(opcode, 1, "{}", String::from_utf8_lossy(&payload));
            (serde_json::from_slice(&payload).unwrap(), self.seconds())
        }

        /// It is closed for its token's end, about then.
        async fn assert_closed(&mut self, seconds: u64) {
            let (opcode, payload) = self.next().await;
            assert_eq!(opcode, 8, "{}", String::from_utf8_lossy(&payload));
            assert_eq!(u16::from_be_bytes([payload[0], payload[1]]), 4401);
            assert_about(self.seconds(), seconds);
        }

        async fn send(&mut self, opcode: u8, payload: &[u8]) {
            let mut frame = vec![0x80 | opcode, 0x80 | 126];
            match payload.len() {
                short @ ..126 => frame[1] = 0x80 | short as u8,
                long => frame.extend_from_slice(&(long as u16).to_be_bytes()),
            }
            frame.extend_from_slice(&[0; 4]);
            frame.extend_from_slice(payload);
            self.stream.write_all(&frame).await.unwrap();
        }

        async fn renew(&mut self, user: &str, seconds: u64) {
            let mint = Mint::new(&Secret::new(SECRET.to_owned()), &Auth::default());
            let (token, _) = mint.mint(user, Duration::from_secs(seconds)).unwrap();
            self.send(1, json!({ "type": "silverback.token", "token": token }).to_string().as_bytes()).await;
        }

        fn seconds(&self) -> u64 {
            self.began.elapsed().as_secs()
        }
    }

    /// A fresh token ends at a whole second, up to one before what was asked for, and the wall clock goes on while paused time stands still.
    #[track_caller]
    fn assert_about(at: u64, expected: u64) {
        assert!((expected - 10..=expected).contains(&at), "at {at} s, not at {expected}");
    }

    #[test]
    fn what_a_session_holds_is_small() {
        let size = size_of::<super::Client>(); // not the one of these tests
        assert!(size <= 120, "{size} bytes for every session");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_warned_a_minute_before_and_closed_with_4401_at_the_end() {
        let mut client = Client::joined(Some(600), Some("silverback")).await;
        let (warning, at) = client.told().await;
        assert_eq!((&warning["type"], &warning["seconds"]), (&json!("silverback.token.expiring"), &json!(60)));
        assert_about(at, 540);
        client.assert_closed(600).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_know_our_messages_is_told_nothing_but_the_end() {
        let mut client = Client::joined(Some(600), None).await;
        client.assert_closed(600).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_without_an_end_has_none() {
        let mut client = Client::joined(None, Some("silverback")).await;
        let more = tokio::time::timeout(Duration::from_secs(86_400), client.next()).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_token_moves_the_end() {
        for offers in [Some("silverback"), None] {
            let mut client = Client::joined(Some(30), offers).await;
            if offers.is_some() {
                assert_eq!(client.told().await.0["type"], "silverback.token.expiring");
            }
            client.renew("alice", 1000).await;
            let (answer, _) = client.told().await;
            assert_eq!(answer["type"], "silverback.token.accepted");
            assert!(answer["expires_at"].is_string());
            if offers.is_some() {
                let (warning, at) = client.told().await;
                assert_eq!(warning["type"], "silverback.token.expiring");
                assert_about(at, 940);
            }
            client.assert_closed(1000).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fresh_token_that_is_not_good_changes_nothing() {
        let mut client = Client::joined(Some(30), None).await;
        for (message, cause) in [
            (json!({ "type": "silverback.token", "token": "a.b.c" }), "token-malformed"),
            (json!({ "type": "silverback.token", "token": "x".repeat(9000) }), "token-too-long"),
            (json!({ "type": "silverback.token" }), "token-malformed"),
        ] {
            client.send(1, message.to_string().as_bytes()).await;
            let (answer, _) = client.told().await;
            assert_eq!((&answer["type"], &answer["cause"]), (&json!("silverback.token.refused"), &json!(cause)));
            assert!(answer["detail"].is_string() && answer["cure"].is_string());
        }
        client.renew("mallory", 1000).await;
        assert_eq!(client.told().await.0["cause"], "token-other-user");
        client.renew("alice", 0).await;
        assert_eq!(client.told().await.0["cause"], "token-expired");
        client.assert_closed(30).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_about_tokens_is_no_message_for_others() {
        let mut client = Client::joined(Some(600), None).await;
        client.renew("alice", 1000).await;
        client.told().await;
        client.send(1, b"hello").await;
        let mut kinds = Vec::new();
        while kinds.len() < 2 {
            match client.events.next().await.unwrap().unwrap() {
                Event::Connected(_) => kinds.push("connected".to_owned()),
                Event::Message { excerpt, .. } => kinds.push(excerpt.as_text().unwrap().to_owned()),
                event => unreachable!("{event:?}"),
            }
        }
        assert_eq!(kinds, ["connected", "hello"]);
    }
}
