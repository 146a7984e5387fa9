//! A message for many, to connections over TCP whose tasks sleep.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{Future as _, poll_fn};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use silverback::{
    Budget, Cause, CloseCode, Deflate, Dialer, Message, Outgoing, Prepared, QueueLimits, Sender, TransportEnd, TrySendError, Upgrader,
    UpgraderBuilder, WebSocket,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Shorter than the heartbeat's 20 s, which wakes a driver that is forgotten.
const PATIENCE: Duration = Duration::from_secs(10);
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
    listener_over(TcpSocket::new_v4().unwrap(), upgrader, dialer).await
}

async fn listener_over(socket: TcpSocket, upgrader: UpgraderBuilder, dialer: Dialer) -> Listener {
    let (mut server, client) = pair(socket, upgrader, dialer).await;
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
    Listener { tx, client, polls, running }
}

/// Both ends of a connection over TCP, the server's first.
async fn pair(socket: TcpSocket, upgrader: UpgraderBuilder, dialer: Dialer) -> (WebSocket, WebSocket) {
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let socket = socket.listen(1).unwrap();
    let connecting = TcpStream::connect(socket.local_addr().unwrap());
    let (accepted, connected) = tokio::join!(socket.accept(), connecting);
    let upgrader = upgrader.build();
    let (server, client) =
        tokio::join!(upgrader.accept(accepted.unwrap().0), dialer.handshake_over(connected.unwrap(), "ws://silverback.test/"));
    (server.unwrap(), client.unwrap())
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
    for (options, is_past) in [(Deflate::default(), true), (Deflate::default().context_takeover(Budget::new(1 << 20)), false)] {
        let dialer = Dialer::builder().deflate(options.clone()).build().unwrap();
        let mut listener = listener(Upgrader::builder().deflate(options), dialer).await.warmed().await;
        let before = listener.polls.load(Ordering::Relaxed);
        for _ in 0..10 {
            listener.tx.try_send(Prepared::new(text.as_str())).unwrap();
            assert_eq!(listener.recv_text().await, text);
        }
        assert_eq!(listener.polls.load(Ordering::Relaxed) == before, is_past, "context takeover needs the driver");
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

#[tokio::test]
async fn a_reset_that_a_fan_out_runs_into_is_what_the_report_tells() {
    for message in [Outgoing::from("found by the driver"), Prepared::new("found by who writes past it").into()] {
        let Scripted { tx, mut peer, running } = scripted().await;
        for text in WARMING {
            tx.try_send(Prepared::new(text)).unwrap();
            let mut frame = vec![0; 2 + text.len()];
            timeout(PATIENCE, peer.read_exact(&mut frame)).await.unwrap().unwrap();
        }
        peer.set_zero_linger().unwrap();
        drop(peer);
        tx.try_send(message).unwrap(); // before the driver has seen that it is gone
        let report = timeout(PATIENCE, running).await.unwrap().unwrap();
        assert_eq!(report.transport, TransportEnd::Failed(ErrorKind::ConnectionReset), "{report}");
        assert_eq!((report.outgoing.messages, report.unsent.messages), (3, 1), "{report}");
    }
}

#[test]
fn a_connection_that_moves_to_another_runtime_leaves_nothing_to_the_one_it_came_from() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (home, elsewhere) = (runtime(), runtime());
    let (tx, _rx, mut drive, mut client) = home.block_on(async {
        let (server, client) = pair(TcpSocket::new_v4().unwrap(), Upgrader::builder(), Dialer::default()).await;
        let (tx, rx, drive) = server.split();
        (tx, rx, drive, client)
    });
    elsewhere.block_on(async {
        tx.try_send(Prepared::new(WARMING[0])).unwrap();
        // Polled until it sleeps there, with a way past it.
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut drive).poll(cx))).await.is_pending());
        tx.try_send(Prepared::new(WARMING[1])).unwrap();
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut drive).poll(cx))).await.is_pending());
    });
    home.block_on(async {
        tokio::spawn(drive);
        for text in WARMING {
            assert_eq!(timeout(PATIENCE, client.recv()).await.unwrap().unwrap().as_text(), Some(text));
        }
        for number in 0..10 {
            let text = number.to_string();
            tx.try_send(Prepared::new(text.as_str())).unwrap();
            assert_eq!(timeout(PATIENCE, client.recv()).await.unwrap().unwrap().as_text(), Some(&*text));
        }
    });
}

#[tokio::test]
async fn a_waker_that_panics_keeps_no_fan_out_from_others() {
    let mut other = plain().await.warmed().await;
    let queue = QueueLimits { messages: 2, ..QueueLimits::default() };
    let mut listener = listener(Upgrader::builder().queue(queue), Dialer::default()).await.warmed().await;
    let tx = listener.tx.clone();
    ["a", "b"].iter().for_each(|text| tx.try_send(Prepared::new(*text)).unwrap());
    let (mut next, mut last) = (Box::pin(tx.send(Prepared::new("c"))), Box::pin(tx.send(Prepared::new("d"))));
    assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(last.as_mut().poll(&mut Context::from_waker(&Arc::<Panics>::default().into())).is_pending());
    assert_eq!((listener.recv_text().await, listener.recv_text().await), ("a".into(), "b".into()));
    for _ in 0..5 {
        tokio::task::yield_now().await; // whoever has written is done
    }
    let woken = catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
    assert!(woken.is_err(), "the one behind it is woken for the room that is left");
    other.tx.try_send(Prepared::new("for another")).unwrap();
    assert_eq!(other.recv_text().await, "for another");
    assert_eq!(listener.recv_text().await, "c");
}

/// A waker that panics once.
#[derive(Default)]
struct Panics(AtomicBool);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        assert!(self.0.swap(true, Ordering::Relaxed), "a waker that panics");
    }
}

struct Scripted {
    tx: Sender,
    peer: TcpStream,
    running: JoinHandle<Arc<silverback::CloseReport>>,
}

/// A connection to a peer that is nothing but a socket.
async fn scripted() -> Scripted {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: silverback.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (accepted, connected) = tokio::join!(socket.accept(), TcpStream::connect(socket.local_addr().unwrap()));
    let mut peer = connected.unwrap();
    peer.write_all(REQUEST).await.unwrap();
    let mut server = Upgrader::default().accept(accepted.unwrap().0).await.unwrap();
    let tx = server.sender();
    let running = tokio::spawn(server.run(|_, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    }));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, peer.read_u8()).await.unwrap().unwrap());
    }
    Scripted { tx, peer, running }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_to_a_slow_peer_arrives_in_order_and_is_counted() {
    for round in 0..2_usize {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap(); // so that long frames are taken in part
        let mut listener = listener_over(socket, Upgrader::builder(), Dialer::default()).await.warmed().await;
        let tx = listener.tx.clone();
        let sending = tokio::spawn(async move {
            for number in 0..40_usize {
                let text = format!("{number}:{}", "x".repeat((number * 7919 + round) % 200_000 * usize::from(number % 3 == 0)));
                match (number + round) % 7 {
                    0 => {
                        let mut message = tx.write_text().await.unwrap();
                        message.write(text).await.unwrap();
                        message.finish().await.unwrap();
                    }
                    1 => tx.send(text).await.unwrap(),
                    _ => tx.send(Prepared::new(text)).await.unwrap(),
                }
                match (number + round) % 11 {
                    0 => assert!(timeout(PATIENCE, tx.flush()).await.unwrap()),
                    1 | 5 => tokio::task::yield_now().await,
                    _ => {}
                }
            }
            tx.close(CloseCode::NORMAL, "").await
        });
        for number in 0..40_usize {
            if number % 10 == 0 {
                listener.client.send("wakes the driver").await.unwrap();
            }
            assert!(listener.recv_text().await.starts_with(&format!("{number}:")));
        }
        assert_eq!(timeout(PATIENCE, listener.client.recv()).await.unwrap(), None);
        let report = timeout(PATIENCE, sending).await.unwrap().unwrap();
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.outgoing.messages, report.unsent.messages), (42, 0), "{report}");
    }
}
