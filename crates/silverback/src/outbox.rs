//! The queue of messages on their way out: bounded, fair to those who wait for room, and the place where a close waits its turn.
//!
//! This is plain data under one lock. What is to be woken or dropped is left to [`Later`].

mod past;

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use silverback_wire::{CloseCode, CloseFrame, CloseReport, Connection, Message, Part, Written};

use crate::batch::{Batch, Content};
use crate::bypass::Bypass;
use crate::items::Items;
use crate::later::Later;
use crate::outgoing::{Offered, Outgoing, Overflow};
use crate::parking::Parking;
use crate::queue::{QueueFill, QueueLimits};
use crate::waiters::{Place, Waiters};

#[derive(Debug)]
#[repr(C)] // a fan-out to ten thousand waits for memory: what a delivery touches lies together, the rest behind it
pub(crate) struct Outbox {
    /// Bytes of payload in `items`.
    bytes: usize,
    /// The most that they ever were.
    peak: usize,
    limits: QueueLimits,
    /// Messages and further parts ever queued.
    queued: u64,
    items: Items,
    close: Close,
    /// For room in the queue. Who waits longest is served first, so that a large message is not overtaken for ever by small ones.
    for_room: Waiters,
    /// For what is queued while the driver sleeps.
    bypass: Option<Box<Bypass>>,
    driver: Parking,
    is_bypass_wanted: bool,
    is_stirred: bool,
    /// A message in parts is under way, and it is one of ours: a bare connection can send one too.
    is_inside: bool,
    /// Whoever sends a message in parts has given up in the middle of it.
    is_abandoned: bool,
    /// Somebody waits for what was queued to be with the kernel, and the driver does not know yet.
    is_flush_new: bool,
    /// The connection is to close when no handle is left.
    closes_with_handles: bool,
    is_receiver_gone: bool,
    /// Those of `queued` that are with the kernel.
    written: u64,
    /// So many of them will be when the transport has taken everything up to this byte, or [`UNKNOWN`] while they are being encoded.
    milestone: Option<(NonZeroU64, u64)>,
    /// For what was queued to be with the kernel.
    for_written: Waiters,
    /// The next part of the message that is being sent in parts.
    part: Option<Box<Part>>,
    /// For the next part to be taken.
    for_part: Waiters,
    /// Messages that were queued and made room for others.
    dropped: u64,
    senders: usize,
    /// For the end.
    for_end: Waiters,
}

/// So many messages are written past the driver at once.
pub(crate) const MOST_PAST: usize = 16;

/// No transport comes so far.
const UNKNOWN: u64 = u64::MAX;

#[derive(Debug, Default)]
enum Close {
    #[default]
    NotAsked,
    /// To be done when the queue is empty. Boxed: it is there for a moment of a connection's life.
    Asked(Box<(CloseFrame, Cow<'static, str>)>),
    /// Done, or the connection is ending otherwise.
    Done,
}

/// Why a message was not queued.
#[derive(Debug)]
pub(crate) enum Rejected {
    Full(Message),
    Closed(Message),
}

// The handles' side.
impl Outbox {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            items: Items::default(),
            bytes: 0,
            peak: 0,
            part: None,
            is_inside: false,
            is_abandoned: false,
            close: Close::NotAsked,
            queued: 0,
            written: 0,
            milestone: None,
            dropped: 0,
            driver: Parking::default(),
            bypass: None,
            is_bypass_wanted: false,
            is_stirred: false,
            is_flush_new: false,
            senders: 0,
            closes_with_handles: false,
            is_receiver_gone: false,
            for_room: Waiters::default(),
            for_part: Waiters::default(),
            for_written: Waiters::default(),
            for_end: Waiters::default(),
        }
    }

    /// Queues a message if there is room and nobody waits for it.
    pub(crate) fn push(&mut self, outgoing: Outgoing, later: &mut Later) -> Result<(), Rejected> {
        if self.is_closing() {
            return Err(Rejected::Closed(outgoing.into_message()));
        }
        if !self.for_room.is_empty() || !self.has_room(outgoing.message().len()) {
            return Err(Rejected::Full(outgoing.into_message()));
        }
        self.insert(Content::Whole(outgoing), None, later);
        Ok(())
    }

    /// Queues a message when there is room and nobody has waited longer. Unless it is pending, `content` is taken.
    pub(crate) fn poll_push(
        &mut self,
        content: &mut Option<Content>,
        place: &mut Place,
        cx: &Context<'_>,
        later: &mut Later,
    ) -> Poll<Result<(), Message>> {
        let length = content.as_ref().map_or(0, Content::len);
        let is_turn = self.for_room.is_first(place) && self.has_room(length);
        if !is_turn && !self.is_closing() {
            self.for_room.wait(place, cx, later);
            return Poll::Pending;
        }
        self.for_room.leave(place, later);
        match content.take() {
            Some(content) if self.is_closing() => Poll::Ready(Err(content.into_message())),
            Some(content) => {
                self.insert(content, None, later);
                self.wake_next(later);
                Poll::Ready(Ok(()))
            }
            None => Poll::Ready(Ok(())),
        }
    }

    /// Gives up a place among those who wait for room.
    pub(crate) fn leave_room(&mut self, place: &mut Place, later: &mut Later) {
        self.for_room.leave(place, later);
        self.wake_next(later);
    }

    /// Queues a message by a policy.
    pub(crate) fn offer(&mut self, outgoing: Outgoing, overflow: Overflow, later: &mut Later) -> Result<Offered, Rejected> {
        if self.is_closing() {
            return Err(Rejected::Closed(outgoing.into_message()));
        }
        let length = outgoing.message().len();
        let key = if let Overflow::KeepLatest(key) = &overflow { Some(key.clone()) } else { None };
        if let Some(at) = key.as_ref().and_then(|key| self.items.with_key(key)) {
            return self.replace(at, outgoing, later);
        }
        // Whoever waits for room comes first, but for those who make their own.
        let has_room = self.has_room(length) && self.for_room.is_empty();
        if !has_room && overflow == Overflow::DropOldest && self.can_displace_for(length) {
            let displaced = self.displace_for(length, later);
            self.insert(Content::Whole(outgoing), None, later);
            self.wake_next(later);
            return Ok(if displaced > 0 { Offered::Displaced(displaced) } else { Offered::Queued });
        }
        if !has_room {
            self.dropped += 1;
            if let Overflow::Close(code, reason) = overflow {
                self.ask_to_close(CloseFrame::new(code, reason), "the peer did not read fast enough".into(), later);
            }
            return Err(Rejected::Full(outgoing.into_message()));
        }
        self.insert(Content::Whole(outgoing), key, later);
        Ok(Offered::Queued)
    }

    /// Puts a newer message in the place of the one at `at`, if the bound in bytes allows it.
    fn replace(&mut self, at: usize, outgoing: Outgoing, later: &mut Later) -> Result<Offered, Rejected> {
        let is_alone = self.items.len() == 1;
        let Some(content) = self.items.content(at) else { return Err(Rejected::Full(outgoing.into_message())) };
        let bytes = self.bytes - content.len() + outgoing.message().len();
        self.dropped += 1; // one of the two
        if bytes > self.limits.bytes && !is_alone {
            return Err(Rejected::Full(outgoing.into_message()));
        }
        later.drop_message(std::mem::replace(content, Content::Whole(outgoing)));
        self.bytes = bytes;
        self.peak = self.peak.max(bytes);
        self.wake_next(later);
        Ok(Offered::Replaced)
    }

    /// Whether dropping every whole message makes room for one of this length. The first part of a message is not dropped.
    fn can_displace_for(&self, length: usize) -> bool {
        let first_part = self.items.first_part();
        first_part.is_none_or(|(_, first)| self.limits.messages > 1 && first.saturating_add(length) <= self.limits.bytes)
    }

    /// Drops the oldest messages until there is room for one of this length, and tells how many.
    fn displace_for(&mut self, length: usize, later: &mut Later) -> usize {
        let mut displaced = 0;
        while !self.has_room(length)
            && let Some(at) = self.items.first_whole()
            && let Some(oldest) = self.items.remove(at)
        {
            self.bytes -= oldest.len();
            displaced += 1;
            later.drop_message(oldest);
        }
        self.dropped += displaced as u64;
        displaced
    }

    /// Hands over the next part of the message that is being sent in parts, when the one before it is on its way. Unless it is pending, `part`
    /// is taken.
    pub(crate) fn poll_part(
        &mut self,
        part: &mut Option<Part>,
        place: &mut Place,
        cx: &Context<'_>,
        later: &mut Later,
    ) -> Poll<Result<(), Message>> {
        if !self.is_closing() && !self.has_part_room() {
            self.for_part.wait(place, cx, later);
            return Poll::Pending;
        }
        self.for_part.leave(place, later);
        match part.take() {
            Some(part) if self.is_closing() => Poll::Ready(Err(part.piece)),
            part => {
                self.part = part.map(Box::new);
                self.queued += 1;
                self.stir(later);
                Poll::Ready(Ok(()))
            }
        }
    }

    pub(crate) fn leave_part(&mut self, place: &mut Place, later: &mut Later) {
        self.for_part.leave(place, later);
    }

    /// Gives up a message in the middle. As long as nothing of it is on its way, it is as if it had never begun; after that only the end of the
    /// connection can end it (RFC 6455, 5.4 has no other way).
    pub(crate) fn abandon_message(&mut self, later: &mut Later) {
        if let Some((at, _)) = self.items.first_part()
            && let Some(content) = self.items.remove(at)
        {
            self.bytes -= content.len();
            later.drop_message(content);
            if self.milestone.is_none() && self.items.is_empty() {
                self.written = self.pulled(); // nothing that is on its way, or will be, can tell
                self.for_written.wake_all(later);
            }
            return self.wake_next(later);
        }
        self.is_abandoned = true;
        self.stir(later);
    }

    /// Asks for a close behind what is queued. The first to ask decides the code; tells whether this was it.
    pub(crate) fn ask_to_close(&mut self, frame: CloseFrame, cause: Cow<'static, str>, later: &mut Later) -> bool {
        let is_first = !self.is_closing();
        if is_first {
            self.close = Close::Asked(Box::new((frame, cause)));
        }
        self.turn_away(later);
        self.stir(later);
        is_first
    }

    pub(crate) fn close_with_handles(&mut self) {
        self.closes_with_handles = true;
    }

    pub(crate) fn sender_made(&mut self) {
        self.senders += 1;
    }

    pub(crate) fn sender_dropped(&mut self, later: &mut Later) {
        self.senders -= 1;
        self.close_if_nobody_is_left(later);
    }

    pub(crate) fn receiver_dropped(&mut self, later: &mut Later) {
        self.is_receiver_gone = true;
        self.close_if_nobody_is_left(later);
    }

    fn close_if_nobody_is_left(&mut self, later: &mut Later) {
        if self.closes_with_handles && self.is_receiver_gone && self.senders == 0 && !self.is_closing() {
            self.ask_to_close(CloseFrame::new(CloseCode::NORMAL, ""), "all handles were dropped".into(), later);
        }
    }

    /// Ready when everything that had been queued when `queued` was `target` is with the kernel.
    pub(crate) fn poll_written(&mut self, target: u64, place: &mut Place, cx: &Context<'_>, later: &mut Later) -> Poll<()> {
        if self.written >= target {
            self.for_written.leave(place, later);
            return Poll::Ready(());
        }
        if !place.is_taken() {
            self.is_flush_new = true;
            later.wake(self.driver.wake());
        }
        self.for_written.wait(place, cx, later);
        Poll::Pending
    }

    pub(crate) fn leave_written(&mut self, place: &mut Place, later: &mut Later) {
        self.for_written.leave(place, later);
    }

    pub(crate) fn wait_for_end(&mut self, place: &mut Place, cx: &Context<'_>, later: &mut Later) {
        self.for_end.wait(place, cx, later);
    }

    pub(crate) fn leave_end(&mut self, place: &mut Place, later: &mut Later) {
        self.for_end.leave(place, later);
    }

    /// Messages and further parts ever queued.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// What is in the queue, the most bytes that ever were, and how many messages made room for others or found none.
    pub(crate) fn fill(&self) -> QueueFill {
        QueueFill { bytes: self.bytes, messages: self.items.len(), peak_bytes: self.peak, dropped: self.dropped }
    }

    fn is_closing(&self) -> bool {
        !matches!(self.close, Close::NotAsked)
    }

    /// A message that finds the queue empty is always taken, whatever its size.
    fn has_room(&self, length: usize) -> bool {
        self.items.is_empty() || (self.items.len() < self.limits.messages && self.bytes.saturating_add(length) <= self.limits.bytes)
    }

    fn has_part_room(&self) -> bool {
        self.part.is_none() && self.items.first_part().is_none()
    }

    fn insert(&mut self, content: Content, key: Option<Arc<str>>, later: &mut Later) {
        self.bytes += content.len();
        self.peak = self.peak.max(self.bytes);
        self.queued += 1;
        let is_prepared = matches!(content, Content::Whole(Outgoing::Prepared(_)));
        self.items.push(content, key);
        if !is_prepared || !self.list(later) {
            self.stir(later);
        }
    }

    /// Leaves a message for many to the flusher. `false` when the driver is to be woken for it.
    fn list(&mut self, later: &mut Later) -> bool {
        if !self.driver.is_asleep() {
            return false;
        }
        self.is_bypass_wanted = true;
        self.bypass.as_mut().is_some_and(|bypass| bypass.list(later))
    }

    /// There is work for the driver.
    fn stir(&mut self, later: &mut Later) {
        self.is_stirred = true;
        later.wake(self.driver.wake());
    }

    /// Whether there is work for the driver that was not there when this was asked last.
    pub(crate) fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.is_stirred)
    }

    /// Wakes who has waited longest for room, if there is some; whoever gets it wakes the next.
    fn wake_next(&self, later: &mut Later) {
        if !self.for_room.is_empty() && self.has_room(1) {
            self.for_room.wake_first(later);
        }
    }

    /// Who waits for a turn learns that there will be none.
    fn turn_away(&mut self, later: &mut Later) {
        self.for_room.wake_all(later);
        self.for_part.wake_all(later);
    }
}

// The driver's side.
impl Outbox {
    /// Takes what the connection can have next: as much as makes `room` bytes of payload full, and at most a batch. It is encoded outside the
    /// lock, and then [`pulled_until`](Self::pulled_until) is told.
    pub(crate) fn take(&mut self, connection: &Connection, room: usize, batch: &mut Batch) {
        let mut bytes = 0;
        while batch.has_room()
            && bytes < room
            && connection.is_open()
            && let Some(content) = self.take_one(connection, batch)
        {
            bytes += content.len();
            batch.push(content);
        }
        if !batch.is_empty() && self.milestone.is_none() {
            self.milestone = self.milestone_at(UNKNOWN);
        }
    }

    fn take_one(&mut self, connection: &Connection, batch: &Batch) -> Option<Content> {
        if self.is_inside {
            if self.is_abandoned {
                return None;
            }
            let part = self.part.take()?;
            self.is_inside = !part.is_last;
            return Some(Content::Part(*part));
        }
        if connection.is_inside_message() && batch.is_empty() {
            return None; // a bare connection is in the middle of one
        }
        let content = self.items.pop()?;
        self.bytes -= content.len();
        self.is_inside = matches!(content, Content::FirstPart(_));
        Some(content)
    }

    /// Everything that was taken is encoded, and ends at byte `end` of all that is ever written.
    pub(crate) fn pulled_until(&mut self, end: u64, later: &mut Later) {
        if let Some((_, UNKNOWN)) = self.milestone {
            self.milestone = self.milestone_at(end);
        }
        self.wake_for_room(later);
    }

    fn wake_for_room(&mut self, later: &mut Later) {
        if !self.is_closing() {
            self.wake_next(later);
            if !self.for_part.is_empty() && self.has_part_room() {
                self.for_part.wake_all(later);
            }
        }
    }

    /// All that was taken so far ends at this byte.
    fn milestone_at(&self, end: u64) -> Option<(NonZeroU64, u64)> {
        NonZeroU64::new(self.pulled()).map(|pulled| (pulled, end))
    }

    /// When nothing more can be taken now: does the close, if one was asked for and its turn has come. Tells whether one has to wait behind
    /// messages.
    pub(crate) fn settle(&mut self, connection: &mut Connection, now: impl Fn() -> Instant, later: &mut Later) -> bool {
        if self.is_given_up() {
            self.part = None; // more of half a message is of no use
            let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "a message was given up before its end");
            connection.close_because(frame, "a message that was sent in parts was given up before its end", now());
        }
        // Behind a message that gets no more parts, nothing has a turn to wait for.
        let is_stuck = connection.is_inside_message() && self.part.is_none();
        if is_stuck || (self.items.is_empty() && self.part.is_none()) {
            self.close_connection(connection, now);
        }
        if !connection.is_open() {
            self.close = Close::Done; // whatever is queued now could only be lost
        }
        if self.is_closing() {
            self.turn_away(later);
        }
        matches!(self.close, Close::Asked(_))
    }

    /// Whoever sends a message in parts has left it in the middle.
    fn is_given_up(&self) -> bool {
        self.is_abandoned && self.is_inside
    }

    /// Whether the driver has to look again even if nobody stirs.
    pub(crate) fn has_more(&self) -> bool {
        !self.items.is_empty() || self.part.is_some() || self.is_abandoned || matches!(self.close, Close::Asked(_))
    }

    /// Whether a message in parts is under way that is not a bare connection's.
    pub(crate) fn is_inside(&self) -> bool {
        self.is_inside
    }

    /// Closes, if that was asked for, in front of what is still queued.
    pub(crate) fn close_connection(&mut self, connection: &mut Connection, now: impl Fn() -> Instant) {
        if let Close::Asked(_) = self.close
            && let Close::Asked(asked) = std::mem::replace(&mut self.close, Close::Done)
        {
            let (frame, cause) = *asked;
            connection.close_because(frame, cause, now());
        }
    }

    /// Notes how far the transport has come. Tells whether it is to be told of more: until all is written, for who has been
    /// woken may find that theirs is not, and wait again.
    pub(crate) fn note_written(&mut self, written: Written, later: &mut Later) -> bool {
        self.is_flush_new = false;
        if let Some((count, end)) = self.milestone
            && end <= written.taken
        {
            self.written = count.get();
            let pulled = self.pulled();
            self.milestone = self.milestone_at(written.end).filter(|_| pulled > self.written);
            if written.taken == written.end {
                (self.written, self.milestone) = (pulled, None);
            }
            self.for_written.wake_all(later);
        }
        self.written < self.queued
    }

    /// Prepares to sleep: what is queued from now on wakes `cx`. `false` when something is queued already that the connection can take.
    pub(crate) fn park(&mut self, connection: &Connection, most: usize, is_close_noted: bool, cx: &Context<'_>, later: &mut Later) -> bool {
        let can_pull = connection.is_open() && connection.transmit_len() < most;
        let has_next = match connection.is_inside_message() {
            true => self.is_inside && self.part.is_some(),
            false => !self.items.is_empty(),
        };
        // A close that has to wait is noted once, for it waits a bounded time only.
        let is_close_due = matches!(self.close, Close::Asked(_)) && (can_pull || !is_close_noted);
        if connection.is_open() && (self.is_given_up() || is_close_due) || can_pull && has_next {
            return false;
        }
        if std::mem::take(&mut self.is_flush_new) {
            return false; // who waits for it may have nothing to wait for any more
        }
        self.items.give_back(); // before sleeping, so that whoever is busy keeps it
        let former = self.driver.sleep(cx);
        if former.is_some() {
            later.drop_bypass(self.bypass.take()); // its flusher may be of the runtime that this was moved from
        }
        later.drop_waker(former);
        true
    }

    /// The connection has ended. A handle that is kept must keep neither the task nor the messages. What waits here is added to what the report
    /// calls unsent.
    #[must_use]
    pub(crate) fn end(&mut self, report: &mut CloseReport, later: &mut Later) -> Option<Box<Bypass>> {
        self.close = Close::Done;
        report.unsent.messages += self.items.len() as u64;
        report.unsent.bytes += self.bytes as u64 + self.part.as_ref().map_or(0, |part| part.piece.len() as u64);
        self.bytes = 0;
        for content in self.items.take().chain(self.part.take().map(|part| Content::FirstPart(*part))) {
            later.drop_message(content);
        }
        later.drop_waker(std::mem::take(&mut self.driver).into_waker());
        self.turn_away(later);
        self.is_bypass_wanted = false;
        self.bypass.take() // to be dropped outside the lock
    }

    /// The report is there for those who wait for it.
    pub(crate) fn announce_end(&mut self, later: &mut Later) {
        self.for_written.wake_all(later);
        self.for_end.wake_all(later);
    }

    /// Messages, and parts after the first, that were moved into the connection or dropped.
    fn pulled(&self) -> u64 {
        self.queued - self.items.len() as u64 - u64::from(self.part.is_some())
    }
}
