//! Unix sockets: files that outlive the process that made them.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Why there is no Unix socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnixError {
    #[error("somebody listens on {} already: stop that process, or choose another path", .0.display())]
    InUse(PathBuf),
    #[error("{} is there and is no socket: take it away, or choose another path", .0.display())]
    NoSocket(PathBuf),
    #[error("the socket {} cannot be made ({source}): does its directory exist, and may this process write there?", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// The file of a socket, which is removed with this value, unless it is another process's by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

/// Listens on this path, in place of a process that has gone and left its socket behind.
///
/// The socket gets its mode before its name, so that nobody connects in between who may not, and takes a stale one's place in one step.
pub(crate) fn listen(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), UnixError> {
    let io = |source| UnixError::Io { path: path.into(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(UnixError::NoSocket(path.into())),
        Ok(_) if UnixStream::connect(path).is_ok() => return Err(UnixError::InUse(path.into())),
        Ok(_) => tracing::info!(path = %path.display(), "a socket that nobody listens on any more is replaced"),
    }
    let draft = path.with_added_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&draft).map_err(io)?;
    let named = fs::set_permissions(&draft, Permissions::from_mode(mode)).and_then(|()| fs::rename(&draft, path));
    let inode = named.and_then(|()| inode(path)).map_err(io)?;
    Ok((listener, SocketFile { path: path.into(), inode }))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|now| now == self.inode) {
            let _ = fs::remove_file(&self.path); // the next process replaces it if it stays
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
