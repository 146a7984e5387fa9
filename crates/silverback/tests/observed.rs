//! What is logged while a connection is driven belongs to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::io::Write;
use std::sync::{Arc, Mutex};

use pair::pair;
use silverback::{CloseCode, Upgrader};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_of_a_handler_has_the_connections_id() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut ids = Vec::new();
    for name in ["first", "second"] {
        let (server, client) = pair(Upgrader::default(), 4096).await;
        ids.push(server.id());
        let running = tokio::spawn(server.run(move |_tx, mut rx| async move {
            while rx.recv().await.is_some() {}
            tracing::info!("the {name} ends");
            Ok(())
        }));
        client.close(CloseCode::NORMAL, "").await;
        running.await.unwrap();
    }
    assert!(ids[0] < ids[1]);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (id, name) in ids.iter().zip(["first", "second"]) {
        let line = text.lines().find(|line| line.contains(&format!("the {name} ends"))).unwrap();
        assert!(line.contains(&format!("websocket{{id={id} role=Server}}")), "{line}");
    }
}
