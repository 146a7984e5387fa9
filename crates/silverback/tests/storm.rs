//! Many tasks on one connection: each message arrives whole, once, and in order for each task; over TCP and TLS, with and without compression.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod authority;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use authority::Authority;
use silverback::tls::Acceptor;
use silverback::{Budget, CloseCode, CloseReport, Deflate, Dialer, QueueLimits, Sender, Upgrader, WebSocket};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

const TASKS: usize = 64;
const MESSAGES: usize = 1000;
const DEADLINE: Duration = Duration::from_secs(120);

/// What the connection goes through.
#[derive(Clone)]
struct Way {
    tls: Option<Acceptor>,
    dialer: Dialer,
    upgrader: Upgrader,
}

impl Way {
    fn new(is_tls: bool, deflate: Option<&Deflate>) -> Self {
        let authority = Authority::new();
        let dialer = Dialer::builder().deflate(deflate.cloned());
        Self {
            tls: is_tls.then(|| authority.acceptor("server.test")),
            dialer: if is_tls { dialer.trust(authority.trust()) } else { dialer }.build().unwrap(),
            // Small, so that the tasks wait for room all the time.
            upgrader: Upgrader::builder().is_tls(is_tls).deflate(deflate.cloned()).queue(QueueLimits { bytes: 4096, messages: 16 }).build(),
        }
    }

    async fn connect(&self) -> (WebSocket, WebSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = async {
            let (stream, _) = listener.accept().await.unwrap();
            match &self.tls {
                Some(tls) => self.upgrader.accept(tls.accept(stream).await.unwrap()).await.unwrap(),
                None => self.upgrader.accept(stream).await.unwrap(),
            }
        };
        let (server, client) = tokio::join!(accepting, self.dial(address));
        (server, client)
    }

    async fn dial(&self, address: SocketAddr) -> WebSocket {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let dialer = self.dialer.to_builder().resolve("server.test", [address]).build().unwrap();
        dialer.connect(&format!("{scheme}://server.test:{}/", address.port())).await.unwrap()
    }
}

/// All tasks send what they have through clones of one sender.
async fn storm(tx: Sender) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let tx = tx.clone();
        tasks.spawn(async move {
            for number in 0..MESSAGES {
                // Of different lengths, and compressible.
                tx.send(format!("{task} {number} {}", "x".repeat(number % 200))).await.unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
}

/// The peer's side: checks what arrives, and closes when it has all.
async fn check(mut client: WebSocket) {
    let mut next = [0; TASKS];
    for _ in 0..TASKS * MESSAGES {
        let message = client.recv().await.unwrap();
        let mut words = message.as_text().unwrap().split(' ');
        let task: usize = words.next().unwrap().parse().unwrap();
        assert_eq!(words.next().unwrap(), next[task].to_string(), "in order for each task, once");
        assert_eq!(words.next().unwrap().len(), next[task] % 200, "whole");
        next[task] += 1;
    }
    let report = client.close(CloseCode::NORMAL, "").await;
    assert!(report.is_clean());
}

async fn all_arrives<F: Future<Output = CloseReport>>(way: Way, serve: impl FnOnce(WebSocket) -> F) {
    timeout(DEADLINE, async {
        let (server, client) = way.connect().await;
        let checking = tokio::spawn(check(client));
        let report = serve(server).await;
        checking.await.unwrap();
        assert_eq!((report.outgoing.messages, report.unsent.messages), ((TASKS * MESSAGES) as u64, 0));
    })
    .await
    .unwrap();
}

async fn with_run(way: Way) {
    all_arrives(way, async |server: WebSocket| {
        let report = server.run(|tx, mut rx| async move {
            storm(tx).await;
            while rx.recv().await.is_some() {}
            Ok(())
        });
        (*report.await).clone()
    })
    .await;
}

async fn with_split(way: Way) {
    all_arrives(way, async |server: WebSocket| {
        let (tx, mut rx, drive) = server.split();
        let driving = tokio::spawn(drive);
        storm(tx).await;
        while rx.recv().await.is_some() {}
        (*driving.await.unwrap()).clone()
    })
    .await;
}

fn takeover() -> Deflate {
    Deflate::default().threshold(0).context_takeover(Budget::new(64 << 20))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_over_tcp() {
    with_run(Way::new(false, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_split_over_tcp() {
    with_split(Way::new(false, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_over_tls_with_compression() {
    with_run(Way::new(true, Some(&Deflate::default()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_split_over_tls_with_compression_and_context() {
    with_split(Way::new(true, Some(&takeover()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_run_over_tcp_with_compression_and_context() {
    with_run(Way::new(false, Some(&takeover()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_split_over_tls() {
    with_split(Way::new(true, None)).await;
}
