use super::*;

/// A directory that goes with this value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("silverback-log-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> Log {
        Log::open_with(&self.0, true, 256).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
        files.sort();
        files
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn events(log: &Log) -> Vec<(String, bool)> {
    let read = |sequence| String::from_utf8(log.read(sequence).unwrap()).unwrap();
    log.entries().map(|(sequence, is_delivered)| (read(sequence), is_delivered)).collect()
}

fn named(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    names.iter().map(|(name, is_delivered)| ((*name).to_owned(), *is_delivered)).collect()
}

#[test]
fn what_was_committed_is_there_again_in_order() {
    let directory = Directory::new("again");
    let mut log = directory.open();
    let [first, second, _third] = ["a", "b", "c"].map(|name| log.append(name.as_bytes()));
    log.deliver(first);
    log.remove(second);
    log.commit(true).unwrap();
    drop(log);
    for _ in 0..3 {
        assert_eq!(events(&directory.open()), named(&[("a", true), ("c", false)]));
    }
}

#[test]
fn what_was_not_committed_is_lost_and_what_was_torn_is_passed_over() {
    let directory = Directory::new("torn");
    let mut log = directory.open();
    log.append(b"a");
    log.commit(true).unwrap();
    log.append(b"b");
    drop(log);
    assert_eq!(events(&directory.open()), named(&[("a", false)]));

    let mut log = directory.open();
    log.append(b"a second one");
    log.commit(true).unwrap();
    drop(log);
    let last = directory.files().pop().unwrap();
    let whole = fs::read(&last).unwrap();
    for cut in 0..whole.len() {
        fs::write(&last, &whole[..cut]).unwrap();
        let mut log = directory.open();
        assert_eq!(events(&log), named(&[("a", false)]), "cut at {cut}");
        let third = log.append(b"a third one");
        log.commit(true).unwrap();
        assert_eq!(events(&log).len(), 2, "and more is added behind it");
        log.remove(third);
        log.commit(true).unwrap();
    }
}

#[test]
fn a_directory_belongs_to_one_at_a_time() {
    let directory = Directory::new("one");
    let log = directory.open();
    assert!(matches!(Log::open(&directory.0, true), Err(SpoolError::InUse(_))));
    drop(log);
    directory.open();
}

#[test]
fn files_go_with_what_was_needed_of_them() {
    let directory = Directory::new("go");
    let mut log = directory.open();
    let mut sequences = Vec::new();
    for _ in 0..40 {
        sequences.push(log.append(&[b'x'; 50]));
        log.commit(true).unwrap();
    }
    assert!(directory.files().len() > 5, "{:?}", directory.files());
    for sequence in sequences {
        log.remove(sequence);
        log.commit(false).unwrap();
    }
    assert!(directory.files().len() <= 2, "{:?}", directory.files());
    assert_eq!(log.held().1, 0);
    drop(log);
    assert_eq!(events(&directory.open()), []);
}

#[test]
fn one_event_that_stays_does_not_keep_all_files_and_keeps_its_place() {
    let directory = Directory::new("stays");
    let mut log = directory.open();
    let first = log.append(b"the one that stays");
    log.deliver(first);
    for _ in 0..200 {
        let sequence = log.append(&[b'x'; 50]);
        log.commit(true).unwrap();
        log.remove(sequence);
        log.commit(false).unwrap();
        assert!(log.held().0 <= 2 * 100 + 4 * 256, "{} bytes", log.held().0);
    }
    log.append(b"later");
    log.commit(true).unwrap();
    drop(log);
    assert_eq!(events(&directory.open()), named(&[("the one that stays", true), ("later", false)]));
}

#[test]
fn numbers_go_on_after_a_restart() {
    let directory = Directory::new("numbers");
    let mut log = directory.open();
    let first = log.append(b"a");
    log.commit(true).unwrap();
    drop(log);
    let mut log = directory.open();
    assert!(log.append(b"b") > first);
}
