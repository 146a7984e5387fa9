//! How much memory the process uses, and how much it may: new clients are refused before the system ends the process and with it every client.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether there is room for more clients.
#[derive(Default)]
pub(super) struct Memory {
    is_full: AtomicBool,
}

impl Memory {
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Looks how much is used. `configured` is the bound in bytes, 0 for none; without one it is nine tenths of what there is.
    pub(super) fn watch(&self, configured: Option<u64>) {
        match configured.or_else(|| available().map(|bytes| bytes / 10 * 9)) {
            None | Some(0) => self.look(0, 1),
            Some(bound) => self.look(used().unwrap_or_default(), bound),
        }
    }

    /// Once full, a twentieth must be free again, so that it does not go to and fro.
    fn look(&self, used: u64, bound: u64) {
        let was_full = self.is_full();
        let is_full = used > if was_full { bound / 20 * 19 } else { bound };
        self.is_full.store(is_full, Ordering::Relaxed);
        match (was_full, is_full) {
            (false, true) => tracing::warn!(used, bound, "memory is full: new clients are refused (limits.memory)"),
            (true, false) => tracing::info!(used, bound, "there is memory for new clients again"),
            _ => {}
        }
    }
}

/// What the process has in memory.
pub(crate) fn used() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// What the machine has or, if that is less, what the process's control group and those around it may use (cgroup v2).
fn available() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok();
    let group = groups.as_deref().and_then(own_group).and_then(|group| group_limit(Path::new("/sys/fs/cgroup"), &group));
    machine.into_iter().chain(group).min()
}

/// The group of version 2, which has the number 0.
fn own_group(groups: &str) -> Option<PathBuf> {
    groups.lines().find_map(|line| line.strip_prefix("0::/")).map(PathBuf::from)
}

/// The least of what a group and those around it may use.
fn group_limit(root: &Path, group: &Path) -> Option<u64> {
    let limits = group.ancestors().map(|group| std::fs::read_to_string(root.join(group).join("memory.max")));
    limits.filter_map(|limit| limit.ok()?.trim().parse().ok()).min() // "max" is no number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_full_above_its_bound_until_a_twentieth_is_free() {
        let memory = Memory::default();
        for (used, is_full) in [(999, false), (1000, false), (1001, true), (951, true), (950, false), (951, false), (1000, false)] {
            memory.look(used, 1000);
            assert_eq!(memory.is_full(), is_full, "{used}");
        }
    }

    #[test]
    fn a_group_has_the_least_of_what_those_around_it_have() {
        let root = std::env::temp_dir().join(format!("silverback-cgroup-{}", std::process::id()));
        let group = own_group("12:cpu:/x\n0::/pods/one\n").unwrap();
        std::fs::create_dir_all(root.join(&group)).unwrap();
        let limit = |group_says: &str, pods_say: &str| {
            std::fs::write(root.join(&group).join("memory.max"), group_says).unwrap();
            std::fs::write(root.join("pods/memory.max"), pods_say).unwrap();
            group_limit(&root, &group)
        };
        assert_eq!(limit("max\n", "max\n"), None);
        assert_eq!(limit("1000\n", "max\n"), Some(1000));
        assert_eq!(limit("1000\n", "900\n"), Some(900));
        assert_eq!(limit("max\n", "900\n"), Some(900));
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(own_group("12:cpu:/x\n"), None);
    }

    #[test]
    fn this_process_uses_memory_and_there_is_some() {
        assert!(used().is_some_and(|used| used > 100 * 1024) && available() > used());
    }
}
