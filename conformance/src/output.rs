//! What a program printed: its last lines, and a way to wait for one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// More than a person reads in a failure; less than a noisy server fills in an hour.
const LINES_KEPT: usize = 200;

/// The last lines of a program's output. A thread of its own reads each stream, so the program never blocks on us.
#[derive(Clone, Default)]
pub(crate) struct Output {
    shared: Arc<(Mutex<Lines>, Condvar)>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<String>,
    streams_open: usize,
    count: usize,
}

impl Output {
    /// Reads this stream to its end, in the background.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) {
        self.lines().streams_open += 1;
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(|line| line.ok()) {
                output.push(String::from_utf8_lossy(&line).into_owned());
            }
            output.lines().streams_open -= 1;
            output.shared.1.notify_all();
        });
    }

    /// Waits until a line satisfies `pick`. `None` when the deadline passes or the program ends its output first.
    pub(crate) fn wait_for<T>(&self, within: Duration, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + within;
        let mut lines = self.lines();
        loop {
            if let Some(found) = lines.kept.iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.streams_open == 0 {
                return None;
            }
            lines = self.shared.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What `pick` makes of the last of the lines that satisfy it.
    pub(crate) fn last<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.lines().kept.iter().rev().find_map(|line| pick(line))
    }

    /// How many lines there were.
    pub(crate) fn count(&self) -> usize {
        self.lines().count
    }

    fn push(&self, line: String) {
        let mut lines = self.lines();
        if lines.kept.len() == LINES_KEPT {
            lines.kept.pop_front();
        }
        lines.kept.push_back(line);
        lines.count += 1;
        self.shared.1.notify_all();
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().kept.iter().try_for_each(|line| writeln!(f, "    | {line}"))
    }
}
