//! A door: a listener, and the loop that lets connections in by it.

use std::sync::Arc;

use axum::Router;
use futures_util::FutureExt as _;
use tokio::task::JoinSet;

use crate::listening::{Accepted, Bound, Remote, Serves};
use crate::routes::{App, router};
use crate::shards::Shards;
use crate::{accept, front};

/// How many connections may wait before a door, as tokio has it.
const BACKLOG: usize = 1024;

/// All doors of a server. They close with this value.
pub(crate) struct Doors {
    /// Those that close when the server is about to leave.
    early: JoinSet<()>,
    /// Those that close when its sessions have left.
    late: JoinSet<()>,
}

impl Doors {
    /// What comes by them is served on the runtimes of `shards`.
    pub(crate) fn open(bound: Vec<Bound>, app: &App, shards: &Arc<Shards>) -> Self {
        let mut doors = Self { early: JoinSet::new(), late: JoinSet::new() };
        for bound in bound {
            let door = Door::new(bound, app, shards.clone());
            let doors = if door.closes_early { &mut doors.early } else { &mut doors.late };
            doors.spawn(door.open());
        }
        doors
    }

    /// Waits until the first of them have closed.
    pub(crate) async fn first_closed(&mut self) {
        while self.early.join_next().await.is_some() {}
    }

    /// Waits until all of them have closed.
    pub(crate) async fn all_closed(&mut self) {
        self.first_closed().await;
        while self.late.join_next().await.is_some() {}
    }
}

struct Door {
    bound: Bound,
    closes_early: bool,
    app: App,
    router: Router,
    shards: Arc<Shards>,
}

impl Door {
    /// One that only new clients come by closes when the server is about to leave: a proxy then tries another server. So does one that a later process
    /// opens again. The others have the API behind them, which is needed as long as there are sessions.
    fn new(bound: Bound, app: &App, shards: Arc<Shards>) -> Self {
        let closes_early = bound.serves == Serves::Clients || (bound.is_inherited && !bound.is_for_api);
        let app = App { is_tls: bound.tls.is_some(), ..app.clone() };
        let router = router(app.clone(), bound.serves);
        Self { bound, closes_early, app, router, shards }
    }

    /// Lets connections in until nobody is to come by this door any more.
    async fn open(self) {
        let is_to_close = if self.closes_early { &self.app.draining.leaving } else { &self.app.stopping };
        loop {
            tokio::select! {
                () = is_to_close.cancelled() => break,
                (stream, remote) = accept::next(|| self.bound.listener.accept()) => self.let_in(stream, remote),
            }
        }
        if self.bound.is_inherited {
            return; // whoever waits is let in by the next process
        }
        // Whoever waits is let in now: the system would reset it.
        for _ in 0..BACKLOG {
            let Some((stream, remote)) = accept::next(|| self.bound.listener.accept()).now_or_never() else { break };
            self.let_in(stream, remote);
        }
    }

    fn let_in(&self, stream: Accepted, remote: Remote) {
        let (tls, app, router) = (self.bound.tls.clone(), self.app.clone(), self.router.clone());
        let serve = move |stream| front::serve(stream, remote, tls, app, router);
        match stream {
            Accepted::Tcp(stream) => self.shards.spawn(&self.app.tasks, stream, |stream| serve(Accepted::Tcp(stream))),
            Accepted::Unix(_) => drop(self.app.tasks.spawn(serve(stream))),
        }
    }
}
