//! Whatever both sides do, in whatever pieces their bytes travel: each side ends with exactly one report, and the two agree.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use silverback::{
    Budget, CloseCode, CloseReport, Deflate, Dialer, HandlerResult, Overflow, Prepared, QueueLimits, Receiver, Sender, Upgrader, WebSocket,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{sleep, timeout};

/// One thing that a side does.
#[derive(Debug, Clone)]
enum Action {
    Send(usize),
    Prepared(usize),
    TrySend(usize),
    Offer(Overflow, usize),
    /// A message in parts, finished or given up.
    Parts(usize, bool),
    Receive,
    ReceivePart,
    Flush,
    Sleep(u64),
    Close(u16),
    BeginClose(u16),
    /// What ends the handler.
    Return,
    Fail,
    Panic,
}

/// How a side uses its connection, and what becomes of it.
#[derive(Debug, Clone)]
struct Side {
    actions: Vec<Action>,
    use_: Use,
    /// Its future is dropped after so many milliseconds.
    dropped_after: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Use {
    Bare,
    Run,
    Split,
}

fn action() -> impl Strategy<Value = Action> {
    let size = || prop_oneof![4 => 0..300usize, 1 => 1000..20_000usize];
    let overflow = prop_oneof![
        Just(Overflow::DropNewest),
        Just(Overflow::DropOldest),
        "[ab]".prop_map(|key| Overflow::KeepLatest(key.into())),
        Just(Overflow::Close(CloseCode::TRY_AGAIN_LATER, "slow".into())),
    ];
    prop_oneof![
        6 => size().prop_map(Action::Send),
        2 => size().prop_map(Action::Prepared),
        2 => size().prop_map(Action::TrySend),
        3 => (overflow, size()).prop_map(|(overflow, size)| Action::Offer(overflow, size)),
        2 => (1..5usize, prop::bool::weighted(0.8)).prop_map(|(parts, is_finished)| Action::Parts(parts, is_finished)),
        6 => Just(Action::Receive),
        2 => Just(Action::ReceivePart),
        1 => Just(Action::Flush),
        4 => prop_oneof![0..100u64, 0..100_000u64].prop_map(Action::Sleep),
        1 => prop_oneof![Just(1000u16), 3000..5000u16].prop_map(Action::Close),
        1 => (3000..5000u16).prop_map(Action::BeginClose),
        1 => Just(Action::Return),
        1 => Just(Action::Fail),
        1 => Just(Action::Panic),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    let use_ = prop_oneof![Just(Use::Bare), Just(Use::Run), Just(Use::Split)];
    (vec(action(), 0..20), use_, prop::option::weighted(0.2, 0..200_000u64)).prop_map(|(actions, use_, dropped_after)| Side {
        actions,
        use_,
        dropped_after,
    })
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 7) as u8).collect()
}

async fn act(action: Action, tx: &Sender, rx: &mut Receiver) -> HandlerResult {
    match action {
        Action::Send(size) => tx.send(payload(size)).await?,
        Action::Prepared(size) => tx.send(Prepared::new(payload(size))).await?,
        Action::TrySend(size) => drop(tx.try_send(payload(size))),
        Action::Offer(overflow, size) => drop(tx.offer(payload(size), overflow)),
        Action::Parts(parts, is_finished) => {
            let Some(mut message) = tx.write_binary().await else { return Ok(()) };
            for part in 0..parts {
                message.write(payload(part * 100)).await?;
            }
            if is_finished {
                message.finish().await?;
            }
        }
        Action::Receive => drop(timeout(Duration::from_secs(1), rx.recv()).await),
        Action::ReceivePart => drop(timeout(Duration::from_secs(1), rx.recv_part()).await),
        Action::Flush => drop(tx.flush().await),
        Action::Sleep(millis) => sleep(Duration::from_millis(millis)).await,
        Action::Close(code) => drop(tx.close(CloseCode::new(code)?, "enough").await),
        Action::BeginClose(code) => drop(tx.begin_close(CloseCode::new(code)?, "enough")),
        Action::Return => return Err("returns".into()),
        Action::Fail => return Err("fails".into()),
        Action::Panic => std::panic::resume_unwind(Box::new("panics")),
    }
    Ok(())
}

async fn act_all(actions: Vec<Action>, tx: Sender, mut rx: Receiver) -> HandlerResult {
    for action in actions {
        if matches!(action, Action::Return) {
            return Ok(());
        }
        act(action, &tx, &mut rx).await?;
    }
    while rx.recv().await.is_some() {}
    Ok(())
}

async fn act_bare(actions: Vec<Action>, mut socket: WebSocket) {
    for action in actions {
        let is_closed = match action {
            Action::Send(size) | Action::TrySend(size) | Action::Offer(_, size) => socket.send(payload(size)).await.is_err(),
            Action::Prepared(size) => socket.send(Prepared::new(payload(size))).await.is_err(),
            Action::Parts(parts, is_finished) => {
                let mut message = socket.write_binary();
                let mut is_closed = false;
                for part in 0..parts {
                    is_closed |= message.write(payload(part * 100)).await.is_err();
                }
                is_closed || (is_finished && message.finish().await.is_err())
            }
            Action::Receive => matches!(timeout(Duration::from_secs(1), socket.recv()).await, Ok(None)),
            Action::ReceivePart => matches!(timeout(Duration::from_secs(1), socket.recv_part()).await, Ok(None)),
            Action::Sleep(millis) => {
                sleep(Duration::from_millis(millis)).await;
                false
            }
            Action::Close(code) | Action::BeginClose(code) => {
                socket.close(CloseCode::new(code).unwrap(), "enough").await;
                return;
            }
            Action::Flush | Action::Return | Action::Fail | Action::Panic => return, // dropped
        };
        if is_closed {
            break;
        }
    }
    while socket.recv().await.is_some() {}
}

/// Lives one side's life, and gives what every handle says of its end.
async fn live(mut socket: WebSocket, side: Side) -> Arc<CloseReport> {
    let witness = socket.sender();
    let life = async {
        match side.use_ {
            Use::Bare => act_bare(side.actions, socket).await,
            Use::Run => {
                let report = socket.run(|tx, rx| act_all(side.actions, tx, rx)).await;
                assert_eq!(Some(&*report), witness.close_report());
            }
            Use::Split => {
                let (tx, rx, drive) = socket.split();
                let acting = tokio::spawn(act_all(side.actions, tx, rx)); // which may panic
                let report = drive.await;
                assert_eq!(Some(&*report), witness.close_report());
                acting.abort();
            }
        }
    };
    match side.dropped_after {
        Some(millis) => drop(timeout(Duration::from_millis(millis), life).await),
        None => life.await,
    }
    // The witness keeps a split connection open, as any handle does: here ends what nobody else has ended.
    witness.begin_close(CloseCode::NORMAL, "");
    let report = witness.close_report().cloned().map(Arc::new);
    assert!(report.is_some(), "a connection whose future has ended has a report");
    report.unwrap()
}

/// Carries bytes in one direction, in pieces of these sizes with these pauses between them.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, pieces: Vec<(usize, u64)>) {
    for (size, millis) in pieces.iter().cycle() {
        let mut piece = vec![0; *size];
        let Ok(count @ 1..) = from.read(&mut piece).await else { break };
        sleep(Duration::from_millis(*millis)).await;
        if to.write_all(&piece[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A network that may be cut.
async fn network(a: DuplexStream, b: DuplexStream, pieces: Vec<(usize, u64)>, cut_after: Option<u64>) {
    let ((from_a, to_a), (from_b, to_b)) = (tokio::io::split(a), tokio::io::split(b));
    let both = async {
        tokio::join!(carry(from_a, to_b, pieces.clone()), carry(from_b, to_a, pieces));
        pending::<()>().await;
    };
    match cut_after {
        Some(millis) => drop(timeout(Duration::from_millis(millis), both).await),
        None => both.await,
    }
}

fn agree(one: &CloseReport, other: &CloseReport) {
    assert!(one.received.is_none() || one.received == other.sent, "{one} / {other}");
    assert!(one.incoming.bytes <= other.outgoing.bytes, "{one:?} / {other:?}");
    assert!(one.incoming.messages <= other.outgoing.messages, "{one:?} / {other:?}");
    assert!(one.unsent.messages <= one.outgoing.messages + 2000);
    if one.is_clean() && other.is_clean() && one.began != other.began {
        assert_eq!(one.sent.as_ref().map(|frame| frame.code), other.sent.as_ref().map(|frame| frame.code), "an echo has the same code");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn each_side_ends_with_one_report_and_the_two_agree(
        server in side(),
        client in side(),
        pipe in 1..5000usize,
        pieces in vec((1..3000usize, prop_oneof![9 => Just(0u64), 1 => 0..2000u64]), 1..6),
        cut_after in prop::option::weighted(0.2, 0..200_000u64),
        deflate in prop_oneof![Just(None), Just(Some(0)), Just(Some(64 << 20))],
        part_size in prop::option::of(1..500usize),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let deflate = deflate.map(|budget| Deflate::default().context_takeover(Budget::new(budget)));
            let queue = QueueLimits { bytes: 2000, messages: 5 };
            // Sides that have nothing more to do would live for ever.
            let upgrader = Upgrader::builder().max_age(Duration::from_secs(600), Duration::ZERO);
            let upgrader = upgrader.deflate(deflate.clone()).part_size(part_size).queue(queue).build();
            let dialer = Dialer::builder().deflate(deflate).queue(queue).build().unwrap();
            let ((ours, a), (theirs, b)) = (duplex(pipe), duplex(pipe));
            tokio::spawn(network(a, b, pieces, cut_after.map(|millis| millis + 60_000))); // behind the handshake
            let shaken = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://silverback.test/"));
            let (Ok(server_end), Ok(client_end)) = shaken else { return }; // too slow a network
            let lives = timeout(Duration::from_secs(24 * 3600), async { tokio::join!(live(server_end, server), live(client_end, client)) });
            let (of_server, of_client) = lives.await.expect("both end");
            agree(&of_server, &of_client);
            agree(&of_client, &of_server);
        });
    }
}
