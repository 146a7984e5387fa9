//! The line that a person edits, on a thread of its own.

use std::borrow::Cow;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Cmd, ColorMode, CompletionType, Config, Context, Editor, Helper, KeyCode, KeyEvent, Modifiers};
use tokio::sync::{mpsc, oneshot};

use super::command::{self, COMMANDS};
use super::input::Input;
use super::screen::Printer;

const PROMPT: &str = "› ";

/// So many lines are kept.
const HISTORY: usize = 1000;

/// Lines of more bytes than this are not kept.
const LONGEST_KEPT: usize = 16 * 1024;

/// How the terminal was before, which comes back with the end of this value: the thread that edits cannot be stopped in the middle of a line.
pub(super) struct Terminal {
    before: Option<Termios>,
    turn: Arc<Turn>,
}

/// Whose the terminal is.
#[derive(Default)]
pub(super) struct Turn(Mutex<Stage>, Condvar);

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Between,
    Editing,
    Over,
}

impl Turn {
    /// Whether this stage may begin. After the end none does.
    fn begin(&self, stage: Stage) -> bool {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *now != Stage::Over {
            *now = stage;
        }
        self.1.notify_all();
        *now != Stage::Over
    }

    /// Ends it, once a line that has just begun to be edited has set the terminal, which would else come after us.
    fn end(&self, is_set: impl Fn() -> bool) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..100 {
            if *now != Stage::Editing || is_set() {
                break;
            }
            now = self.1.wait_timeout(now, Duration::from_millis(2)).unwrap_or_else(PoisonError::into_inner).0;
        }
        *now = Stage::Over;
    }
}

impl Terminal {
    pub(super) fn as_it_is() -> Self {
        Self { before: tcgetattr(std::io::stdin()).ok(), turn: Arc::default() }
    }

    pub(super) fn turn(&self) -> Arc<Turn> {
        self.turn.clone()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        use std::io::Write as _;
        if let Some(before) = &self.before {
            self.turn.end(|| tcgetattr(std::io::stdin()).is_ok_and(|now| now.local_modes != before.local_modes));
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            let mut out = std::io::stdout();
            let _ = out.write_all(b"\r\x1b[J\x1b[?2004l").and_then(|()| out.flush()); // no prompt stays, and no bracketed paste
        }
    }
}

/// Edits lines until the input is closed or ends. Gives what prints above the line once it is ready.
pub(super) fn start(
    has_colours: bool,
    keeps_history: bool,
    input: mpsc::Sender<Input>,
    stop: mpsc::Sender<()>,
    turn: Arc<Turn>,
) -> std::io::Result<oneshot::Receiver<Result<Printer, String>>> {
    let (ready, printer) = oneshot::channel();
    std::thread::Builder::new().name("editing".to_owned()).spawn(move || match open(has_colours, keeps_history) {
        Ok((mut editor, printer, history)) => {
            let _ = ready.send(Ok(printer));
            edit(&mut editor, history, has_colours, &input, &stop, &turn);
        }
        Err(error) => drop(ready.send(Err(error.to_string()))),
    })?;
    Ok(printer)
}

type Lines = Editor<Line, FileHistory>;

fn open(has_colours: bool, keeps_history: bool) -> Result<(Lines, Printer, Option<PathBuf>), ReadlineError> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .completion_type(CompletionType::List)
        .color_mode(if has_colours { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let mut editor = Lines::with_config(config)?;
    editor.set_helper(Some(Line { files: FilenameCompleter::new() }));
    editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
    let history = keeps_history.then(history_file).flatten();
    if let Some(file) = &history {
        let _ = editor.load_history(file); // the first time there is none
    }
    let printer = editor.create_external_printer()?;
    Ok((editor, Box::new(printer), history))
}

fn edit(
    editor: &mut Lines,
    history: Option<PathBuf>,
    has_colours: bool,
    input: &mpsc::Sender<Input>,
    stop: &mpsc::Sender<()>,
    turn: &Turn,
) {
    let prompt = (PROMPT, if has_colours { format!("\x1b[1;34m{PROMPT}\x1b[0m") } else { PROMPT.to_owned() });
    while turn.begin(Stage::Editing) {
        let read = editor.readline(&prompt);
        turn.begin(Stage::Between);
        let sent = match read {
            Ok(line) => {
                if line.len() <= LONGEST_KEPT {
                    let _ = editor.add_history_entry(line.trim_end_matches('\n'));
                }
                if let Some(file) = &history {
                    let _ = editor.append_history(file);
                }
                input.blocking_send(Input::Typed(line))
            }
            Err(ReadlineError::Interrupted) => {
                let _ = stop.try_send(());
                continue;
            }
            Err(ReadlineError::Eof) => input.blocking_send(Input::End),
            Err(error) => input.blocking_send(Input::Broken(format!("the terminal could not be read: {error}"))),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Where the history is kept, as the XDG Base Directory Specification has it. The directory is made for this user alone.
fn history_file() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    let directory = state.join("silverback");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).ok()?;
    Some(directory.join("connect-history"))
}

/// What is done with a line while it is edited.
struct Line {
    files: FilenameCompleter,
}

impl Helper for Line {}

impl Hinter for Line {
    type Hint = String;
}

impl Validator for Line {
    fn validate(&self, line: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if command::is_unfinished(line.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Highlighter for Line {
    /// A command is seen to be one.
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let end = line.find(char::is_whitespace).unwrap_or(line.len());
        match COMMANDS.iter().any(|(name, ..)| *name == &line[..end]) {
            true => Cow::Owned(format!("\x1b[36m{}\x1b[0m{}", &line[..end], &line[end..])),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_char(&self, line: &str, _: usize, _: rustyline::highlight::CmdKind) -> bool {
        line.starts_with('/')
    }
}

impl Completer for Line {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, context: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = &line[..at];
        if typed.starts_with("/send-file ") || typed.starts_with("/save ") {
            return self.files.complete(line, at, context);
        }
        if !typed.starts_with('/') || typed.contains(char::is_whitespace) {
            return Ok((at, Vec::new()));
        }
        let named = COMMANDS.iter().filter(|(name, ..)| name.starts_with(typed));
        Ok((0, named.map(|(name, ..)| Pair { display: (*name).to_owned(), replacement: format!("{name} ") }).collect()))
    }
}
