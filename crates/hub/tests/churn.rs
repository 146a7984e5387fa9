//! Ten thousand connections, ended in every way there is, leave nothing behind. Over real sockets.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use silverback::{Heartbeat, Upgrader};
use silverback_hub::{Event, Hub, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

const WAVES: usize = 20;
/// Of connections in one wave that end in the same way. There are ten ways, so that 500 are open at once.
const EACH: usize = 50;
const DEADLINE: Duration = Duration::from_secs(60);
/// By so much the second half of the waves may grow the process. A connection's state is some 3 KiB, and 5,000 of them are 15 MiB.
const GROWTH_KIB: usize = 8 * 1024;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// How a connection ends. `KilledProcess` is the tenth: see `doomed_process`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Close,
    Reset,
    Silence,
    Panic,
    Error,
    Abort,
    Violation,
    FinWithoutClose,
    UnfinishedHandshake,
}

const WAYS: [Way; 9] = [
    Way::Close,
    Way::Reset,
    Way::Silence,
    Way::Panic,
    Way::Error,
    Way::Abort,
    Way::Violation,
    Way::FinWithoutClose,
    Way::UnfinishedHandshake,
];

/// In the environment of the process that is to be killed: the server that it connects to.
const DOOMED: &str = "SILVERBACK_TEST_DOOMED";

#[test]
fn ten_thousand_connections_that_end_in_every_way_leave_nothing_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(DOOMED) {
        Ok(address) => runtime.block_on(connect_and_wait(address.parse().unwrap())),
        Err(_) => runtime.block_on(churn()),
    }
}

async fn churn() {
    be_quiet_about_panics_on_purpose();
    let hub = Hub::new();
    let address = serve(hub.clone()).await;
    let (done, is_done) = oneshot::channel();
    let counting = tokio::spawn(count_events(hub.clone(), is_done));
    wave(address, 250).await; // what is made once is made now
    until_as_before(&hub, usize::MAX, usize::MAX).await;
    let (tasks, descriptors) = (alive_tasks(), open_descriptors());
    let mut memory = 0;
    for number in 0..WAVES {
        wave(address, number as u8).await;
        until_as_before(&hub, tasks, descriptors).await;
        if number == WAVES / 2 {
            memory = resident_kib();
        }
    }
    let growth = resident_kib().saturating_sub(memory);
    assert!(growth < GROWTH_KIB, "{growth} KiB more than after half of the connections");
    done.send(()).unwrap();
    let joined = (WAVES + 1) * WAYS.len() * EACH; // the killed process's too, and not those without a handshake
    assert_eq!(counting.await.unwrap(), (joined, joined), "each session is told of once when it joins and once when it ends");
}

/// Runs 500 connections to their ends.
async fn wave(address: SocketAddr, number: u8) {
    let doomed = tokio::task::spawn_blocking(move || doomed_process(address));
    let mut clients = JoinSet::new();
    for index in 0..EACH * WAYS.len() {
        clients.spawn(timeout(DEADLINE, end(address, number, WAYS[index % WAYS.len()])));
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap().expect("the server has ended its side");
    }
    let mut doomed = doomed.await.unwrap();
    doomed.kill().unwrap(); // SIGKILL
    doomed.wait().unwrap();
}

async fn end(address: SocketAddr, wave: u8, way: Way) {
    let mut stream = connect(address, wave).await;
    if way == Way::UnfinishedHandshake {
        stream.write_all(&REQUEST.as_bytes()[..50]).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with(b"HTTP/1.1 408 "));
        return;
    }
    shake_hands(&mut stream).await;
    let frame: &[u8] = match way {
        Way::Close => b"\x88\x82\0\0\0\0\x03\xe8",
        Way::Reset => b"\x81\x84\0\0\0\0echo",
        Way::Panic => b"\x81\x85\0\0\0\0panic",
        Way::Error => b"\x81\x85\0\0\0\0error",
        Way::Abort => b"\x81\x85\0\0\0\0abort",
        Way::Violation => b"\x81\x04bare",
        Way::FinWithoutClose | Way::Silence | Way::UnfinishedHandshake => b"",
    };
    stream.write_all(frame).await.unwrap();
    match way {
        Way::Reset => {
            stream.set_zero_linger().unwrap();
            return;
        }
        Way::FinWithoutClose => stream.shutdown().await.unwrap(),
        _ => {}
    }
    let rest = read_to_end(&mut stream).await;
    let code: &[u8] = match way {
        Way::Close => &1000u16.to_be_bytes(),
        Way::Panic | Way::Error => &1011u16.to_be_bytes(),
        Way::Abort => &1001u16.to_be_bytes(),
        Way::Violation => &1002u16.to_be_bytes(),
        _ => return,
    };
    assert!(rest.first() == Some(&0x88) && rest.get(2..4) == Some(code), "{way:?}: {rest:?}");
}

/// From an address of this wave's own, so that the ports of connections that have just ended do not run out.
async fn connect(address: SocketAddr, wave: u8) -> TcpStream {
    /// More at once than the kernel queues would wait a second for their second SYN.
    static CONNECTING: Semaphore = Semaphore::const_new(64);
    let _one = CONNECTING.acquire().await.unwrap();
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::new(127, 1 + high % 200, low, 1 + wave), 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

async fn shake_hands(stream: &mut TcpStream) {
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = [0; 129];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n"));
}

/// Until the server ends its side, in whatever way.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

/// This test again, as a process of its own that has connected and waits to be killed.
fn doomed_process(address: SocketAddr) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ten_thousand_connections_that_end_in_every_way_leave_nothing_behind", "--nocapture"])
        .env(DOOMED, address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("connected")), "the process has not come so far");
    child
}

async fn connect_and_wait(address: SocketAddr) {
    for _ in 0..EACH {
        let mut stream = connect(address, 0).await;
        shake_hands(&mut stream).await;
        tokio::spawn(answer_pings(stream));
    }
    println!("connected");
    std::future::pending::<()>().await;
}

/// So that it is the kill that ends it, and not its silence.
async fn answer_pings(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
        let _ = stream.write_all(b"\x8a\x80\0\0\0\0").await; // a sign of life
    }
}

async fn serve(hub: Hub) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heartbeat = Heartbeat { ping_after: Duration::from_millis(300), dead_after: Duration::from_millis(600) };
    // Clients of this test answer no Close: the time for the answer runs out as well.
    let short = Duration::from_millis(500);
    let upgrader = Upgrader::builder().heartbeat(heartbeat).handshake_timeout(short).close_timeout(short).build();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (myself, me) = oneshot::channel();
            let task = tokio::spawn(hold(hub.clone(), upgrader.clone(), stream, me));
            let _ = myself.send(task.abort_handle());
        }
    });
    address
}

/// A connection on the server's side, which does as it is told.
async fn hold(hub: Hub, upgrader: Upgrader, stream: TcpStream, me: oneshot::Receiver<AbortHandle>) {
    let Ok(socket) = upgrader.accept(stream).await else { return };
    let me = me.await.unwrap();
    hub.join(Identity::new("alice"), socket)
        .unwrap()
        .run(|tx, mut rx| async move {
            while let Some(message) = rx.recv().await {
                match message.as_text() {
                    Some("panic") => panic!("on purpose"),
                    Some("error") => return Err("on purpose".into()),
                    Some("abort") => me.abort(),
                    _ => tx.send(message).await?,
                }
            }
            Ok(())
        })
        .await;
}

/// How many sessions have joined and ended, until the hub says nothing more.
async fn count_events(hub: Hub, mut is_done: oneshot::Receiver<()>) -> (usize, usize) {
    let mut events = hub.subscribe();
    let (mut joined, mut ended) = (0, 0);
    loop {
        tokio::select! {
            biased;
            event = events.next() => match event.unwrap().expect("nothing is missed") {
                Event::Connected(_) => joined += 1,
                Event::Ended { .. } => ended += 1,
                _ => {}
            },
            _ = &mut is_done => return (joined, ended),
        }
    }
}

async fn until_as_before(hub: &Hub, tasks: usize, descriptors: usize) {
    let wait = async {
        while !hub.sessions().is_empty() || alive_tasks() > tasks || open_descriptors() > descriptors {
            sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(DEADLINE, wait).await.is_err() {
        panic!(
            "{} sessions, {} tasks instead of {tasks}, {} descriptors instead of {descriptors}",
            hub.sessions().len(),
            alive_tasks(),
            open_descriptors()
        );
    }
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

fn be_quiet_about_panics_on_purpose() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some("on purpose") {
            tell(panic);
        }
    }));
}
