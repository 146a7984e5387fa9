//! Sessions over pipes in memory.
#![allow(dead_code, reason = "each test file uses its share")]

use std::time::Duration;

use silverback::{Dialer, Upgrader, WebSocket};
use silverback_hub::{Event, Hub, Identity, NotJoined, Session, Subscription};
use tokio::io::duplex;
use tokio::time::{sleep, timeout};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Both ends of a connection: the server's, the client's.
pub(crate) async fn pair(upgrader: Upgrader) -> (WebSocket, WebSocket) {
    let (ours, theirs) = duplex(1024);
    let dialer = Dialer::builder().heartbeat(None).build().unwrap();
    let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://silverback.test/"));
    (server.unwrap(), client.unwrap())
}

/// A session that nobody drives, and the client's end of its connection.
pub(crate) async fn try_join(hub: &Hub, identity: Identity) -> (Result<Session, NotJoined>, WebSocket) {
    let (server, client) = pair(Upgrader::default()).await;
    (hub.join(identity, server), client)
}

pub(crate) async fn join(hub: &Hub, identity: Identity) -> (Session, WebSocket) {
    let (session, client) = try_join(hub, identity).await;
    (session.unwrap(), client)
}

/// Runs a session in a task of its own with a handler that receives until the end.
pub(crate) fn listen(session: Session) {
    tokio::spawn(session.run(|_tx, mut rx| async move {
        while rx.recv().await.is_some() {}
        Ok(())
    }));
}

/// A session whose handler receives until the end: the client's end of it.
pub(crate) async fn listening(hub: &Hub, identity: Identity) -> WebSocket {
    let (session, client) = join(hub, identity).await;
    listen(session);
    client
}

/// The code and reason that a client is told at last.
pub(crate) async fn told(mut client: WebSocket) -> (u16, String) {
    while client.recv().await.is_some() {}
    let received = client.close_report().unwrap().received.as_ref().unwrap();
    (received.code.unwrap().get(), received.reason().to_owned())
}

/// All events that come within some seconds, in words.
pub(crate) async fn story(events: &mut Subscription, seconds: u32) -> Vec<String> {
    let mut story = Vec::new();
    while let Ok(Some(event)) = timeout(seconds * SECOND, events.next()).await {
        story.push(match event {
            Ok(Event::Connected(session)) => format!("{} connected", session.identity.user),
            Ok(Event::Message { session, size, .. }) => format!("{} said {size}", session.identity.user),
            Ok(Event::Ended { session, report }) => format!("{} ended: {}", session.identity.user, report.cause),
            other => format!("{other:?}"),
        });
    }
    story
}

pub(crate) async fn until_empty(hub: &Hub) {
    let empty = async {
        while !hub.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(60 * SECOND, empty).await.expect("a session has stayed in the registry");
    assert_eq!(hub.sessions(), []);
}
