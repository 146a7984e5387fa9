//! Values as messages.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::collections::HashMap;

use pair::pair;
use serde::{Deserialize, Serialize};
use silverback::{CloseCode, SendJsonError, Upgrader};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Move {
    x: i32,
    y: i32,
}

#[tokio::test(start_paused = true)]
async fn values_cross_as_text() {
    let (server, mut client) = pair(Upgrader::default(), 4096).await;
    tokio::spawn(server.run(|tx, mut rx| async move {
        while let Some(received) = rx.recv_json::<Move>().await {
            let Move { x, y } = received?;
            tx.send_json(&Move { x: y, y: x }).await?;
        }
        Ok(())
    }));
    client.send_json(&Move { x: 1, y: 2 }).await.unwrap();
    assert_eq!(client.recv().await, Some(r#"{"x":2,"y":1}"#.into()));
    client.send(r#"{"x":3,"y":4}"#.as_bytes().to_vec()).await.unwrap();
    assert_eq!(client.recv_json::<Move>().await.unwrap().unwrap(), Move { x: 4, y: 3 }, "a binary message will do");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_the_json_that_was_expected_is_given_back_and_the_connection_goes_on() {
    let (mut server, mut client) = pair(Upgrader::default(), 4096).await;
    client.send("{\"x\":1}").await.unwrap();
    client.send_json(&Move { x: 1, y: 2 }).await.unwrap();
    let error = server.recv_json::<Move>().await.unwrap().unwrap_err();
    assert_eq!(error.message, "{\"x\":1}".into());
    assert!(error.to_string().contains("missing field `y` at line 1 column 7"), "{error}");
    assert_eq!(server.recv_json::<Move>().await.unwrap().unwrap(), Move { x: 1, y: 2 });
    drop(client);
    assert!(server.recv_json::<Move>().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_value_without_json_is_an_error_and_so_is_a_closed_connection() {
    let (server, client) = pair(Upgrader::default(), 4096).await;
    let server = tokio::spawn(server.run(|tx, _rx| async move {
        let error = tx.send_json(&HashMap::from([((1, 2), 3)])).await.unwrap_err();
        assert!(matches!(&error, SendJsonError::Encode(_)), "{error}");
        tx.closed().await;
        assert!(matches!(tx.send_json(&1).await, Err(SendJsonError::Closed(_))));
        Ok(())
    }));
    client.close(CloseCode::NORMAL, "").await;
    server.await.unwrap();
}
