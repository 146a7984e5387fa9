//! Many short lives of sessions, over pipes in memory, that end at random moments by random causes.
#![allow(dead_code, reason = "the test and the example each use their share")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use silverback::{CloseCode, Heartbeat, Upgrader, WebSocket};
use silverback_hub::{Event, Hub, Identity, SessionId, Subscription};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

pub(crate) const USERS: usize = 20_000;

/// Lives that are lived at once.
const AT_ONCE: usize = 1000;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What ends a life, if nothing else does before: another session of the user, say.
#[derive(Debug, Clone, Copy)]
enum Cause {
    CloseByClient,
    ClientIsGone,
    Silence,
    Violation,
    Panic,
    Error,
    Return,
    Abort,
    NeverRun,
    CloseOfUser,
    CloseOfSession,
}

const CAUSES: [Cause; 11] = [
    Cause::CloseByClient,
    Cause::ClientIsGone,
    Cause::Silence,
    Cause::Violation,
    Cause::Panic,
    Cause::Error,
    Cause::Return,
    Cause::Abort,
    Cause::NeverRun,
    Cause::CloseOfUser,
    Cause::CloseOfSession,
];

/// What came of many lives.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) joined: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    /// The most sessions that a user had at any moment: each join tells the number that was there under the lock.
    pub(crate) most_of_user: AtomicUsize,
    left: AtomicUsize,
}

/// Lives so many lives. When it returns, all of them are over.
pub(crate) async fn live(hub: &Hub, lives: usize) -> Tally {
    let tally = Arc::new(Tally { left: AtomicUsize::new(lives), ..Tally::default() });
    let heartbeat = Heartbeat { ping_after: Duration::from_millis(100), dead_after: Duration::from_millis(200) };
    let upgrader = Upgrader::builder().heartbeat(heartbeat).close_timeout(Duration::from_millis(100)).build();
    let mut lanes = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (hub, upgrader, tally) = (hub.clone(), upgrader.clone(), tally.clone());
        lanes.spawn(async move {
            while tally.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                timeout(Duration::from_secs(60), one(&hub, &upgrader, &tally)).await.expect("a life has an end");
            }
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane.expect("a lane checks, and panics only then");
    }
    Arc::into_inner(tally).expect("all lanes have ended")
}

/// A connection whose client has said nothing and is gone already.
pub(crate) async fn upgraded(upgrader: &Upgrader) -> WebSocket {
    let (ours, mut client) = duplex(512);
    client.write_all(REQUEST).await.expect("there is room");
    upgrader.accept(ours).await.expect("a good handshake")
}

async fn one(hub: &Hub, upgrader: &Upgrader, tally: &Tally) {
    let (ours, mut client) = duplex(512);
    client.write_all(REQUEST).await.expect("there is room");
    let socket = upgrader.accept(ours).await.expect("a good handshake");
    // Some users come often, so that they meet themselves.
    let user = (USERS as f64 * rand::random::<f64>().powi(4)) as usize;
    let identity = Identity::new(format!("user-{user}")).on_device(format!("device-{}", rand::random_range(0..3)));
    let session = match hub.join(identity, socket) {
        Ok(session) => session,
        Err(not_joined) => {
            drop(client);
            not_joined.close().await;
            tally.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    tally.joined.fetch_add(1, Ordering::Relaxed);
    tally.most_of_user.fetch_max(session.of_user(), Ordering::Relaxed);
    let cause = CAUSES[rand::random_range(0..CAUSES.len())];
    let (id, user) = (session.info().id, session.info().identity.user.clone());
    if let Cause::NeverRun = cause {
        wait().await;
        return;
    }
    let run = tokio::spawn(session.run(move |_tx, mut rx| async move {
        wait().await;
        match cause {
            Cause::Panic => panic!("on purpose"),
            Cause::Error => return Err("on purpose".into()),
            Cause::Return => return Ok(()),
            _ => while rx.recv().await.is_some() {},
        }
        Ok(())
    }));
    wait().await;
    match cause {
        Cause::CloseByClient => drop(client.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await),
        Cause::Violation => drop(client.write_all(b"\x81\x04bare").await),
        Cause::ClientIsGone => client = duplex(1).0,
        Cause::Abort => run.abort(),
        Cause::CloseOfUser => drop(hub.user(&user).close(CloseCode::NORMAL, "")),
        Cause::CloseOfSession => drop(hub.session(id).close(CloseCode::NORMAL, "")),
        _ => {}
    }
    until_told(&mut client, &cause).await;
    drop(client);
    let _ = run.await; // an error if it was aborted
}

/// Until the server says Close or ends its side. Whatever else it says stays unanswered.
async fn until_told(client: &mut DuplexStream, cause: &Cause) {
    let mut bytes = [0; 512];
    let mut head = 129; // of the answer to the handshake
    while let Ok(count @ 1..) = client.read(&mut bytes).await {
        let frames = &bytes[head.min(count)..count];
        head -= head.min(count);
        // A Ping has no payload that could look like a Close. Who is to be silent stays so.
        if frames.contains(&0x88) && !matches!(cause, Cause::Silence) {
            return;
        }
    }
}

/// For a random number of turns of the others.
async fn wait() {
    for _ in 0..rand::random_range(0..8) {
        yield_now().await;
    }
}

/// Counts pairs of events until the hub is gone, and tells how far it is. Every session has one first and one last event.
pub(crate) async fn pairs(mut events: Subscription, counted: watch::Sender<usize>) -> usize {
    let mut live: HashMap<SessionId, u64> = HashMap::new();
    let mut pairs = 0;
    while let Some(event) = events.next().await {
        match event.expect("nothing is missed") {
            Event::Connected(session) => assert!(live.insert(session.id, session.epoch).is_none(), "told twice of {}", session.id),
            Event::Ended { session, .. } => {
                assert_eq!(live.remove(&session.id), Some(session.epoch), "an end without a beginning");
                pairs += 1;
                counted.send_replace(pairs);
            }
            _ => {}
        }
    }
    assert!(live.is_empty(), "{} were never told to have ended", live.len());
    pairs
}

/// What the process holds of the machine's memory.
pub(crate) fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has some");
    line.trim_end_matches("kB").trim().parse().expect("a number")
}

pub(crate) fn be_quiet_about_panics_on_purpose() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("on purpose") {
            tell(panic);
        }
    }));
}
