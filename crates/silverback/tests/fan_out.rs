//! A message for many, to connections over TCP whose tasks sleep.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use silverback::{
    Budget, Cause, CloseCode, Deflate, Dialer, Message, Prepared, QueueLimits, Sender, TrySendError, Upgrader, UpgraderBuilder, WebSocket,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);
const WARMING: [&str; 2] = ["the first", "finds it asleep"];

struct Listener {
    tx: Sender,
    client: WebSocket,
    /// How often the handler was polled.
    polls: Arc<AtomicUsize>,
    running: JoinHandle<Arc<silverback::CloseReport>>,
}

/// A connection over TCP whose handler receives what comes, on the runtime that this is called in.
async fn listener(upgrader: UpgraderBuilder, dialer: Dialer) -> Listener {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(socket.local_addr().unwrap());
    let (accepted, connected) = tokio::join!(socket.accept(), connecting);
    let upgrader = upgrader.build();
    let (server, client) =
        tokio::join!(upgrader.accept(accepted.unwrap().0), dialer.handshake_over(connected.unwrap(), "ws://silverback.test/"));
    let mut server = server.unwrap();
    let (tx, polls) = (server.sender(), Arc::<AtomicUsize>::default());
    let counted = polls.clone();
    let running = tokio::spawn(server.run(|_, mut rx| async move {
        poll_fn(|cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            while let Poll::Ready(received) = rx.poll_recv(cx) {
                if received.is_none() {
                    return Poll::Ready(Ok(()));
                }
            }
            Poll::Pending
        })
        .await
    }));
    Listener { tx, client: client.unwrap(), polls, running }
}

async fn plain() -> Listener {
    listener(Upgrader::builder(), Dialer::default()).await
}

impl Listener {
    async fn recv(&mut self) -> Message {
        timeout(PATIENCE, self.client.recv()).await.unwrap().unwrap()
    }

    async fn recv_text(&mut self) -> String {
        self.recv().await.as_text().unwrap().to_owned()
    }

    /// Asleep, and with a way past the driver: the first message for many that finds it asleep makes one.
    async fn warmed(mut self) -> Self {
        for text in WARMING {
            self.tx.try_send(Prepared::new(text)).unwrap();
            assert_eq!(self.recv_text().await, text);
        }
        self
    }
}

#[tokio::test]
async fn a_fan_out_wakes_no_handler() {
    let mut listener = plain().await.warmed().await;
    let before = listener.polls.load(Ordering::Relaxed);
    for number in 0..100 {
        listener.tx.try_send(Prepared::new(number.to_string())).unwrap();
        assert_eq!(listener.recv_text().await, number.to_string());
    }
    assert_eq!(listener.polls.load(Ordering::Relaxed), before);
    listener.client.send("the handler's").await.unwrap();
    listener.tx.try_send("another message").unwrap();
    assert_eq!(listener.recv_text().await, "another message");
    assert!(listener.polls.load(Ordering::Relaxed) > before);
}

#[tokio::test]
async fn messages_for_many_and_for_one_keep_their_order() {
    let mut listener = plain().await.warmed().await;
    let mut sent = Vec::new();
    for round in 0..200_u32 {
        for number in 0..=round % 5 {
            let text = format!("{round}:{number}");
            match (round + number) % 3 {
                0 => listener.tx.try_send(text.as_str()).unwrap(),
                _ => listener.tx.try_send(Prepared::new(text.as_str())).unwrap(),
            }
            sent.push(text);
        }
        if round % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for text in &sent {
        assert_eq!(&listener.recv_text().await, text);
    }
    let report = listener.tx.close(CloseCode::NORMAL, "");
    let (report, end) = tokio::join!(report, listener.client.recv());
    assert_eq!(end, None);
    assert_eq!(report.outgoing.messages, (WARMING.len() + sent.len()) as u64);
    assert_eq!(report.outgoing.frames, report.outgoing.messages + 1, "and the Close");
    assert_eq!(report.unsent.messages, 0);
}

#[tokio::test]
async fn a_peer_that_does_not_read_gets_all_that_its_queue_had_room_for() {
    let queue = QueueLimits { bytes: 1 << 20, messages: 64 };
    let mut listener = listener(Upgrader::builder().queue(queue), Dialer::default()).await.warmed().await;
    let mut sent = Vec::new();
    let mut is_full = false;
    while !is_full {
        let message = Prepared::new(Message::binary(vec![sent.len() as u8; 70_001]));
        match listener.tx.try_send(&message) {
            Ok(()) => sent.push(message.message().clone()),
            Err(TrySendError::Full(_)) => is_full = true,
            Err(closed) => panic!("{closed}"),
        }
        let fill = listener.tx.queue();
        assert!(fill.bytes <= queue.bytes && fill.messages <= queue.messages, "{fill:?}");
        for _ in 0..5 {
            tokio::task::yield_now().await; // whoever writes has its turn
        }
    }
    assert!(sent.len() > 15, "more than the queue holds: the kernel has some");
    for message in sent {
        assert_eq!(listener.recv().await, message);
    }
    assert!(timeout(PATIENCE, listener.tx.flush()).await.unwrap());
}

#[tokio::test]
async fn a_flush_waits_for_a_fan_out_and_a_close_stands_behind_it() {
    let mut listener = plain().await.warmed().await;
    for number in 0..50 {
        listener.tx.try_send(Prepared::new(number.to_string())).unwrap();
        if number % 2 == 0 {
            assert!(timeout(PATIENCE, listener.tx.flush()).await.unwrap());
        }
    }
    assert!(listener.tx.begin_close(CloseCode::NORMAL, "that was all"));
    for number in 0..50 {
        assert_eq!(listener.recv_text().await, number.to_string());
    }
    assert_eq!(timeout(PATIENCE, listener.client.recv()).await.unwrap(), None);
    let report = timeout(PATIENCE, listener.running).await.unwrap().unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.outgoing.messages, 52);
}

#[tokio::test]
async fn a_connection_that_is_dropped_asleep_reports_what_went_past_it() {
    let mut listener = plain().await.warmed().await;
    listener.tx.try_send(Prepared::new("past the driver")).unwrap();
    assert_eq!(listener.recv_text().await, "past the driver");
    listener.running.abort();
    let report = timeout(PATIENCE, listener.tx.closed()).await.unwrap();
    assert_eq!((report.outgoing.messages, report.unsent.messages), (3, 0));
    assert_eq!(report.cause, Cause::ClosedHere("dropped here".into()));
    let end = timeout(PATIENCE, listener.client.recv()).await.unwrap();
    assert_eq!(end, None);
    assert_eq!(listener.client.close_report().unwrap().received.as_ref().unwrap().code, Some(CloseCode::GOING_AWAY));
}

#[tokio::test]
async fn a_part_of_a_message_lets_no_fan_out_in() {
    let mut listener = plain().await.warmed().await;
    let tx = listener.tx.clone();
    let mut message = tx.write_text().await.unwrap();
    message.write("one ").await.unwrap();
    assert!(timeout(PATIENCE, tx.flush()).await.unwrap());
    tx.try_send(Prepared::new("for many")).unwrap();
    tokio::task::yield_now().await;
    message.write("message").await.unwrap();
    message.finish().await.unwrap();
    assert_eq!(listener.recv_text().await, "one message");
    assert_eq!(listener.recv_text().await, "for many");
}

#[tokio::test]
async fn a_fan_out_is_compressed_where_that_was_agreed_on() {
    let text = "again and again ".repeat(100);
    for options in [Deflate::default(), Deflate::default().context_takeover(Budget::new(1 << 20))] {
        let dialer = Dialer::builder().deflate(options.clone()).build().unwrap();
        let mut listener = listener(Upgrader::builder().deflate(options), dialer).await.warmed().await;
        for _ in 0..10 {
            listener.tx.try_send(Prepared::new(text.as_str())).unwrap();
            assert_eq!(listener.recv_text().await, text);
        }
        let (report, _) = tokio::join!(listener.tx.close(CloseCode::NORMAL, ""), listener.client.recv());
        assert!(report.outgoing.bytes < 2000, "{} bytes", report.outgoing.bytes);
    }
}

#[test]
fn a_fan_out_may_come_from_any_thread_and_outlive_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut listener = runtime.block_on(async { plain().await.warmed().await });
    listener.tx.try_send(Prepared::new("from outside")).unwrap();
    assert_eq!(runtime.block_on(listener.recv_text()), "from outside");
    listener.tx.try_send(Prepared::new("too late")).unwrap(); // nobody runs any more
    drop(runtime);
    let report = listener.tx.close_report().unwrap();
    assert_eq!((report.outgoing.messages + report.unsent.messages, listener.tx.queue().messages), (4, 0), "{report}");
    assert!(matches!(listener.tx.try_send(Prepared::new("after the end")), Err(TrySendError::Closed(_))));
}
