//! Ending all connections of an upgrader, spread over a window of time.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use silverback_wire::CloseFrame;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::later::Later;
use crate::sync::{Mutex, lock};
use crate::waiters::{Place, Waiters};

/// The name of a connection in this process, for logs and reports: counted from 1.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let upgrader = silverback::Upgrader::default();
/// # let (dialer, (ours, theirs)) = (silverback::Dialer::default(), tokio::io::duplex(4096));
/// # let (server, client) = tokio::join!(upgrader.accept(ours), dialer.handshake_over(theirs, "ws://example.com/"));
/// # let (mut server, mut client) = (server?, client?);
/// let (ours, theirs) = (server.id(), client.id()); // each end has its own
/// assert!(ours != theirs);
/// println!("connection {ours} is open");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(u64);

impl ConnectionId {
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What came of a drain.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use silverback::{CloseCode, Upgrader};
///
/// let upgrader = Upgrader::default(); // that has no connections
/// let drained = upgrader.drain(Duration::from_secs(10), CloseCode::GOING_AWAY, "bye").await;
/// assert_eq!((drained.closed, drained.left.len()), (0, 0));
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections there were when it began. Those that complete a handshake later are told to close at once.
    pub closed: usize,
    /// Those that had not ended when all their time was over: nobody drives them, most likely.
    pub left: Vec<ConnectionId>,
}

/// A time without an end, which a clock can still add up.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The connections of an upgrader.
#[derive(Debug)]
pub(crate) struct Fleet(Mutex<Members>);

impl Default for Fleet {
    fn default() -> Self {
        Self(Mutex::new(Members::default()))
    }
}

#[derive(Debug, Default)]
struct Members {
    leashes: HashMap<ConnectionId, Arc<Leash>>,
    /// What those who come from now on are told at once.
    drain: Option<CloseFrame>,
    for_last: Waiters,
}

/// By which one connection is told to close.
#[derive(Debug)]
struct Leash {
    id: ConnectionId,
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    /// In a box: it is there once, at the end.
    close: Option<Box<CloseFrame>>,
    driver: Option<Waker>,
}

/// A connection's place in its fleet, left when it is dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    fleet: Arc<Fleet>,
    leash: Arc<Leash>,
}

impl Fleet {
    pub(crate) fn join(self: &Arc<Self>, id: ConnectionId) -> Membership {
        let mut members = lock(&self.0);
        let order = Order { close: members.drain.clone().map(Box::new), driver: None };
        let leash = Arc::new(Leash { id, order: Mutex::new(order) });
        members.leashes.insert(id, leash.clone());
        Membership { fleet: self.clone(), leash }
    }

    pub(crate) fn is_draining(&self) -> bool {
        lock(&self.0).drain.is_some()
    }

    /// Tells everybody, one after the other over this time, and waits for the last of them, `patience` at most.
    pub(crate) async fn drain(&self, over: Duration, frame: CloseFrame, patience: Duration) -> Drained {
        let leashes: Vec<Arc<Leash>> = {
            let mut members = lock(&self.0);
            members.drain = Some(frame.clone());
            members.leashes.values().cloned().collect()
        };
        let (over, patience) = (over.min(FAR), patience.min(FAR));
        let (began, all) = (Instant::now(), u32::try_from(leashes.len()).unwrap_or(u32::MAX));
        for (number, leash) in (0..all).zip(&leashes) {
            let at = began + over.mul_f64(f64::from(number) / f64::from(all));
            if at > Instant::now() {
                sleep_until(at).await;
            }
            leash.pull(frame.clone());
        }
        let _ = timeout_at(began + over + patience, self.last()).await;
        let left = lock(&self.0).leashes.keys().copied().collect();
        Drained { closed: leashes.len(), left }
    }

    /// Waits until nobody is left.
    async fn last(&self) {
        let mut waiting = Waiting { fleet: self, place: Place::default() };
        poll_fn(|cx| {
            let mut later = Later::default();
            let mut members = lock(&self.0);
            if members.leashes.is_empty() {
                return Poll::Ready(());
            }
            members.for_last.wait(&mut waiting.place, cx, &mut later);
            drop(members);
            Poll::Pending
        })
        .await;
    }
}

struct Waiting<'a> {
    fleet: &'a Fleet,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut later = Later::default();
        lock(&self.fleet.0).for_last.leave(&mut self.place, &mut later);
    }
}

impl Leash {
    fn pull(&self, frame: CloseFrame) {
        let driver = {
            let mut order = lock(&self.order);
            order.close = Some(Box::new(frame));
            order.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

impl Membership {
    /// The Close that the connection was told to send, once; until then `cx` is woken when it is told.
    pub(crate) fn poll_order(&self, cx: &Context<'_>) -> Poll<CloseFrame> {
        let _replaced;
        let mut order = lock(&self.leash.order);
        if let Some(frame) = order.close.take() {
            return Poll::Ready(*frame);
        }
        if order.driver.as_ref().is_none_or(|driver| !driver.will_wake(cx.waker())) {
            _replaced = order.driver.replace(cx.waker().clone());
        }
        drop(order);
        Poll::Pending
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut later = Later::default();
        let mut members = lock(&self.fleet.0);
        members.leashes.remove(&self.leash.id);
        if members.leashes.is_empty() {
            members.for_last.wake_all(&mut later);
        }
        if members.leashes.len() * 4 < members.leashes.capacity() {
            members.leashes.shrink_to_fit(); // a crowd that has left is not remembered
        }
        drop(members);
    }
}
