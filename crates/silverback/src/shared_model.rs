//! Every interleaving of the queues' locks, by loom: no wake-up is lost, whoever waits is served or turned away, and nothing is queued twice.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::thread;
use silverback_wire::{Cause, CloseCode, CloseFrame, CloseReport, Connection, Message, Part, Prepared, Role, TransportEnd};

use crate::batch::Content;
use crate::bypass::Socket;
use crate::driver::now;
use crate::flusher::Flusher;
use crate::queue::QueueLimits;
use crate::shared::Shared;

const ONE: QueueLimits = QueueLimits { bytes: 10, messages: 1 };
const MOST: usize = 1000;

/// The interleavings with at most three preemptions, which is where such faults are.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

fn content(text: &str) -> Content {
    Content::Whole(text.into())
}

/// What a socket was given. It takes so many bytes at a time.
#[derive(Debug)]
pub(crate) struct Wire {
    step: usize,
    bytes: Mutex<Vec<u8>>,
}

impl Wire {
    fn new(step: usize) -> Arc<Self> {
        Arc::new(Self { step, bytes: Mutex::default() })
    }

    pub(crate) fn take(&self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.step);
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&bytes[..taken]);
        taken
    }

    fn has_taken(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A driver that moves messages until `is_done`, sleeping in between as the real one does. Ends the connection then.
fn drive(shared: &Arc<Shared>, is_done: impl Fn(&Connection) -> bool) {
    drive_over(shared, &Wire::new(usize::MAX), is_done);
}

/// The same, over this socket, which it lends as the real one does.
fn drive_over(shared: &Arc<Shared>, wire: &Arc<Wire>, is_done: impl Fn(&Connection) -> bool) {
    let mut connection = Connection::new(Role::Server, Arc::default(), now());
    block_on(poll_fn(|cx| {
        let _socket = shared.rise(&mut connection);
        loop {
            shared.pull(&mut connection, MOST, now);
            let is_done = loop {
                if let Some(out) = connection.poll_transmit() {
                    let taken = wire.take(bytes::Buf::chunk(out));
                    bytes::Buf::advance(out, taken);
                }
                let is_done = is_done(&connection); // in front of what others learn
                shared.note_written(connection.written());
                if connection.transmit_len() == 0 {
                    break is_done;
                }
            };
            if is_done {
                return Poll::Ready(());
            }
            let socket = || Some(Socket::Modelled(wire.clone()));
            if shared.park_for_outbox(&connection, MOST, false, socket, cx) {
                return Poll::Pending;
            }
        }
    }));
    connection.abandon("done", now());
    if let Some(report) = connection.report() {
        shared.end(report);
    }
}

fn sent(connection: &Connection) -> u64 {
    connection.traffic().1.messages
}

fn report() -> Option<CloseReport> {
    let mut connection = Connection::new(Role::Server, Arc::default(), now());
    connection.transport_ended(TransportEnd::Finished, now());
    connection.report()
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn two_that_wait_for_room_both_get_it() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        let senders: Vec<_> = ["a", "b"]
            .map(|text| {
                let shared = shared.clone();
                thread::spawn(move || assert!(block_on(shared.push_or_wait(content(text))).is_ok()))
            })
            .into();
        drive(&shared, |connection| sent(connection) == 2);
        senders.into_iter().for_each(|sender| assert!(sender.join().is_ok()));
    });
}

#[test]
fn one_that_gives_up_waiting_leaves_its_turn_to_the_next() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        assert!(shared.push("first".into()).is_ok());
        let gives_up = thread::spawn({
            let shared = shared.clone();
            move || poll_once(shared.push_or_wait(content("never mind"))).is_ready()
        });
        let waits = thread::spawn({
            let shared = shared.clone();
            move || assert!(block_on(shared.push_or_wait(content("last"))).is_ok())
        });
        // The frames of the first and the last message have 7 and 6 bytes; the one in between may have got its turn at once.
        drive(&shared, |connection| matches!(connection.traffic().1.bytes, 13 | 25));
        let _ = gives_up.join();
        assert!(waits.join().is_ok());
    });
}

#[test]
fn a_flush_is_told_when_all_is_written() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        assert!(shared.push("message".into()).is_ok());
        let flushing = flush_and_close(&shared);
        drive(&shared, |connection| !connection.is_open());
        assert!(flushing.join().is_ok());
    });
}

#[test]
fn a_flush_that_is_woken_before_all_is_written_waits_for_the_rest() {
    model(|| {
        let shared = Shared::new(QueueLimits { messages: 2, ..ONE }, ONE);
        assert!(shared.push("a".into()).is_ok());
        // The frames have 3 bytes each: the first is with the kernel in front of the second.
        let flushing = thread::spawn({
            let shared = shared.clone();
            move || {
                assert!(shared.push("b".into()).is_ok());
                assert!(block_on(shared.flush()));
                close(&shared);
            }
        });
        drive_over(&shared, &Wire::new(3), |connection| !connection.is_open());
        assert!(flushing.join().is_ok());
    });
}

#[test]
fn a_message_that_is_given_up_ends_no_flush_of_what_is_being_encoded() {
    model(|| {
        let shared = Shared::new(QueueLimits { messages: 2, ..ONE }, ONE);
        assert!(shared.push("a".into()).is_ok());
        let taken = Arc::new(AtomicU64::new(0));
        let giving_up = thread::spawn({
            let (shared, taken) = (shared.clone(), taken.clone());
            move || {
                let part = Part { piece: Message::text("part"), is_last: false };
                assert!(block_on(shared.push_or_wait(Content::FirstPart(part))).is_ok());
                shared.abandon_message(); // if it is on its way by now, this ends the connection
                assert!(!block_on(shared.flush()) || taken.load(Ordering::Relaxed) >= 3, "the frame of the first has 3 bytes");
                close(&shared);
            }
        });
        drive(&shared, |connection| {
            taken.store(connection.written().taken, Ordering::Relaxed);
            !connection.is_open()
        });
        assert!(giving_up.join().is_ok());
    });
}

#[test]
fn a_message_that_is_queued_while_the_driver_goes_to_sleep_wakes_it() {
    model(|| {
        let shared = Shared::new(QueueLimits { messages: 2, ..ONE }, ONE);
        let pushing = thread::spawn({
            let shared = shared.clone();
            move || ["a", "b"].map(|text| assert!(shared.push(text.into()).is_ok()))
        });
        drive(&shared, |connection| sent(connection) == 2);
        assert!(pushing.join().is_ok());
    });
}

/// Somebody who closes once the flush is over, so that one that is never told is never over.
fn flush_and_close(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = shared.clone();
    thread::spawn(move || {
        assert!(block_on(shared.flush()));
        close(&shared);
    })
}

fn close(shared: &Shared) {
    shared.ask_to_close(CloseFrame::new(CloseCode::NORMAL, ""), "flushed".into());
}

#[test]
fn everybody_who_waits_learns_of_the_end() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        assert!(shared.push("in the way".into()).is_ok());
        let waits = thread::spawn({
            let shared = shared.clone();
            move || {
                assert!(block_on(shared.push_or_wait(content("too late"))).is_err());
                assert_eq!(block_on(shared.ended()).cause, Cause::TransportLost);
                assert!(!block_on(shared.flush()));
            }
        });
        report().map(|report| shared.end(report));
        assert!(waits.join().is_ok());
    });
}

#[test]
fn a_close_is_seen_by_a_driver_that_goes_to_sleep() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        let closing = thread::spawn({
            let shared = shared.clone();
            move || shared.ask_to_close(CloseFrame::new(CloseCode::NORMAL, ""), "closed".into())
        });
        drive(&shared, |connection| !connection.is_open());
        assert!(closing.join().is_ok_and(|is_first| is_first));
    });
}

#[test]
fn parts_go_out_one_after_the_other() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        let writing = thread::spawn({
            let shared = shared.clone();
            move || {
                let part = |is_last| Part { piece: Message::text("part"), is_last };
                assert!(block_on(shared.push_or_wait(Content::FirstPart(part(false)))).is_ok());
                assert!(block_on(shared.push_part(part(true))).is_ok());
            }
        });
        drive(&shared, |connection| sent(connection) == 1);
        assert!(writing.join().is_ok());
    });
}

#[test]
fn a_receiver_and_a_driver_that_waits_for_room_wake_each_other() {
    model(|| {
        let shared = Shared::new(ONE, ONE);
        let receiving = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut received = 0;
                let mut parts = std::collections::VecDeque::new();
                while block_on(poll_fn(|cx| shared.poll_arrivals(cx, &mut parts))) {
                    received += parts.drain(..).count();
                }
                received
            }
        });
        for _ in 0..2 {
            block_on(poll_fn(|cx| if shared.park_for_inbox(cx) { Poll::Pending } else { Poll::Ready(()) }));
            shared.deliver(&mut [Part { piece: Message::text("message"), is_last: true }].into(), None);
        }
        report().map(|report| shared.end(report));
        assert_eq!(receiving.join().ok(), Some(2));
    });
}

/// A connection that others may write past, and who does so.
fn with_bypass(limits: QueueLimits) -> (Arc<Shared>, Arc<Flusher>) {
    let (shared, flusher) = (Shared::new(limits, ONE), Flusher::modelled());
    shared.with_bypass(&flusher);
    (shared, flusher)
}

fn fan_out(shared: &Arc<Shared>, text: &str) {
    assert!(shared.push(Prepared::new(text).into()).is_ok());
}

const CLOSE: &[u8] = b"\x88\x02\x03\xe8";

#[test]
fn a_fan_out_goes_out_once_and_in_order_whoever_writes_it() {
    for step in [2, usize::MAX] {
        model(move || {
            let (shared, flusher) = with_bypass(QueueLimits { messages: 2, ..ONE });
            let sending = thread::spawn({
                let shared = shared.clone();
                move || {
                    fan_out(&shared, "a");
                    flusher.round();
                    assert!(block_on(shared.push_or_wait(Content::Whole(Prepared::new("b").into()))).is_ok());
                    flusher.round();
                    close(&shared);
                }
            });
            let wire = Wire::new(step);
            drive_over(&shared, &wire, |connection| !connection.is_open());
            assert_eq!(wire.has_taken(), [b"\x81\x01a\x81\x01b", CLOSE].concat());
            assert!(sending.join().is_ok());
        });
    }
}

#[test]
fn a_fan_out_and_another_message_do_not_mix() {
    model(|| {
        let (shared, flusher) = with_bypass(QueueLimits { messages: 3, ..ONE });
        let sending = thread::spawn({
            let shared = shared.clone();
            move || {
                fan_out(&shared, "a");
                flusher.round();
                fan_out(&shared, "b");
                flusher.round();
                close(&shared);
            }
        });
        let wire = Wire::new(2);
        let texts = if shared.push("c".into()).is_ok() { "abc" } else { "ab" }; // the close may come first
        drive_over(&shared, &wire, |connection| !connection.is_open());
        assert!(sending.join().is_ok());
        let taken = wire.has_taken();
        assert!(taken.ends_with(CLOSE) && taken.len() == 3 * texts.len() + CLOSE.len(), "{taken:?}");
        for text in texts.bytes() {
            assert!(taken.chunks(3).any(|frame| frame == [0x81, 1, text]), "{taken:?}");
        }
    });
}

#[test]
fn a_flush_is_told_of_what_went_past_the_driver() {
    for step in [2, usize::MAX] {
        model(move || {
            let (shared, flusher) = with_bypass(ONE);
            let flushing = thread::spawn({
                let shared = shared.clone();
                move || {
                    fan_out(&shared, "a");
                    let flushing = flush_and_close(&shared);
                    flusher.round();
                    flushing.join()
                }
            });
            drive_over(&shared, &Wire::new(step), |connection| !connection.is_open());
            assert!(flushing.join().is_ok_and(|flushed| flushed.is_ok()));
        });
    }
}

#[test]
fn a_driver_writes_what_a_flusher_leaves() {
    model(|| {
        let (shared, flusher) = with_bypass(ONE);
        let sending = thread::spawn({
            let shared = shared.clone();
            move || {
                fan_out(&shared, "a");
                flusher.give_up();
            }
        });
        drive(&shared, |connection| sent(connection) == 1);
        assert!(sending.join().is_ok());
    });
}
