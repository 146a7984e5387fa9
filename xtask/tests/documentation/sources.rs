//! The program's sources, as far as they are the program.

use std::path::Path;

/// Looks at each file, without comments, and without its tests, which come last.
pub(crate) fn each_source(directory: &Path, look: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_source(&path, look);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let program = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
            look(&program.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n"));
        }
    }
}
