//! What is counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pair;

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use pair::pair;
use silverback::{Overflow, QueueLimits, Upgrader};
use tokio::time::sleep;

/// Every value by its name and labels; of a histogram, how many values it has.
fn values(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let values = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let (kind, key) = key.into_parts();
        let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(level) => *level,
            DebugValue::Histogram(values) => values.len() as f64,
        };
        assert_eq!(kind == MetricKind::Counter, key.name().ends_with("_total"), "{} is named after its kind", key.name());
        (format!("{} {}", key.name(), labels.join(" ")).trim().to_owned(), value)
    });
    values.collect()
}

/// One test, since there is one recorder in a thread's life.
#[test]
fn a_connection_is_counted_from_its_beginning_to_its_end() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let upgrader = Upgrader::builder().queue(QueueLimits { bytes: 100, messages: 2 }).build();
            let (server, mut client) = pair(upgrader, 4096).await;
            let server = tokio::spawn(server.run(|tx, mut rx| async move {
                for _ in 0..4 {
                    let _ = tx.offer("news", Overflow::DropNewest);
                }
                while rx.recv().await.is_some() {}
                Ok(())
            }));
            client.send("one").await.unwrap();
            client.send("two").await.unwrap();
            for _ in 0..2 {
                client.recv().await;
            }
            let open = values(&snapshotter);
            assert_eq!(open["silverback_connections_open server"], 1.0);
            let reading = tokio::spawn(async move {
                client.recv().await;
                client
            });
            sleep(Duration::from_secs(25)).await; // a look of the heartbeat
            let looked = values(&snapshotter);
            assert_eq!(looked["silverback_messages_total server in"], 2.0, "told while the connection is open");
            assert_eq!(looked["silverback_round_trip_seconds server"], 1.0);
            reading.abort();
            let _ = reading.await;
            server.await.unwrap();
        });
    });
    let ended = values(&snapshotter);
    assert_eq!(ended["silverback_connections_open server"], -1.0, "of the debugging recorder, which starts anew at each look");
    assert_eq!(ended["silverback_connections_ended_total server closed_by_peer"], 1.0);
    assert_eq!(ended["silverback_messages_dropped_total server"], 2.0);
    assert_eq!(ended["silverback_queue_peak_bytes server"], 1.0);
}

#[test]
fn a_refusal_is_counted_by_its_cause() {
    use tokio::io::AsyncWriteExt;
    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            theirs.shutdown().await.unwrap();
            Upgrader::default().accept(ours).await.unwrap_err();
        });
    });
    assert_eq!(values(&recorder.snapshotter())["silverback_handshakes_refused_total method-not-get"], 1.0);
}
