//! The binary as a process: what it prints, and how it ends.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{Answer, Client, DEADLINE, KEY, Request, WebSocket, token};

/// A running `silverback serve`, which ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    joined: Cell<usize>,
    stdout: Arc<Output>,
    stderr: Arc<Output>,
}

impl Server {
    /// Starts it on a free port of loopback, with a log that keeps nothing back, and a drain that closes all at once.
    pub(crate) fn start(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let at_once = [("SILVERBACK_LOG", "trace"), ("SILVERBACK_DRAIN_OVER", "0s")];
        Self::start_as_configured(&[&at_once[..], environment].concat(), arguments)
    }

    /// Starts it on a free port of loopback, with nothing but what is configured.
    pub(crate) fn start_as_configured(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::spawn(command(environment).args(["serve", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Starts what becomes a server.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Output::collect(child.stdout.take().unwrap());
        let stderr = Output::collect(child.stderr.take().unwrap());
        let first = stdout.wait_for("\n");
        let first = first.lines().next().and_then(|line| line.strip_prefix("listening on ")).unwrap_or_else(|| unreachable!("{first}"));
        let (_, address) = first.split_once("://").unwrap_or_else(|| unreachable!("{first}"));
        Self { address: address.parse().unwrap(), child, joined: Cell::new(0), stdout, stderr }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: Request) -> Answer {
        self.connect().ask(request)
    }

    /// One request with the API's key.
    pub(crate) fn api(&self, method: &str, target: &str) -> Request {
        Request::new(method, target).header("Authorization", &format!("Bearer {KEY}"))
    }

    /// A session of this user.
    pub(crate) fn join(&self, user: &str) -> WebSocket {
        self.upgrade(Request::handshake("/ws").header("Authorization", &format!("Bearer {}", token(user))))
    }

    /// A session by this handshake, once the server knows of it.
    #[track_caller]
    pub(crate) fn upgrade(&self, request: Request) -> WebSocket {
        let socket = self.connect().upgrade(request).1;
        self.joined.set(self.joined.get() + 1);
        let is_known = self.stderr.try_wait(|state| state.text.matches(" connected session=").count() >= self.joined.get());
        assert!(is_known, "{}", self.log_so_far());
        socket
    }

    /// The server is as it should be: it answers, and lets a good client in.
    pub(crate) fn serves_on(&self) {
        assert_eq!(self.ask(Request::new("GET", "/health/live")).status, 200);
        let mut socket = self.join("the-next-one");
        socket.close(1000, "done");
        assert_eq!(socket.closed().0, 1000);
    }

    /// Waits until all sessions but `staying` have left.
    #[track_caller]
    pub(crate) fn wait_for_ends(&self, staying: usize) {
        let ended = self.joined.get() - staying;
        let have_left = self.stderr.try_wait(|state| state.text.matches(" ended session=").count() >= ended);
        assert!(have_left, "{}", self.log_so_far());
    }

    pub(crate) fn log_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits until the log has this in it.
    pub(crate) fn log_with(&self, part: &str) -> String {
        self.stderr.wait_for(part)
    }

    pub(crate) fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stdout_with(&self, part: &str) -> String {
        self.stdout.wait_for(part)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: how it came, and all that was printed on standard output and on standard error.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String, String) {
        let (stdout, stderr) = (self.stdout.wait_for_end(), self.stderr.wait_for_end());
        (self.child.wait().unwrap(), stdout, stderr)
    }

    /// Stops it, and gives all that it has ever printed.
    pub(crate) fn stopped(mut self) -> (String, String) {
        self.ask(Request::new("GET", "/health/live")); // it hears signals once it serves
        self.signal(Signal::TERM);
        let (_, stdout, stderr) = self.ended();
        (stdout, stderr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What became of a command that ends by itself.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) is_good: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end; one that does not end is killed.
pub(crate) fn run(environment: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut child = command(environment).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stdout = Output::collect(child.stdout.take().unwrap());
    let stderr = Output::collect(child.stderr.take().unwrap());
    let ended = stdout.try_wait(|state| state.is_over) && stderr.try_wait(|state| state.is_over);
    if !ended {
        child.kill().unwrap();
    }
    let is_good = child.wait().unwrap().success();
    assert!(ended, "{arguments:?} went on: {} {}", stdout.text(), stderr.text());
    Run { is_good, stdout: stdout.text(), stderr: stderr.text() }
}

/// The binary with nothing but this in its environment.
pub(crate) fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    command.env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
    command
}

/// Everything that came out of a pipe so far.
#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: String,
    is_over: bool,
}

impl Output {
    fn collect(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let output = Arc::new(Self::default());
        let collected = output.clone();
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                collected.state.lock().unwrap().text.push_str(&String::from_utf8_lossy(&line));
                collected.changed.notify_all();
                line.clear();
            }
            collected.state.lock().unwrap().is_over = true;
            collected.changed.notify_all();
        });
        output
    }

    fn text(&self) -> String {
        self.state.lock().unwrap().text.clone()
    }

    fn try_wait(&self, is_enough: impl Fn(&State) -> bool) -> bool {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, DEADLINE, |state| !is_enough(state) && !state.is_over).unwrap();
        is_enough(&state)
    }

    fn wait_for(&self, part: &str) -> String {
        assert!(self.try_wait(|state| state.text.contains(part)), "{part:?} is not in {}", self.text());
        self.text()
    }

    fn wait_for_end(&self) -> String {
        assert!(self.try_wait(|state| state.is_over), "it goes on: {}", self.text());
        self.text()
    }
}
