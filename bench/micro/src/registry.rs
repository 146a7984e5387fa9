//! The registry of a hub with many users, each against a table that does nothing else.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use silverback::{Message, Upgrader, WebSocket};
use silverback_hub::{Hub, Identity, Session, SessionInfo};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::measure::{Row, compare, each, samples};
use crate::script::Script;

const USERS: usize = 10_000;

/// Come and go in one sample.
const GUESTS: usize = 500;

pub(crate) fn rows(runtime: &Runtime) -> Result<Vec<Row>, Failure> {
    let _guard = runtime.enter();
    let (hub, upgrader) = (Hub::new(), Upgrader::default());
    let mut crowd = Vec::new();
    for number in 0..USERS {
        let identity = Identity::new(format!("user-{number}"));
        crowd.push(hub.join(identity, socket(runtime, &upgrader)?).map_err(|not_joined| not_joined.refused)?);
    }
    let infos: Vec<_> = crowd.iter().map(|session| session.info().clone()).collect();
    let mut rows = look_up(&hub, &infos);
    rows.push(send(&hub, runtime, &upgrader, &infos)?);
    rows.extend(come_and_go(&hub, runtime, &upgrader)?);
    Ok(rows)
}

fn look_up(hub: &Hub, infos: &[Arc<SessionInfo>]) -> Vec<Row> {
    let by_user: HashMap<_, _> = infos.iter().map(|info| (info.identity.user.clone(), info.clone())).collect();
    let by_id: HashMap<_, _> = infos.iter().map(|info| (info.id, info.clone())).collect();
    let (mut user, mut of_table) = (far_apart(infos), far_apart(infos));
    let of_user = compare(
        || drop(black_box(hub.user(&user().identity.user).sessions())),
        || drop(black_box(by_user.get(&of_table().identity.user).cloned())),
    );
    let (mut session, mut of_table) = (far_apart(infos), far_apart(infos));
    let of_session =
        compare(|| drop(black_box(hub.session(session().id).sessions())), || drop(black_box(by_id.get(&of_table().id).cloned())));
    let row = |part, times| Row { part, size: format!("among {USERS}"), bytes: None, floor: "HashMap::get", times };
    vec![row("sessions of a user", of_user), row("a session by its id", of_session)]
}

fn send(hub: &Hub, runtime: &Runtime, upgrader: &Upgrader, infos: &[Arc<SessionInfo>]) -> Result<Row, Failure> {
    let message = Message::binary(vec![7; 125]);
    let mut sockets = (0..USERS).map(|_| socket(runtime, upgrader)).collect::<Result<Vec<_>, _>>()?;
    let senders: Vec<_> = sockets.iter_mut().map(WebSocket::sender).collect();
    let (mut user, mut sender) = (far_apart(infos), far_apart(&senders));
    let by_hub = || assert_eq!(hub.user(&user().identity.user).send(message.clone()).queued, 1);
    let times = compare(by_hub, || assert!(sender().try_send(message.clone()).is_ok()));
    Ok(Row { part: "send to a user", size: format!("among {USERS}"), bytes: None, floor: "Sender::try_send", times })
}

fn come_and_go(hub: &Hub, runtime: &Runtime, upgrader: &Upgrader) -> Result<[Row; 2], Failure> {
    let mut table: HashMap<Arc<str>, Arc<()>> = (0..USERS).map(|number| (format!("user-{number}").into(), Arc::default())).collect();
    let mut leaves = Vec::new();
    let mut failure = None;
    let join = samples(|| {
        let sockets = || (0..GUESTS).map(|_| socket(runtime, upgrader)).collect::<Result<Vec<_>, _>>();
        let (Ok(guests), Ok(mut others)) = (sockets(), sockets()) else {
            failure = Some("a handshake in memory has failed");
            return [0.0; 2];
        };
        let identities = (0..GUESTS).map(|number| Identity::new(format!("guest-{number}")));
        let mut arrivals: Vec<_> = identities.zip(guests).collect();
        let mut joined: Vec<Option<Session>> = Vec::with_capacity(GUESTS);
        let names: Vec<Arc<str>> = arrivals.iter().map(|(identity, _)| identity.user.clone()).collect();
        let mut come = || {
            if let Some((identity, socket)) = arrivals.pop() {
                joined.push(hub.join(identity, socket).ok());
            }
        };
        let join = each(&mut come, GUESTS);
        let mut name = names.iter();
        let insert = each(&mut || name.next().into_iter().for_each(|name| drop(table.insert(name.clone(), Arc::default()))), GUESTS);
        let leave = each(&mut || drop(joined.pop()), GUESTS);
        names.iter().for_each(|name| drop(table.remove(name)));
        leaves.push([leave, each(&mut || drop(others.pop()), GUESTS)]);
        [join, insert]
    });
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let mut leaves = leaves.into_iter();
    let leave = samples(|| leaves.next().unwrap_or_default());
    let row = |part, floor, times| Row { part, size: format!("among {USERS}"), bytes: None, floor, times };
    Ok([row("join", "HashMap::insert", join), row("leave, and drop the socket", "drop a socket", leave)])
}

fn socket(runtime: &Runtime, upgrader: &Upgrader) -> Result<WebSocket, silverback::AcceptError> {
    runtime.block_on(upgrader.accept(Script::listener(Arc::default())))
}

/// One after another, not in the order in which they came.
fn far_apart<'a, T>(all: &'a [T]) -> impl FnMut() -> &'a T {
    let mut at = 0;
    move || {
        at = (at + 7919) % all.len();
        &all[at]
    }
}
