//! Who is connected.
//!
//! [`Hub::join`] binds a connection to an [`Identity`] and gives a [`Session`], which is in the registry for as long as the connection lives and
//! its guard exists: it leaves by ownership, so a panic, a cancelled task or a shutdown takes it out like a close does.
//!
//! ```text
//!   Hub ── join(identity, WebSocket) ──▶ Session ── run(handler) ──▶ CloseReport
//!    ├─ user("alice").send(message) ──▶ Delivery { sessions, queued, dropped }
//!    ├─ user("alice").sessions(), .close(code, reason)
//!    ├─ sessions()
//!    └─ subscribe() ──▶ Connected, Message, Ended, in order for each session
//! ```
//!
//! A delivery never waits: a session whose queue is full is counted as `dropped`, and delays nobody else.
//!
//! Where to start reading: `hub.rs`, then `session.rs` (the guard) and `registry.rs` (who is where).

mod events;
mod hub;
mod registry;
mod session;

pub use events::{Event, Missed, Subscription};
pub use hub::{Delivery, Hub, User};
pub use session::{Identity, Session, SessionId, SessionInfo, SessionReceiver};
