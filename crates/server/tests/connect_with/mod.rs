//! What `silverback connect` is run with: a pipe, a terminal, a server that does as it is told.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use silverback::{Upgrader, WebSocket};

use crate::client::{DEADLINE, command};

/// What became of a run.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn stdout_text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }
}

/// Runs the binary with this on standard input, to its end. One that does not end is killed.
pub(crate) fn piped(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = command(&[]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    thread::spawn(move || drop(stdin.write_all(&input))); // it may end before it has read all of it
    let (pid, (ended, end)) = (Pid::from_child(&child), mpsc::sync_channel(1));
    thread::spawn(move || ended.send(child.wait_with_output().unwrap()));
    let output = end.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        kill_process(pid, Signal::KILL).unwrap();
        end.recv().unwrap()
    });
    Run { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
}

/// A server that lets everybody in and does with each connection, by its number, what it was told to.
pub(crate) struct Peer {
    address: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Peer {
    pub(crate) fn start<F: Future<Output = ()> + 'static>(script: impl Fn(usize, WebSocket) -> F + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            let serving = local.run_until(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                for number in 0.. {
                    let (stream, _) = listener.accept().await.unwrap();
                    let socket = Upgrader::default().accept(stream).await.unwrap();
                    tokio::task::spawn_local(script(number, socket));
                }
            });
            runtime.block_on(async {
                tokio::select! { () = serving => {}, _ = stopped => {} }
            });
        });
        Self { address, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

/// The binary on a terminal of 80 columns.
pub(crate) struct Terminal {
    child: Child,
    keys: File,
    screen: Arc<(Mutex<String>, Condvar)>,
    before: LocalModes,
}

impl Terminal {
    pub(crate) fn start(arguments: &[&str], home: &str) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, Winsize { ws_row: 30, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let slave = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(slave.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command: Command = command(&[("TERM", "xterm-256color"), ("HOME", home)]);
        let child = command.args(arguments).stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let before = tcgetattr(&master).unwrap().local_modes;
        let keys = File::from(master);
        let screen = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (mut output, shown) = (keys.try_clone().unwrap(), screen.clone());
        thread::spawn(move || {
            let (mut bytes, mut whole) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                whole.extend_from_slice(&bytes[..count]);
                *shown.0.lock().unwrap() = String::from_utf8_lossy(&whole).into_owned();
                shown.1.notify_all();
            }
        });
        Self { child, keys, screen, before }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// All that was written to it.
    pub(crate) fn seen(&self) -> String {
        self.screen.0.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, part: &str) {
        let seen = self.screen.0.lock().unwrap();
        let (seen, _) = self.screen.1.wait_timeout_while(seen, DEADLINE, |seen| !seen.contains(part)).unwrap();
        assert!(seen.contains(part), "{part:?} is not in {seen:?}");
    }

    /// The exit status, once it has ended.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let (pid, (ended, end)) = (Pid::from_child(&self.child), mpsc::sync_channel::<()>(1));
        let watch = thread::spawn(move || {
            if end.recv_timeout(DEADLINE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        let status = self.child.wait().unwrap();
        drop(ended);
        watch.join().unwrap();
        status.code()
    }

    /// Whether what is typed is echoed and edited by the kernel again.
    pub(crate) fn is_as_before(&self) -> bool {
        tcgetattr(&self.keys).unwrap().local_modes == self.before
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
