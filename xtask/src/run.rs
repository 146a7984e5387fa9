//! Running other programs: aloud, and with a failure that names the command.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a service's program lives that an ordinary user's `PATH` does not name.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Prints the command, runs it, and lets it print what it likes.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = typed(command);
    println!("$ {line}");
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}")),
        Err(error) => Err(format!("`{line}` did not start: {error}")),
    }
}

/// What the command prints, which is not shown.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let line = typed(command);
    let ran = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(|error| format!("`{line}` did not start: {error}"))?;
    if !ran.status.success() {
        return Err(format!("`{line}` ended with {}", ran.status));
    }
    String::from_utf8(ran.stdout).map_err(|_| format!("`{line}` printed what is no text"))
}

/// Whether the command runs and ends with status 0. It prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The program of this name, on `PATH` or where services live.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SBIN.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// The cargo that runs us, in the workspace's root: elsewhere `cargo test` would mean less.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    let ourselves = Path::new(env!("CARGO_MANIFEST_DIR"));
    ourselves.parent().unwrap_or(ourselves)
}

/// `target/`. Found from our own place, as the tests find it from theirs, so it holds whatever `CARGO_TARGET_DIR` says.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let ourselves = std::env::current_exe().map_err(|error| format!("where am I? {error}"))?;
    ourselves.ancestors().nth(2).map(Path::to_owned).ok_or_else(|| format!("no target above {}", ourselves.display()))
}

/// The names of the Rust files in a directory of the workspace: tests or targets, each of them one file.
pub(crate) fn rust_files(directory: &str) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(root().join(directory)).map_err(|error| format!("{directory}: {error}"))?;
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// The command as one would type it, but for its variables.
pub(crate) fn typed(command: &Command) -> String {
    let program = command.get_program();
    let program = if Path::new(program).ends_with("cargo") { OsStr::new("cargo") } else { program };
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .map(|word| if word.contains([' ', '<']) { format!("'{word}'") } else { word.into_owned() })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_as_one_would_type_it() {
        let failure = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(failure, "`sh -c 'exit 3'` ended with exit status: 3");
    }

    #[test]
    fn a_program_that_is_not_there_is_not_found() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-as-this").is_none());
    }
}
