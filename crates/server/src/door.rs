//! A door: a listener, and the loop that lets connections in by it.

use std::sync::Arc;

use axum::Router;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::listening::{Accepted, Beside, BindError, Bound, Listener, Remote, Serves, Tls};
use crate::routes::{App, router};
use crate::shards::Shards;
use crate::{accept, front};

/// All doors of a server. They close with this value.
pub(crate) struct Doors {
    /// Those that close when the server is about to leave.
    early: JoinSet<()>,
    /// Those that close when its sessions have left.
    late: JoinSet<()>,
}

impl Doors {
    /// What comes by them is served on the runtimes of `shards`. Those that accept themselves have doors of their own.
    pub(crate) async fn open(bound: Vec<Bound>, app: &App, shards: &Arc<Shards>) -> Result<Self, BindError> {
        let mut doors = Self { early: JoinSet::new(), late: JoinSet::new() };
        for runtime in shards.with_own_tables() {
            let bounds = app.bounds.of_another_table();
            for beside in bound.iter().filter_map(Bound::beside) {
                let (app, shards) = (App { bounds: bounds.clone(), ..app.clone() }, shards.clone());
                let doors = if closes_early(beside.serves, false) { &mut doors.early } else { &mut doors.late };
                let (tell, told) = oneshot::channel();
                doors.spawn_on(open_beside(beside, app, shards, tell), runtime);
                told.await.unwrap_or(Ok(()))?; // a runtime that is gone has told why
            }
        }
        for bound in bound {
            let door = Door::new(bound, app, shards.clone());
            let doors = if door.closes_early { &mut doors.early } else { &mut doors.late };
            doors.spawn(door.open());
        }
        Ok(doors)
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

/// Makes a listener on the current thread, and lets connections in by it.
async fn open_beside(beside: Beside, app: App, shards: Arc<Shards>, tell: oneshot::Sender<Result<(), BindError>>) {
    match beside.bind() {
        Ok(bound) => {
            let _ = tell.send(Ok(()));
            Door::new(bound, &app, shards).open().await;
        }
        Err(error) => drop(tell.send(Err(error))),
    }
}

/// One that only new clients come by closes when the server is about to leave: a proxy then tries another server. So does one that a later process
/// opens again. The others have the API behind them, which is needed as long as there are sessions.
fn closes_early(serves: Serves, is_opened_again: bool) -> bool {
    serves == Serves::Clients || is_opened_again
}

struct Door {
    listener: Listener,
    is_inherited: bool,
    closes_early: bool,
    inside: Inside,
}

impl Door {
    fn new(bound: Bound, app: &App, shards: Arc<Shards>) -> Self {
        let Bound { listener, serves, is_for_api, is_inherited, tls, .. } = bound;
        let closes_early = closes_early(serves, is_inherited && !is_for_api);
        let app = App { is_tls: tls.is_some(), ..app.clone() };
        let router = router(app.clone(), serves);
        Self { listener, is_inherited, closes_early, inside: Inside { tls, app, router, shards } }
    }

    /// Lets connections in until nobody is to come by this door any more.
    async fn open(self) {
        let Self { listener, is_inherited, closes_early, inside } = self;
        let is_to_close = if closes_early { &inside.app.draining.leaving } else { &inside.app.stopping };
        loop {
            tokio::select! {
                () = is_to_close.cancelled() => break,
                (stream, remote) = accept::next(|| listener.accept()) => inside.let_in(stream, remote),
            }
        }
        if is_inherited {
            return; // whoever waits is let in by the next process
        }
        for (stream, remote) in listener.close() {
            inside.let_in(stream, remote);
        }
    }
}

/// What is behind a door.
struct Inside {
    tls: Option<Tls>,
    app: App,
    router: Router,
    shards: Arc<Shards>,
}

impl Inside {
    fn let_in(&self, stream: Accepted, remote: Remote) {
        let Some(socket) = self.app.bounds.socket() else { return };
        let turn = self.app.bounds.turn(&self.app.live.now().config.limits); // in the order in which they come
        let (tls, app, router) = (self.tls.clone(), self.app.clone(), self.router.clone());
        let serve = move |stream| front::serve(stream, remote, tls, socket, turn, app, router);
        match stream {
            Accepted::Tcp(stream) => self.shards.spawn(&self.app.tasks, stream, |stream| serve(Accepted::Tcp(stream))),
            Accepted::Unix(_) => drop(self.app.tasks.spawn(serve(stream))),
        }
    }
}
