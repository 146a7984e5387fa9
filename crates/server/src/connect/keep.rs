//! Messages in files. A file that is there is never written over.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use silverback::Message;

/// Saves each binary message that comes as a file of its own.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    next: u32,
}

impl Folder {
    /// Makes the directory, if it is not there.
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        std::fs::create_dir_all(&path).map_err(|error| format!("the directory {} cannot be made: {error}", path.display()))?;
        Ok(Self { path, next: 1 })
    }

    /// Where the message is now.
    pub(super) fn save(&mut self, message: &Message) -> Result<PathBuf, String> {
        loop {
            let path = self.path.join(format!("{:04}.bin", self.next));
            self.next += 1;
            match File::create_new(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => return written(created, &path, message).map(|()| path),
            }
        }
    }
}

/// Saves a message to a new file.
pub(super) fn save(path: &Path, message: &Message) -> Result<(), String> {
    written(File::create_new(path), path, message)
}

/// A file as a binary message, if it has at most so many bytes.
pub(super) fn load(path: &Path, limit: usize) -> Result<Message, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > limit {
        return Err(format!("{} is larger than {limit} bytes: raise --max-message", path.display()));
    }
    Ok(Message::binary(bytes))
}

fn written(created: std::io::Result<File>, path: &Path, message: &Message) -> Result<(), String> {
    created.and_then(|mut file| file.write_all(message.payload())).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{} is there already: name a new file", path.display()),
        _ => format!("{} cannot be written: {error}", path.display()),
    })
}
