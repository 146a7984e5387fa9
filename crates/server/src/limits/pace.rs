//! How fast a session may send.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use silverback::{CloseCode, Message};
use silverback_hub::SessionReceiver;
use tokio::time::{Instant, Sleep, sleep_until};

use super::bucket::Bucket;
use super::settings::{Limits, WhenTooFast};

/// Gives a session's messages at the pace that is allowed. Without a limit it is nothing, and looks at no clock.
pub(crate) struct Pace(Option<Box<Rates>>);

struct Rates {
    messages: Option<Rate>,
    bytes: Option<Rate>,
    when_too_fast: WhenTooFast,
    /// Until the next message is read.
    rest: Option<Pin<Box<Sleep>>>,
    was_noted: bool,
    /// Nothing that still arrives matters.
    was_closed: bool,
}

struct Rate {
    per_second: u64,
    bucket: Bucket,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        let rate = |per_second: u64| Rate { per_second, bucket: Bucket::default() };
        let messages = limits.messages_per_second.map(|count| rate(count.get() as u64));
        let bytes = limits.bytes_per_second.map(|size| rate(size.as_u64()));
        let rates = Rates { messages, bytes, when_too_fast: limits.when_too_fast, rest: None, was_noted: false, was_closed: false };
        let is_limited = rates.messages.is_some() || rates.bytes.is_some();
        Self(is_limited.then(|| Box::new(rates)))
    }

    /// The next message. While it waits nothing is read, so that TCP slows the client down; its silence is not held against it.
    pub(crate) fn poll_next(&mut self, rx: &mut SessionReceiver, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        match &mut self.0 {
            None => rx.poll_recv_unseen(cx),
            Some(rates) => rates.poll_next(rx, cx),
        }
    }
}

impl Rates {
    fn poll_next(&mut self, rx: &mut SessionReceiver, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        // Once the connection has ended nobody is slowed down by it, and what has come need not be kept.
        if let Some(rest) = self.rest.as_mut().filter(|_| rx.sender().close_report().is_none()) {
            ready!(rest.as_mut().poll(cx));
        }
        self.rest = None;
        while let Some(message) = ready!(rx.poll_recv_unseen(cx)) {
            if self.was_closed {
                continue;
            }
            let now = Instant::now();
            let wait = self.charge(message.len() as u64, now);
            if wait.is_zero() {
                return Poll::Ready(Some(message));
            }
            if !std::mem::replace(&mut self.was_noted, true) {
                metrics::counter!("silverback_sessions_too_fast_total").increment(1);
                rx.notes().add(format!("sent more than {}", self.allowed()));
            }
            match self.when_too_fast {
                WhenTooFast::Wait => {
                    self.rest = Some(Box::pin(sleep_until(now + wait)));
                    return Poll::Ready(Some(message));
                }
                WhenTooFast::Close => {
                    rx.sender().begin_close(CloseCode::POLICY_VIOLATION, format!("you may send {}: send less", self.allowed()));
                    self.was_closed = true;
                }
            }
        }
        Poll::Ready(None)
    }

    /// How long until the next message may come.
    fn charge(&mut self, bytes: u64, now: Instant) -> Duration {
        let messages = self.messages.as_mut().map(|rate| rate.bucket.charge(1, rate.per_second, now));
        let bytes = self.bytes.as_mut().map(|rate| rate.bucket.charge(bytes, rate.per_second, now));
        messages.max(bytes).unwrap_or_default()
    }

    fn allowed(&self) -> String {
        let messages = self.messages.as_ref().map(|rate| format!("{} messages", rate.per_second));
        let bytes = self.bytes.as_ref().map(|rate| format!("{} bytes", rate.per_second));
        let both: Vec<_> = messages.into_iter().chain(bytes).collect();
        format!("{} in a second", both.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::num::NonZeroUsize;

    use bytesize::ByteSize;
    use silverback::{Dialer, Upgrader, WebSocket};
    use silverback_hub::{Hub, Identity};
    use tokio::sync::mpsc;

    use super::*;

    /// A client of a session with these limits, and what its handler is given: how long after the beginning, and how many bytes.
    async fn connected(limits: Limits) -> (WebSocket, mpsc::Receiver<(Duration, usize)>) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (upgrader, dialer) = (Upgrader::default(), Dialer::default());
        let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://silverback.test/"));
        let session = Hub::new().join(Identity::new("alice"), server.unwrap()).unwrap();
        let (tell, told) = mpsc::channel(1000);
        let began = Instant::now();
        tokio::spawn(async move {
            let mut pace = Pace::new(&limits);
            let handler = |_, mut rx| async move {
                while let Some(message) = poll_fn(|cx| pace.poll_next(&mut rx, cx)).await {
                    tell.send((began.elapsed(), message.len())).await.unwrap();
                }
                Ok(())
            };
            session.run(handler).await;
        });
        (client.unwrap(), told)
    }

    /// When each of so many messages was given, in milliseconds.
    async fn given(limits: Limits, messages: usize, size: usize) -> Vec<u128> {
        let (mut client, mut told) = connected(limits).await;
        for _ in 0..messages {
            client.send("x".repeat(size)).await.unwrap();
        }
        let mut times = Vec::new();
        while times.len() < messages {
            times.push(told.recv().await.unwrap().0.as_millis());
        }
        times
    }

    #[test]
    fn without_a_limit_a_session_has_nothing_of_it() {
        assert!(Pace::new(&Limits::default()).0.is_none());
        assert_eq!(size_of::<Pace>(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_sends_more_messages_than_it_may_is_slowed_down_to_what_it_may() {
        let limits = || Limits { messages_per_second: NonZeroUsize::new(10), ..Limits::default() };
        assert_eq!(given(limits(), 9, 1).await, [0; 9]);
        assert_eq!(given(limits(), 10, 1).await, [0; 10]);
        let times = given(limits(), 31, 1).await;
        assert!(times[..11].iter().all(|at| *at == 0), "{times:?}"); // the one that is too many is given; the next has to wait
        assert!(times[11..].windows(2).all(|two| two[1] - two[0] == 100), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_sends_more_bytes_than_it_may_is_slowed_down_to_what_it_may() {
        let limits = || Limits { bytes_per_second: Some(ByteSize::b(1000)), ..Limits::default() };
        assert_eq!(given(limits(), 3, 333).await, [0; 3]);
        assert_eq!(given(limits(), 2, 500).await, [0; 2]);
        assert_eq!(given(limits(), 3, 1500).await, [0, 500, 2000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_connection_does_not_wait_for_the_pace() {
        let limits = Limits { bytes_per_second: Some(ByteSize::b(1)), ..Limits::default() };
        let (mut client, mut told) = connected(limits).await;
        for _ in 0..3 {
            client.send("x".repeat(1000)).await.unwrap();
        }
        assert_eq!(told.recv().await.unwrap().1, 1000);
        drop(client);
        while let Some((after, _)) = told.recv().await {
            assert!(after < Duration::from_secs(60), "{after:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_sends_more_than_it_may_is_closed_where_that_is_configured() {
        let limits = || Limits { messages_per_second: NonZeroUsize::new(10), when_too_fast: WhenTooFast::Close, ..Limits::default() };
        assert_eq!(given(limits(), 10, 1).await, [0; 10]);
        let (mut client, mut told) = connected(limits()).await;
        for _ in 0..11 {
            client.send("x").await.unwrap();
        }
        assert_eq!(client.recv().await, None);
        let report = client.close_report().unwrap();
        let frame = report.received.as_ref().unwrap();
        assert_eq!((frame.code, frame.reason()), (Some(CloseCode::POLICY_VIOLATION), "you may send 10 messages in a second: send less"));
        let mut given = 0;
        while told.recv().await.is_some() {
            given += 1;
        }
        assert_eq!(given, 10);
    }
}
