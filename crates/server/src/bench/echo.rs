//! Messages that are to come back.
//!
//! An echo server answers in order, so answers need no numbers: the next one is that of the oldest message without one. In an open loop a message's
//! time is known from its number, so however many wait, nothing is kept of them.

use std::collections::VecDeque;
use std::future::ready;

use futures_util::FutureExt as _;
use silverback::{Message, Receiver, Sender, TrySendError};
use tokio::time::Instant;

use super::connection::{BATCH, End, Member};
use super::phase::{self, Sending};
use super::plan::Pace;
use super::schedule::Schedule;
use super::tally::{SharedTally, Tally};

/// Sends and receives until the run or the connection ends.
pub(super) async fn echo(mut member: Member, tx: &Sender, rx: &mut Receiver) -> End {
    let sending = loop {
        tokio::select! {
            biased;
            sending = phase::sending(&mut member.phases) => match sending {
                Some(sending) => break sending,
                None => return End::Ours,
            },
            greeting = rx.recv() => match greeting {
                Some(_) => member.tally.lock().other += 1,
                None => return End::Theirs,
            },
        }
    };
    let mut flow = Flow::new(&member, sending);
    let end = flow.run(&mut member, tx, rx).await;
    let mut tally = member.tally.lock();
    tally.lost += flow.waiting();
    tally.drained -= i64::from(flow.is_drained);
    if end == End::Ours {
        tally.not_sent += flow.not_sent(sending);
    }
    end
}

/// What is under way on a connection.
struct Flow {
    message: Message,
    pacing: Pacing,
    sent: u64,
    answered: u64,
    is_sending: bool,
    /// The queue is full, or was, and what was due meanwhile has not all been sent yet.
    is_behind: bool,
    /// All is sent and answered.
    is_drained: bool,
    stopped_at: Instant,
}

enum Pacing {
    /// With the times at which what waits was sent.
    Closed {
        in_flight: usize,
        sent_at: VecDeque<Instant>,
        end: Instant,
    },
    Open(Schedule),
}

/// What there is to do besides receiving.
#[derive(PartialEq, Eq)]
enum Next {
    /// Until something is answered, or due.
    Wait,
    /// The queue is full.
    Push,
    /// There is more, but others have their turn first.
    Again,
    Closed,
}

impl Flow {
    fn new(member: &Member, Sending { start, end, interval }: Sending) -> Self {
        let pacing = match (interval, member.plan.pace) {
            (Some(interval), _) => Pacing::Open(Schedule::new(start, end, interval, member.rank, member.plan.connections)),
            (None, Pace::Closed { in_flight }) => Pacing::Closed { in_flight: in_flight as usize, sent_at: VecDeque::new(), end },
            (None, _) => Pacing::Closed { in_flight: 1, sent_at: VecDeque::new(), end },
        };
        Self {
            message: member.plan.message.clone(),
            pacing,
            sent: 0,
            answered: 0,
            is_sending: true,
            is_behind: false,
            is_drained: false,
            stopped_at: end,
        }
    }

    async fn run(&mut self, member: &mut Member, tx: &Sender, rx: &mut Receiver) -> End {
        loop {
            let next = if self.is_sending { self.send(tx, &member.tally) } else { Next::Wait };
            if !self.is_sending && self.waiting() == 0 && !self.is_drained {
                self.is_drained = true;
                member.tally.lock().drained += 1; // it closes with the others: closing is work, and some still wait for answers
            }
            tokio::select! {
                biased;
                () = phase::next(&mut member.phases, self.is_sending) => match self.is_sending {
                    true => self.stop(tx, &member.tally),
                    false => return End::Ours,
                },
                first = rx.recv() => match first {
                    Some(first) => if self.receive(first, rx, &member.tally) == End::Theirs {
                        return End::Theirs;
                    },
                    None => return End::Theirs,
                },
                pushed = tx.send(self.message.clone()), if next == Next::Push => if pushed.is_ok() {
                    self.note_sent(Instant::now(), &mut member.tally.lock());
                },
                () = ready(()), if next == Next::Again => {}
                () = member.is_due.notified(), if next == Next::Wait && self.is_sending => {}
            }
        }
    }

    /// Sends all that is due, as far as there is room.
    fn send(&mut self, tx: &Sender, tally: &SharedTally) -> Next {
        let now = Instant::now();
        if !self.is_due(now) {
            self.is_behind = false;
            return Next::Wait;
        }
        let mut tally = tally.lock();
        for _ in 0..BATCH {
            if !self.is_due(now) {
                self.is_behind = false;
                return Next::Wait;
            }
            match tx.try_send(self.message.clone()) {
                Ok(()) => self.note_sent(now, &mut tally),
                Err(TrySendError::Full(_)) => {
                    self.is_behind = true;
                    return Next::Push;
                }
                Err(TrySendError::Closed(_)) => return Next::Closed,
            }
        }
        Next::Again
    }

    fn is_due(&self, now: Instant) -> bool {
        match &self.pacing {
            Pacing::Closed { in_flight, sent_at, end } => sent_at.len() < *in_flight && now < *end,
            Pacing::Open(schedule) => schedule.next(self.sent).is_some_and(|due| due <= now),
        }
    }

    fn note_sent(&mut self, now: Instant, tally: &mut Tally) {
        match &mut self.pacing {
            Pacing::Closed { sent_at, .. } => sent_at.push_back(now),
            Pacing::Open(schedule) if !self.is_behind => tally.lateness.record(now.saturating_duration_since(schedule.due(self.sent))),
            Pacing::Open(_) => {}
        }
        self.sent += 1;
        tally.sent += 1;
        tally.sent_bytes += self.message.len() as u64;
    }

    /// Counts a message that came, and those that have come with it.
    fn receive(&mut self, first: Message, rx: &mut Receiver, tally: &SharedTally) -> End {
        let now = Instant::now();
        let mut tally = tally.lock();
        self.note_answer(&first, now, &mut tally);
        for _ in 1..BATCH {
            match rx.recv().now_or_never() {
                Some(Some(message)) => self.note_answer(&message, now, &mut tally),
                Some(None) => return End::Theirs,
                None => break,
            }
        }
        End::Ours
    }

    fn note_answer(&mut self, message: &Message, now: Instant, tally: &mut Tally) {
        if self.waiting() == 0 || *message != self.message {
            tally.other += 1;
            return;
        }
        let since = match &mut self.pacing {
            Pacing::Closed { sent_at, .. } => sent_at.pop_front().unwrap_or(now),
            Pacing::Open(schedule) => schedule.due(self.answered),
        };
        self.answered += 1;
        tally.received += 1;
        tally.received_bytes += message.len() as u64;
        tally.latency.record(now.saturating_duration_since(since));
    }

    /// No more is sent, but for what was due before now.
    fn stop(&mut self, tx: &Sender, tally: &SharedTally) {
        while self.send(tx, tally) == Next::Again {}
        self.is_sending = false;
        self.stopped_at = Instant::now();
    }

    /// Messages without an answer.
    fn waiting(&self) -> u64 {
        self.sent - self.answered
    }

    /// What was due and was never taken.
    fn not_sent(&self, sending: Sending) -> u64 {
        match &self.pacing {
            Pacing::Closed { .. } => 0,
            Pacing::Open(schedule) => schedule.count_before(self.stopped_at.min(sending.end)).saturating_sub(self.sent),
        }
    }
}
