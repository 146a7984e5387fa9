//! The client: dials, talks, and dials again if it is to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use silverback::{DialError, Dialer, Message, WebSocket};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::editor::{self, Terminal};
use super::failure::{self, Failure};
use super::ink::Style;
use super::input::{self, Input, Unit};
use super::keep::Folder;
use super::retry::Backoff;
use super::screen::Screen;
use super::session::Session;
use super::stages::Stages;
use super::tap::{Detail, Note, Tap, Wire};
use super::{command, secrets, view};

/// How long the last words may take on a terminal.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What was asked for.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) url: String,
    pub(super) verbose: u8,
    pub(super) ping: Option<Duration>,
    pub(super) reconnects: bool,
    pub(super) max_message: usize,
    pub(super) is_raw: bool,
    pub(super) keeps_history: bool,
    pub(super) unit: Unit,
    /// `None` waits for ever.
    pub(super) wait: Option<Duration>,
    pub(super) count: Option<u64>,
}

/// What outlives a connection.
pub(super) struct Client {
    pub(super) options: Options,
    pub(super) dialer: Dialer,
    pub(super) screen: Screen,
    pub(super) stages: Stages,
    pub(super) is_interactive: bool,
    pub(super) input: mpsc::Receiver<Input>,
    pub(super) is_input_over: bool,
    /// Interrupts.
    pub(super) stop: mpsc::Receiver<()>,
    /// It was closed here, by the person or because all is done.
    pub(super) is_leaving: bool,
    pub(super) folder: Option<Folder>,
    pub(super) last: Option<Message>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Client {
    /// Connects and talks, until it is over.
    pub(super) async fn run(mut self, input: mpsc::Sender<Input>, stop: mpsc::Sender<()>) -> Result<(), Failure> {
        let mut backoff = Backoff::default();
        let mut starting = Some((input, stop));
        let mut terminal = None;
        let ended = loop {
            let pause = match self.dial().await {
                None => break Err(Failure::GivenUp),
                Some(Ok((socket, wire, notes))) => {
                    self.greet(&socket, starting.is_some());
                    if let Some((input, stop)) = starting.take() {
                        terminal = self.start(input, stop).await?;
                    }
                    let report = match Session::run(&mut self, socket, wire, notes).await {
                        Ok(report) => report,
                        Err(failure) => break Err(failure),
                    };
                    let pause = backoff.after_end(&report).filter(|_| self.options.reconnects && !self.is_leaving);
                    match pause {
                        None if !failure::is_good(&report) => break Err(Failure::Ended(report)),
                        None => {
                            if self.is_interactive || self.options.verbose > 0 {
                                self.say(Style::Dim, &failure::farewell(&report));
                            }
                            break Ok(());
                        }
                        Some(pause) => {
                            self.say(Style::Yellow, &failure::farewell(&report));
                            pause
                        }
                    }
                }
                Some(Err(error)) => match backoff.after_refusal(&error).filter(|_| self.options.reconnects) {
                    None => break Err(Failure::Dial(Box::new(error))),
                    Some(pause) => {
                        self.say(Style::Yellow, &Failure::Dial(Box::new(error)).to_string());
                        pause
                    }
                },
            };
            self.say(Style::Dim, &format!("trying again in {}", view::short(pause)));
            if !self.pause(pause).await {
                break Err(Failure::GivenUp);
            }
        };
        // A program that reads our output may take its time; a terminal that does not scroll is not waited for.
        let patience = (self.screen.kind.is_terminal || ended.is_err()).then_some(LAST_WORDS);
        tokio::select! {
            () = self.screen.flush(patience) => {}
            _ = self.stop.recv() => {}
        }
        drop(terminal);
        ended
    }

    /// Shows a line that is no message.
    pub(super) fn say(&self, style: Style, text: &str) {
        let mut ink = self.screen.note_ink();
        ink.put(style, text);
        self.screen.note(ink);
    }

    /// Shows a message: to a person as one reads it, to a program as it came.
    pub(super) fn show(&self, message: &Message) {
        if self.screen.kind.is_terminal {
            return self.screen.message(view::received(self.screen.ink(), message, self.options.is_raw, self.options.verbose > 0));
        }
        if self.options.verbose > 0 {
            self.say(Style::Dim, &format!("‹ {}", view::detail(message)));
        }
        match message.as_text() {
            Some(text) => self.screen.message(format!("{text}\n")),
            None => self.screen.message(message.payload().clone()),
        }
    }

    /// Dials once. `None` if it was interrupted.
    async fn dial(&mut self) -> Option<Result<(WebSocket, Arc<Wire>, mpsc::Receiver<Note>), DialError>> {
        let detail = match self.options.verbose {
            0 => Detail::Pongs,
            1 => Detail::Control,
            _ => Detail::Frames,
        };
        let (wire, mut notes) = Wire::new(detail);
        let tapped = wire.clone();
        let dialed = tokio::select! {
            dialed = self.dialer.connect_over(&self.options.url, |stream| Tap::new(stream, tapped.clone())) => dialed,
            _ = self.stop.recv() => return None,
        };
        let stages = self.stages.take();
        if self.options.verbose > 0 {
            for stage in &stages {
                let mut ink = self.screen.note_ink();
                ink.put(Style::Yellow, "* ").dim(&format!("{:<26}", stage.what)).plain(&stage.took);
                self.screen.note(ink);
            }
            while let Ok(note) = notes.try_recv() {
                self.screen.note(view::passed(self.screen.note_ink(), &note));
            }
        }
        Some(dialed.map(|(socket, _)| (socket, wire, notes)))
    }

    fn greet(&self, socket: &WebSocket, is_first: bool) {
        if !self.is_interactive && self.options.verbose == 0 {
            return;
        }
        let mut ink = self.screen.note_ink();
        ink.put(Style::Bold, "connected").plain(" to ").plain(&secrets::address(&self.options.url));
        if let Some(subprotocol) = socket.subprotocol() {
            ink.plain(&format!(" as {}", secrets::subprotocol(subprotocol)));
        }
        if self.is_interactive && is_first {
            ink.dim("\n/help tells the commands, Ctrl-D ends");
        }
        self.screen.note(ink);
    }

    /// Begins to read what is to be sent.
    async fn start(&self, input: mpsc::Sender<Input>, stop: mpsc::Sender<()>) -> Result<Option<Terminal>, Failure> {
        let failed = |error: std::io::Error| Failure::Input(format!("no thread could be started: {error}"));
        if !self.is_interactive {
            input::start(self.options.unit, self.options.max_message, input).map_err(failed)?;
            return Ok(None);
        }
        let terminal = Terminal::as_it_is();
        self.screen.flush(Some(LAST_WORDS)).await; // the greeting stands above the prompt
        let printer =
            editor::start(self.screen.kind.has_colours, self.options.keeps_history, input, stop, terminal.turn()).map_err(failed)?;
        match printer.await {
            Ok(Ok(printer)) => self.screen.edited(printer),
            Ok(Err(problem)) => return Err(Failure::Input(format!("the terminal cannot be edited on: {problem}"))),
            Err(_) => return Err(Failure::Input("the terminal cannot be edited on".to_owned())),
        }
        Ok(Some(terminal))
    }

    /// Waits before the next try. Whether there is to be one.
    async fn pause(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            tokio::select! {
                () = sleep(left) => return true,
                _ = self.stop.recv() => return false,
                input = self.input.recv(), if self.is_interactive => match input {
                    None | Some(Input::End | Input::Broken(_)) => return false,
                    Some(Input::Typed(line)) => match command::parse(&line) {
                        Ok(command::Command::Quit | command::Command::Close(..)) => return false,
                        Ok(command::Command::Nothing) => {}
                        _ => self.say(Style::Red, "there is no connection now: it was not sent"),
                    },
                    Some(Input::Piped(..)) => {}
                },
            }
        }
    }
}
