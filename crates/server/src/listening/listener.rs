//! A listener of either kind.

use std::io;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::remote::Remote;
use super::unix::SocketFile;

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
}
