//! A door: a listener, and the loop that lets connections in by it.

use axum::Router;
use futures_util::FutureExt as _;
use tokio::net::TcpListener;

use crate::routes::App;
use crate::{accept, front};

/// How many connections may wait before a door, as tokio has it.
const BACKLOG: usize = 1024;

/// Lets connections in until the server stops.
pub(crate) async fn open(listener: TcpListener, app: App, router: Router) {
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => break,
            (stream, remote) = accept::next(&listener) => {
                app.tasks.spawn(front::serve(stream, remote, app.clone(), router.clone()));
            }
        }
    }
    // Whoever waits before the door when it closes is let in; the system would reset it.
    for _ in 0..BACKLOG {
        let Some((stream, remote)) = accept::next(&listener).now_or_never() else { break };
        app.tasks.spawn(front::serve(stream, remote, app.clone(), router.clone()));
    }
}
