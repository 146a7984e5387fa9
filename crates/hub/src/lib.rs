//! Who is connected.
//!
//! [`Hub::join`] binds a connection to an [`Identity`] and gives a [`Session`], which is in the registry for as long as the connection lives and
//! its guard exists: it leaves by ownership, so a panic, a cancelled task or a shutdown takes it out like a close does.
//!
//! ```text
//!   Hub ── reserve(identity) ──▶ Reservation ── join(WebSocket) ──▶ Session ── run(handler) ──▶ CloseReport
//!    │       └▶ JoinRefused, by the Policy
//!    ├─ user("alice"), users([…]), session(id), with_attribute(key, value), everyone() ──▶ Audience
//!    │       ├─ send(message), offer(message, overflow) ──▶ Delivery { sessions, queued, dropped, refused }
//!    │       ├─ request(request, within) ──▶ Answer
//!    │       └─ sessions(), close(code, reason)
//!    ├─ page(query, after, limit), ended(query, before, limit), timeline(id)
//!    ├─ subscribe(), subscribe_with(grace) ──▶ Connected, Message, Ended, in order for each session
//!    └─ drain(…) ──▶ Drained
//! ```
//!
//! How many sessions a user has is bounded by a [`Policy`], and the choice is made under one lock: the bound is never exceeded, and somebody always
//! wins. A delivery never waits: a session whose queue is full is counted as `dropped`, and delays nobody else. Every session's life is
//! remembered for a while, in bounded memory ([`Timeline`]).
//!
//! Where to start reading: `hub.rs`, then `session.rs` (the guard), `registry.rs` (who is where) and `crowd.rs` (who may be).

mod audience;
mod core;
mod crowd;
mod drain;
mod ended;
mod events;
mod grace;
mod hub;
mod identity;
mod listing;
mod member;
mod meter;
mod policy;
mod registry;
mod request;
mod reservation;
mod session;
mod texts;
mod timeline;

pub use audience::{Audience, Delivery};
pub use drain::{Drain, Drained};
pub use ended::{EndedCursor, EndedLimits, EndedPage};
pub use events::{Event, Missed, Subscription};
pub use hub::{Hub, HubBuilder};
pub use identity::{Attributes, AttributesTooLarge, Identity};
pub use listing::{Page, Query};
pub use policy::{JoinRefused, NotJoined, Policy, WhenFull};
pub use request::{Answer, NotAcknowledged, Request, RequestIdNotValid};
pub use reservation::Reservation;
pub use session::{NotASessionId, Notes, Session, SessionId, SessionInfo, SessionReceiver};
pub use timeline::{Asked, End, Moment, Timeline, What};
