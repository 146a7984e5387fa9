//! A listener of either kind.

use std::io;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::remote::Remote;
use super::unix::SocketFile;

/// How many connections may wait before a listener, as tokio has it.
pub(super) const BACKLOG: u32 = 1024;

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Goes with it, if it is ours to remove.
        _file: Option<SocketFile>,
    },
}

/// A connection that has just come.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// The next connection.
    ///
    /// Cancel-safe.
    pub(crate) async fn accept(&self) -> io::Result<(Accepted, Remote)> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, remote)| (Accepted::Tcp(stream), Remote::Tcp(remote))),
            Self::Unix { listener, .. } => listener.accept().await.map(|(stream, _)| (Accepted::Unix(stream), Remote::Unix)),
        }
    }

    /// Closes it, and gives those who waited before it; the system would reset them.
    ///
    /// The system itself is asked: tokio knows of those only that were there when it asked last.
    pub(crate) fn close(self) -> Vec<(Accepted, Remote)> {
        let mut waiting = Vec::new();
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else { return waiting };
                while let Some((stream, remote)) = next(|| listener.accept(), &waiting) {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    waiting.extend(stream.map(|stream| (Accepted::Tcp(stream), Remote::Tcp(remote))));
                }
            }
            Self::Unix { listener, .. } => {
                let Ok(listener) = listener.into_std() else { return waiting };
                while let Some((stream, _)) = next(|| listener.accept(), &waiting) {
                    let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
                    waiting.extend(stream.map(|stream| (Accepted::Unix(stream), Remote::Unix)));
                }
            }
        }
        waiting
    }
}

/// However fast they come, it ends.
fn next<A>(accept: impl Fn() -> io::Result<A>, waiting: &[(Accepted, Remote)]) -> Option<A> {
    (waiting.len() < BACKLOG as usize).then(accept)?.ok()
}
