//! How much memory the control group of this process may still take (Linux, cgroup v2).

use std::path::Path;

/// Bytes left below the limit of this process's group and of each group around it; `None` without a
/// limit.
pub(crate) fn free_memory() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    free_below(Path::new("/sys/fs/cgroup"), group)
}

fn free_below(root: &Path, group: &str) -> Option<u64> {
    let group = root.join(group.trim_start_matches('/'));
    let around = group.ancestors().take_while(|path| path.starts_with(root));
    around.filter_map(free_of).min()
}

fn free_of(group: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let taken: u64 = read("memory.current")?.trim().parse().ok()?;
    // Pages of files that nobody has touched lately are dropped before anything fails.
    let statistics = read("memory.stat").unwrap_or_default();
    let mut droppable = statistics
        .lines()
        .filter_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    let taken = taken.saturating_sub(droppable.next().unwrap_or(0));
    Some(most.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_group_counts() {
        let root = tempfile::tempdir().expect("a directory");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("makes");
            std::fs::write(path, text).expect("writes");
        };
        assert_eq!(free_below(root.path(), "/a/b"), None);
        put("a/b/memory.max", "max\n");
        put("a/b/memory.current", "10\n");
        assert_eq!(free_below(root.path(), "/a/b"), None);
        put("a/memory.max", "1000\n");
        put("a/memory.current", "400\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(600));
        put("a/memory.stat", "anon 100\ninactive_file 300\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(900));
        put("a/b/memory.max", "50\n");
        assert_eq!(free_below(root.path(), "/a/b"), Some(40));
        assert_eq!(free_below(root.path(), "/"), None);
    }
}
