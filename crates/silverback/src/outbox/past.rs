//! The way past a driver that sleeps, as the queue sees it: what is lent, what goes out meanwhile, and what comes back ([`Bypass`]).

use silverback_wire::{Connection, Prepared, Route};

use super::{MOST_PAST, Outbox, UNKNOWN};
use crate::bypass::{Bypass, Returned, Socket};
use crate::later::Later;

// The flusher's side.
impl Outbox {
    /// Writes the next prepared messages past the driver, if it sleeps. What is left then is for the driver. Or gives one of them, and does
    /// nothing before that is compressed.
    pub(crate) fn pass(&mut self, later: &mut Later) -> Option<(Prepared, Route)> {
        let bypass = self.bypass.as_mut()?;
        bypass.unlist();
        let unready = bypass.unready(self.items.prepared().take(MOST_PAST));
        if unready.is_some() {
            return unready;
        }
        let count = bypass.write(self.items.prepared().take(MOST_PAST));
        // Dropped here: a prepared message is made of nothing but our own.
        for content in (0..count).map_while(|_| self.items.pop()) {
            self.bytes -= content.len();
        }
        let has_rest = bypass.has_rest();
        if count > 0 {
            let pulled = self.pulled();
            self.written = pulled - u64::from(has_rest);
            self.milestone = self.milestone_at(UNKNOWN).filter(|_| has_rest);
            self.for_written.wake_all(later);
            self.wake_for_room(later);
        }
        match self.items.is_empty() && !has_rest {
            true => self.items.give_back(),
            false => self.stir(later),
        }
        None
    }

    /// Leaves what is queued to the driver after all.
    pub(crate) fn pass_over(&mut self, later: &mut Later) {
        self.bypass.iter_mut().for_each(|bypass| bypass.unlist());
        if !self.items.is_empty() {
            self.stir(later);
        }
    }
}

// The driver's side.
impl Outbox {
    /// The driver is awake: it takes its socket back, if it had lent it, and learns what went past it.
    pub(crate) fn rise(&mut self, connection: &mut Connection, later: &mut Later) -> Option<Returned> {
        self.driver.rise();
        let mut returned = self.bypass.as_mut()?.take_back()?;
        if returned.past.messages > 0 {
            connection.went_past(std::mem::take(&mut returned.past));
            self.pulled_until(connection.written().end, later);
        }
        self.is_stirred |= !self.items.is_empty(); // the flusher was to come
        Some(returned)
    }

    /// The driver sleeps: until it rises, others may write past it, if anybody ever wanted to and it has nothing to write itself.
    pub(crate) fn lend(
        &mut self,
        connection: &Connection,
        bypass: impl FnOnce() -> Option<Bypass>,
        socket: Option<impl FnOnce() -> Option<Socket>>,
    ) {
        let Some(socket) = socket.filter(|_| self.is_bypass_wanted) else { return }; // as for most
        let Some(route) = connection.route() else { return };
        if self.bypass.is_none() {
            self.bypass = bypass().map(Box::new);
        }
        if let Some(bypass) = &mut self.bypass
            && let Some(socket) = socket()
        {
            bypass.lend(socket, route);
        }
    }
}

#[cfg(all(test, silverback_loom))]
impl Outbox {
    pub(crate) fn with_bypass(&mut self, bypass: Bypass) {
        (self.bypass, self.is_bypass_wanted) = (Some(Box::new(bypass)), true);
    }
}
