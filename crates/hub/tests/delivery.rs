//! Whom a message reaches, and what becomes of it.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod pipes;

use std::time::Duration;

use pipes::{SECOND, join, listening, pair, until_empty};
use serde_json::{Map, Value, json};
use silverback::{CloseCode, Overflow, QueueLimits, Upgrader, WebSocket};
use silverback_hub::{Answer, Attributes, Delivery, Event, Hub, Identity, NotAcknowledged, Request, RequestIdNotValid};
use tokio::time::{Instant, timeout};

fn all_queued(sessions: usize) -> Delivery {
    Delivery { sessions, queued: sessions, dropped: 0, refused: 0 }
}

fn in_room(user: &str, room: u64) -> Identity {
    let attributes = Map::from_iter([("room".to_owned(), Value::from(room)), ("name".to_owned(), user.into())]);
    Identity::new(user).with_attributes(Attributes::new(attributes).unwrap())
}

/// What each of them receives within a second, in order.
async fn received(clients: &mut [&mut WebSocket]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for client in clients {
        let mut received = Vec::new();
        while let Ok(Some(message)) = timeout(SECOND, client.recv()).await {
            received.push(message.as_text().unwrap().to_owned());
        }
        all.push(received);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn each_audience_gets_its_messages_and_nobody_elses() {
    let hub = Hub::new();
    let mut alice = listening(&hub, in_room("alice", 1)).await;
    let mut bob = listening(&hub, in_room("bob", 2)).await;
    let mut carol = listening(&hub, in_room("carol", 1)).await;
    assert_eq!(hub.users(["alice", "bob", "nobody", "alice"]).send("alice, bob"), all_queued(2));
    assert_eq!(hub.everyone().send("everyone"), all_queued(3));
    assert_eq!(hub.with_attribute("room", 1).send("room 1"), all_queued(2));
    assert_eq!(hub.with_attribute("room", "1").send("a text is no number"), all_queued(0));
    assert_eq!(hub.with_attribute("no", Value::Null).send("what is missing is not null"), all_queued(0));
    let id = hub.user("bob").sessions()[0].id;
    assert_eq!(hub.session(id).send("bob's session"), all_queued(1));
    assert_eq!(
        received(&mut [&mut alice, &mut bob, &mut carol]).await,
        [vec!["alice, bob", "everyone", "room 1"], vec!["alice, bob", "everyone", "bob's session"], vec!["everyone", "room 1"]]
    );
    hub.session(id).close(CloseCode::NORMAL, "");
    assert_eq!(bob.recv().await, None);
    tokio::time::sleep(SECOND).await;
    assert_eq!(hub.session(id).send("gone"), Delivery::default());
    assert_eq!(id.to_string().parse(), Ok(id));
}

#[tokio::test(start_paused = true)]
async fn what_happens_without_room_is_the_senders_choice() {
    let hub = Hub::new();
    let (server, mut client) = pair(Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 2 }).build()).await;
    let session = hub.join(Identity::new("alice"), server).unwrap();
    let alice = hub.user("alice");
    let price = |number: u32| alice.offer(number.to_string(), Overflow::KeepLatest("ACME".into()));
    assert_eq!((price(1), price(2), price(3)), (all_queued(1), all_queued(1), all_queued(1)));
    assert_eq!(alice.send("chat"), all_queued(1));
    assert_eq!(alice.send("more chat"), Delivery { sessions: 1, dropped: 1, ..Delivery::default() });
    assert_eq!(price(4), all_queued(1), "it takes the place of the one before");
    assert_eq!(alice.offer("log", Overflow::DropOldest), all_queued(1));
    pipes::listen(session);
    assert_eq!(received(&mut [&mut client]).await, [["chat", "log"]]);
}

/// A client that answers each request `answer` makes an answer for, and echoes nothing else.
fn answering(mut client: WebSocket, answer: impl Fn(&Value) -> Option<Value> + Send + 'static) {
    tokio::spawn(async move {
        while let Some(message) = client.recv().await {
            let request: Value = serde_json::from_str(message.as_text().unwrap()).unwrap();
            if let Some(answer) = answer(&request) {
                client.send(answer.to_string()).await.unwrap();
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_request_comes_back_and_goes_nowhere_else() {
    let hub = Hub::new();
    let client = listening(&hub, Identity::new("alice")).await;
    let mut events = hub.subscribe();
    answering(client, |request| Some(json!({ "reply_to": request["id"], "data": { "sum": request["data"]["a"].as_u64()? + 1 } })));
    let request = Request::new(json!({ "a": 1 })).with_id("order-17").unwrap();
    let answer = hub.user("alice").request(&request, SECOND).await.unwrap();
    let session = hub.user("alice").sessions()[0].id;
    assert_eq!((answer.session, answer.data), (session, json!({ "sum": 2 })));
    assert!(timeout(SECOND, events.next()).await.is_err(), "an answer is no message");
    let again = hub.session(session).request(&Request::new(json!({ "a": 2 })), SECOND).await;
    assert!(matches!(again, Ok(Answer { data, .. }) if data == json!({ "sum": 3 })));
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_first_has_answered() {
    let hub = Hub::new();
    let _silent = listening(&hub, Identity::new("alice")).await;
    for number in [1, 2] {
        let client = listening(&hub, Identity::new("alice")).await;
        answering(client, move |request| Some(json!({ "reply_to": request["id"], "data": number })));
    }
    let answer = hub.user("alice").request(&Request::new(Value::Null), SECOND).await.unwrap();
    assert!([json!(1), json!(2)].contains(&answer.data));
}

#[tokio::test(start_paused = true)]
async fn what_answers_nothing_is_an_ordinary_message() {
    let hub = Hub::new();
    let client = listening(&hub, Identity::new("alice")).await;
    let mut events = hub.subscribe();
    answering(client, |_| Some(json!({ "reply_to": "another", "data": 1 })));
    let asked = Instant::now();
    let refused = hub.user("alice").request(&Request::new(1), 5 * SECOND).await.unwrap_err();
    assert_eq!(refused, NotAcknowledged::TimedOut { within: 5 * SECOND, delivery: all_queued(1) });
    assert_eq!(asked.elapsed(), 5 * SECOND);
    assert!(matches!(events.next().await, Some(Ok(Event::Message { .. }))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_is_an_ordinary_message() {
    let hub = Hub::new();
    let mut client = listening(&hub, Identity::new("alice")).await;
    let mut events = hub.subscribe();
    let request = Request::new(1);
    assert!(hub.user("alice").request(&request, SECOND).await.is_err());
    client.send(json!({ "reply_to": request.id() }).to_string()).await.unwrap();
    assert!(matches!(events.next().await, Some(Ok(Event::Message { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_answered_says_so_at_once() {
    let hub = Hub::new();
    let nobody = hub.user("alice").request(&Request::new(1), SECOND).await.unwrap_err();
    assert_eq!(nobody, NotAcknowledged::NotDelivered(Delivery::default()));
    let (session, client) = join(&hub, Identity::new("alice")).await;
    pipes::listen(session);
    let asked = Instant::now();
    let alice = hub.user("alice");
    let request = Request::new(1);
    let (ended, _) = tokio::join!(alice.request(&request, 3600 * SECOND), client.close(CloseCode::NORMAL, ""));
    assert_eq!(ended, Err(NotAcknowledged::Ended(all_queued(1))));
    assert!(asked.elapsed() < 60 * SECOND);
    until_empty(&hub).await;
    assert_eq!(Request::new(1).with_id(""), Err(RequestIdNotValid(0)));
    assert_eq!(Request::new(1).with_id("x".repeat(129)), Err(RequestIdNotValid(129)));
}

#[tokio::test(start_paused = true)]
async fn so_many_requests_wait_and_no_more_and_those_given_up_make_room() {
    let hub = Hub::new();
    let _client = listening(&hub, Identity::new("alice")).await;
    let requests: Vec<_> = (0..65).map(|number| Request::new(number).with_id(number.to_string()).unwrap()).collect();
    let ask = |request: Request| {
        let hub = hub.clone();
        tokio::spawn(async move { hub.user("alice").request(&request, Duration::from_secs(10)).await })
    };
    let waiting: Vec<_> = requests[..64].iter().cloned().map(ask).collect();
    tokio::time::sleep(SECOND).await;
    let refused = Err(NotAcknowledged::NotDelivered(Delivery { sessions: 1, refused: 1, ..Delivery::default() }));
    assert_eq!(ask(requests[64].clone()).await.unwrap(), refused, "64 wait already");
    waiting[0].abort();
    tokio::time::sleep(SECOND).await;
    assert_eq!(ask(requests[1].clone()).await.unwrap(), refused, "one of this id waits");
    let room = ask(requests[64].clone()).await.unwrap();
    assert!(matches!(room, Err(NotAcknowledged::TimedOut { .. })), "the one that was given up has left its place");
}
