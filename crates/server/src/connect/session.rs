//! One connection, from the handshake to its report.

use std::future::ready;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use silverback::wire::frame::Opcode;
use silverback::{CloseCode, CloseReport, Message, Receiver, Sender, WebSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::client::Client;
use super::command::{self, COMMANDS, Command};
use super::failure::Failure;
use super::frames::Passed;
use super::ink::Style;
use super::input::Input;
use super::pings::Pings;
use super::tap::{Direction, Note, Wire};
use super::{keep, view};

/// So many notes are told of in a row before others have their turn: a server can make more of them than can be told of.
const NOTES_IN_A_ROW: u32 = 32;

/// What is being sent, and waits until there is room for it.
type Sending = Pin<Box<dyn Future<Output = ()>>>;

pub(super) struct Session<'a> {
    client: &'a mut Client,
    tx: Sender,
    wire: Arc<Wire>,
    pings: Pings,
    sending: Option<Sending>,
    /// When nothing more is waited for, once the input is over.
    quiet_at: Option<Instant>,
    is_closing: bool,
    noted_in_a_row: u32,
    /// What ends the command after this connection.
    failure: Option<Failure>,
}

impl<'a> Session<'a> {
    /// Talks until the connection has ended.
    pub(super) async fn run(
        client: &'a mut Client,
        socket: WebSocket,
        wire: Arc<Wire>,
        mut notes: mpsc::Receiver<Note>,
    ) -> Result<Arc<CloseReport>, Failure> {
        let (tx, mut rx, drive) = socket.split();
        let _drive = AbortOnDropHandle::new(tokio::spawn(drive));
        let mut ticks = client.options.ping.map(ticks);
        let mut session = Self {
            client,
            tx,
            wire,
            pings: Pings::default(),
            sending: None,
            quiet_at: None,
            is_closing: false,
            noted_in_a_row: 0,
            failure: None,
        };
        session.wait_for_quiet();
        while session.step(&mut rx, &mut notes, ticks.as_mut()).await? {}
        let report = session.tx.closed().await;
        while let Ok(note) = notes.try_recv() {
            session.noted(&note);
        }
        match session.failure {
            Some(failure) => Err(failure),
            None => Ok(report),
        }
    }

    /// Waits for the next thing and does what is to be done about it. Whether the connection goes on.
    async fn step(&mut self, rx: &mut Receiver, notes: &mut mpsc::Receiver<Note>, ticks: Option<&mut Interval>) -> Result<bool, Failure> {
        let screen = self.client.screen.clone();
        let has_room = screen.has_room(); // while there is none, what has come waits, and so do we for more
        let is_notes_turn = self.noted_in_a_row < NOTES_IN_A_ROW;
        self.noted_in_a_row = if is_notes_turn { self.noted_in_a_row } else { 0 };
        let takes_input = !self.is_closing && self.sending.is_none() && !self.client.is_input_over;
        let (quiet_at, is_waiting) = (self.quiet_at.unwrap_or_else(Instant::now), has_room && self.quiet_at.is_some() && !self.is_closing);
        tokio::select! {
            biased;
            _ = self.client.stop.recv() => {
                if self.is_closing {
                    return Err(Failure::Stopped);
                }
                self.close(CloseCode::NORMAL, String::new());
            }
            () = screen.gone(), if !self.is_closing => self.close(CloseCode::NORMAL, String::new()),
            Some(note) = notes.recv(), if is_notes_turn => {
                self.noted_in_a_row += 1;
                self.noted(&note);
            }
            () = screen.room(), if !has_room => self.wait_for_quiet(),
            message = rx.recv(), if has_room => match message {
                Some(message) => self.received(message),
                None => return Ok(false),
            },
            () = sent(&mut self.sending) => {
                self.sending = None;
                self.wait_for_quiet();
            }
            input = self.client.input.recv(), if takes_input => self.act(input.unwrap_or(Input::End)),
            _ = tick(ticks), if !self.is_closing => self.ping_again(),
            () = sleep_until(quiet_at), if is_waiting => self.close(CloseCode::NORMAL, String::new()),
            () = ready(()), if !is_notes_turn => {}
        }
        Ok(true)
    }

    fn received(&mut self, message: Message) {
        if self.has_enough() {
            return;
        }
        self.client.received += 1;
        let saved = self.client.folder.as_mut().filter(|_| message.as_text().is_none()).map(|folder| folder.save(&message));
        match saved {
            None => self.client.show(&message),
            Some(Ok(path)) => self.tell_saved(&message, &path),
            Some(Err(problem)) => self.fail(problem),
        }
        self.client.last = Some(message);
        if self.has_enough() {
            self.close(CloseCode::NORMAL, String::new());
        }
        self.wait_for_quiet();
    }

    fn has_enough(&self) -> bool {
        self.client.options.count.is_some_and(|count| self.client.received >= count)
    }

    fn tell_saved(&self, message: &Message, path: &Path) {
        self.client.say(Style::Dim, &format!("saved {} as {}", view::size(message.len() as u64), path.display()));
    }

    /// Saves the message that came last.
    fn save(&self, path: &Path) -> Result<(), String> {
        let message = self.client.last.as_ref().ok_or("no message has come yet")?;
        keep::save(path, message)?;
        self.tell_saved(message, path);
        Ok(())
    }

    fn act(&mut self, input: Input) {
        match input {
            Input::Typed(line) => {
                if let Err(problem) = command::parse(&line).and_then(|command| self.obey(command)) {
                    self.client.say(Style::Red, &problem);
                }
            }
            Input::Piped(message, share) => {
                self.send(message);
                drop(share); // from here on, it is the queue that is bounded
            }
            Input::End if self.client.is_interactive => self.close(CloseCode::NORMAL, String::new()),
            Input::End => {
                self.client.is_input_over = true;
                let tx = self.tx.clone();
                self.sending = Some(Box::pin(async move {
                    tx.flush().await;
                }));
            }
            Input::Broken(problem) => self.fail(problem),
        }
    }

    fn obey(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Nothing => {}
            Command::Send(message) => self.send(message),
            Command::SendFile(path) => self.send(keep::load(&path, self.client.options.max_message)?),
            Command::Save(path) => self.save(&path)?,
            Command::Ping(text) if self.pings.send(&self.wire, &text) => {}
            Command::Ping(_) => return Err("too many pings wait to be sent".to_owned()),
            Command::Close(code, reason) => self.close(code, reason),
            Command::Status => self.tell_status(),
            Command::Help => self.help(),
            Command::Quit => self.close(CloseCode::NORMAL, String::new()),
        }
        Ok(())
    }

    fn send(&mut self, message: Message) {
        if self.client.options.verbose > 0 {
            self.client.screen.note(view::sent(self.client.screen.note_ink(), &message));
        } else if self.client.is_interactive && message.as_text().is_none() {
            self.client.say(Style::Dim, &format!("sent {}, binary", view::size(message.len() as u64)));
        }
        self.client.sent += 1;
        let tx = self.tx.clone();
        self.sending = Some(Box::pin(async move {
            let _ = tx.send(message).await; // what is lost is in the report
        }));
    }

    fn close(&mut self, code: CloseCode, reason: String) {
        self.is_closing = true;
        self.client.is_leaving = true;
        self.tx.begin_close(code, reason);
    }

    /// Ends with a failure of this end.
    fn fail(&mut self, problem: String) {
        self.failure = Some(Failure::Input(problem));
        self.close(CloseCode::GOING_AWAY, String::new());
    }

    /// The connection ends when nothing has come for a while, once there is nothing more to send.
    fn wait_for_quiet(&mut self) {
        if self.client.is_input_over && self.sending.is_none() {
            self.quiet_at = self.client.options.wait.and_then(|wait| Instant::now().checked_add(wait));
        }
    }

    fn ping_again(&mut self) {
        if let Some(waited) = self.pings.oldest() {
            self.client.say(Style::Yellow, &format!("no pong yet to a ping of {} ago", view::short(waited)));
        }
        self.pings.send(&self.wire, "");
    }

    fn noted(&mut self, note: &Note) {
        let untold = self.wire.untold();
        if untold > 0 && self.client.options.verbose > 0 {
            self.client.say(Style::Dim, &format!("… {untold} frames were left out: they came faster than they could be shown"));
        }
        if self.client.options.verbose > 0 {
            self.client.screen.note(view::passed(self.client.screen.note_ink(), note));
        }
        if let (Direction::In, Passed::Frame { header, payload }) = (note.direction, &note.passed)
            && header.opcode == Opcode::Pong
            && let Some(time) = self.pings.answered(payload, note.at)
        {
            self.client.say(Style::Dim, &format!("pong in {}", view::short(time)));
        }
    }

    fn tell_status(&self) {
        let Client { sent, received, .. } = &*self.client;
        let queue = self.tx.queue();
        let waiting = if queue.messages > 0 { format!(", {} messages wait to be sent", queue.messages) } else { String::new() };
        let round_trip = self.tx.round_trip().map_or_else(String::new, |time| format!(", a heartbeat took {}", view::short(time)));
        self.client.say(Style::Dim, &format!("{sent} messages sent, {received} received{waiting}{round_trip}"));
    }

    fn help(&self) {
        let mut ink = self.client.screen.note_ink();
        for (name, takes, does) in COMMANDS {
            ink.put(Style::Cyan, &format!("{name:<11}")).plain(&format!("{takes:<17}")).dim(does).plain("\n");
        }
        ink.dim("anything else is sent as a text; //… sends a text that begins with a slash\n");
        ink.dim("Alt+Enter, a \\ at the end or an open bracket of JSON go on in the next line");
        self.client.screen.note(ink);
    }
}

fn ticks(period: Duration) -> Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn tick(ticks: Option<&mut Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}

async fn sent(sending: &mut Option<Sending>) {
    match sending {
        Some(sending) => sending.await,
        None => std::future::pending().await,
    }
}
