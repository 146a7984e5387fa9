//! A server that is told to stop under load: clients leave evenly over the window, each with a hint, and no answer of the API is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use silverback_conformance::{Failure, Place, Result, Server, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_tungstenite::tungstenite::Message;

const CLIENTS: usize = 5000;
const USERS: usize = 50;
/// Back ends that ask one request after the other.
const BACK_ENDS: usize = 4;
/// How many handshakes are under way at once.
const AT_ONCE: usize = 100;
/// How often each client says something.
const TALK: Duration = Duration::from_secs(5);
/// For what takes long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a client saw of its end.
struct End {
    at: Instant,
    code: u16,
    hint: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_clients_leave_evenly_over_the_window_and_the_api_answers_to_the_end() -> Result<()> {
    let settings = [("SILVERBACK_DRAIN_OVER", "10s"), ("SILVERBACK_LOG", "warn")];
    let mut server = Server::start(&Place::Here, &settings)?;
    let (connected, at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(AT_ONCE)));
    let mut clients = JoinSet::new();
    let tokens = (0..USERS).map(|user| server.token(&format!("user-{user}"))).collect::<Result<Vec<_>>>()?;
    for number in 0..CLIENTS {
        let url = format!("ws://{}/ws?token={}", server.address, tokens[number % USERS]);
        clients.spawn(client(url, at_once.clone(), connected.clone()));
    }
    tokio::task::block_in_place(|| {
        eventually(PATIENCE, "everybody to be connected", || Ok((connected.load(Ordering::Relaxed) == CLIENTS).then_some(())))
    })?;
    let mut back_ends = JoinSet::new();
    for number in 0..BACK_ENDS {
        back_ends.spawn(back_end(format!("http://{}", server.address), format!("Bearer {}", server.key()), number));
    }

    tokio::time::sleep(Duration::from_secs(1)).await; // of load
    let began = Instant::now();
    server.process.signal("TERM")?;
    let ends = timeout(PATIENCE, clients.join_all()).await.map_err(|_| Failure::new("some clients were never closed"))?;
    let ends = ends.into_iter().collect::<Result<Vec<_>>>()?;
    let answers = timeout(PATIENCE, back_ends.join_all()).await.map_err(|_| Failure::new("the API hangs"))?;
    let answers: usize = answers.into_iter().collect::<Result<Vec<_>>>()?.into_iter().sum();
    let status = tokio::task::block_in_place(|| server.process.wait(PATIENCE))?;

    let seconds = histogram(ends.iter().map(|end| end.at.duration_since(began).as_secs() as usize));
    let hints: Vec<u64> = ends.iter().filter_map(|end| end.hint["retry_ms"].as_u64()).collect();
    let tenths = histogram(hints.iter().map(|hint| (hint / 1000) as usize));
    print("closes, by the second after SIGTERM", &seconds);
    print("hints to come back, by the second", &tenths);
    println!("{answers} answers of the API, {status}");

    assert_eq!(ends.iter().filter(|end| end.code == 1012).count(), CLIENTS, "all were told that the server restarts");
    assert_eq!(hints.len(), CLIENTS, "and when to come back");
    assert!(answers > 0 && status.code() == Some(0), "{status}");
    // A tenth belongs in each second. Whatever else the machine does, it may be late with some, and is never early.
    let so_far = seconds.iter().scan(0, |so_far, closes| {
        *so_far += closes;
        Some(*so_far)
    });
    for (second, closed) in so_far.enumerate().take(10) {
        assert!(closed <= CLIENTS * (second + 1) / 10 + 1, "{closed} were closed in {} s: {seconds:?}", second + 1);
    }
    assert!(seconds.iter().take(5).sum::<usize>() > CLIENTS / 20, "nobody was closed before the end of the window: {seconds:?}");
    assert!(tenths.len() <= 11 && tenths.iter().take(10).all(|hints| (CLIENTS / 20..CLIENTS / 5).contains(hints)), "{tenths:?}");
    Ok(())
}

/// Connects, talks, and tells how it was closed.
async fn client(url: String, at_once: Arc<Semaphore>, connected: Arc<AtomicUsize>) -> Result<End> {
    let turn = at_once.acquire().await.map_err(|error| Failure::new(error.to_string()))?;
    let failed = |error| Failure::new(format!("a client: {error}"));
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.map_err(failed)?;
    drop(turn);
    connected.fetch_add(1, Ordering::Relaxed);
    let mut talk = interval(TALK);
    let mut end = None;
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = talk.tick(), if end.is_none() => {
                let _ = socket.send(Message::text("hello")).await; // its Close may be on the way
                continue;
            }
        };
        match message {
            Some(Ok(Message::Close(Some(close)))) => {
                let hint = serde_json::from_str(&close.reason).unwrap_or(Value::Null);
                end = Some(End { at: Instant::now(), code: close.code.into(), hint });
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return end.ok_or_else(|| Failure::new("a client was cut off without a Close")),
        }
    }
}

/// Sends one message after the other, until the server is gone: how many were answered. A request that was taken and not answered is a failure.
async fn back_end(server: String, authorization: String, number: usize) -> Result<usize> {
    let client: Client<HttpConnector, String> = Client::builder(TokioExecutor::new()).build_http();
    let mut answered = 0;
    loop {
        let user = (number + answered) % USERS;
        let request = http::Request::post(format!("{server}/v1/users/user-{user}/messages"));
        let request = request.header("authorization", &authorization).body("a message".to_owned());
        let request = request.map_err(|error| Failure::new(error.to_string()))?;
        match client.request(request).await {
            Ok(response) if response.status() == 200 => answered += 1,
            Ok(response) => return Err(Failure::new(format!("the API answered {}", response.status()))),
            Err(error) if error.is_connect() => return Ok(answered), // nobody is there any more
            Err(error) => return Err(Failure::new(format!("answer {answered} of the API was lost: {error:?}"))),
        }
    }
}

fn histogram(values: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts = Vec::new();
    for value in values {
        if counts.len() <= value {
            counts.resize(value + 1, 0);
        }
        counts[value] += 1;
    }
    counts
}

fn print(title: &str, counts: &[usize]) {
    println!("{title}:");
    for (second, count) in counts.iter().enumerate() {
        println!("{second:>4} {count:>5} {}", "#".repeat(count / 20));
    }
}
