//! Old or new, never torn: the only code that writes into a release.
//!
//! A file is written under a temporary name in its own directory, synced, renamed, and the directory is synced. A
//! directory is staged likewise, whole. Whatever the process was doing when it was killed, a reader finds the old state
//! or the new one, beside at most some temporary entries, which [`sweep_stale`] removes.
//!
//! A failed sync is an error and is never retried: after it the kernel may have dropped the dirty pages.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// What every temporary name starts with.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A name beside `path` that nothing else uses: process and counter make it unique, the lock makes it ours.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .unwrap_or(OsStr::new("file"))
        .to_string_lossy();
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(
        "{TEMPORARY_PREFIX}{}-{n}-{name}",
        std::process::id()
    ))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Syncs a directory, so that the names in it survive a power loss.
fn sync_directory(path: &Path) -> Result<()> {
    // Windows has no such operation; its rename is journalled.
    if cfg!(unix) {
        let directory = File::open(path).map_err(|e| Error::io("sync", path, 0, e))?;
        directory
            .sync_all()
            .map_err(|e| Error::io("sync", path, 0, e))?;
    }
    Ok(())
}

/// Replaces `path` by a file with these bytes; missing parent directories are made.
///
/// On error nothing has changed and no temporary file is left.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_file_with(path, bytes.len() as u64, |file| file.write_all(bytes))
}

/// [`write_file`] at `relative` (with `/`) below `root`, which may be somebody else's release: no
/// directory on the way may be a link, or the file could land anywhere.
pub fn write_inside(root: &Path, relative: &str, bytes: &[u8]) -> Result<()> {
    let mut path = root.to_owned();
    for component in relative.split('/') {
        if path.symlink_metadata().is_ok_and(|m| m.is_symlink()) && path != root {
            return Err(Error::NotAPlainFile {
                path,
                kind: "a link",
            });
        }
        path.push(component);
    }
    write_file(&path, bytes)
}

/// Replaces `path` by a file that `write` fills. `needed` is the size to name when the disk is full.
pub fn write_file_with(
    path: &Path,
    needed: u64,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<()> {
    write_file_try(path, needed, |file, temporary| {
        write(file).map_err(|e| Error::io("write", temporary, needed, e))
    })
}

/// Like [`write_file_with`], for writers with errors of their own.
pub(crate) fn write_file_try(
    path: &Path,
    needed: u64,
    write: impl FnOnce(&mut File, &Path) -> Result<()>,
) -> Result<()> {
    let directory = parent(path);
    fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, needed, e))?;
    let temporary = temporary_beside(path);
    let result = (|| {
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|e| Error::io("create", path, needed, e))?;
        write(&mut file, path)?;
        file.sync_all()
            .map_err(|e| Error::io("sync", path, needed, e))?;
        drop(file);
        fs::rename(&temporary, path).map_err(|e| Error::io("rename", path, needed, e))?;
        sync_directory(directory)
    })();
    if result.is_err() {
        // The first error is the one to report; a temporary file that stays is swept at the next start.
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// A directory that appears whole or not at all.
#[derive(Debug)]
pub struct StagedDir {
    staged: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl StagedDir {
    /// Starts an empty directory beside `target`, which need not exist.
    pub fn begin(target: &Path) -> Result<Self> {
        let directory = parent(target);
        fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, 0, e))?;
        let staged = temporary_beside(target);
        fs::create_dir(&staged).map_err(|e| Error::io("create", &staged, 0, e))?;
        Ok(Self {
            staged,
            target: target.into(),
            committed: false,
        })
    }

    /// Where to write until [`StagedDir::commit`].
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.staged
    }

    /// Syncs every file and directory, then puts the directory in its place, replacing what was there.
    pub fn commit(mut self) -> Result<()> {
        sync_tree(&self.staged)?;
        match fs::symlink_metadata(&self.target) {
            Ok(_) => {
                exchange(&self.staged, &self.target)?;
                self.committed = true;
                sync_directory(parent(&self.target))?;
                // What is under the temporary name now is the old directory.
                remove(&self.staged)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                fs::rename(&self.staged, &self.target)
                    .map_err(|e| Error::io("rename", &self.target, 0, e))?;
                self.committed = true;
                sync_directory(parent(&self.target))
            }
            Err(e) => Err(Error::io("open", &self.target, 0, e)),
        }
    }
}

impl Drop for StagedDir {
    fn drop(&mut self) {
        if !self.committed {
            // Dropped on the way out of an error: that error is reported, this one would hide it.
            let _ = fs::remove_dir_all(&self.staged);
        }
    }
}

/// Swaps two directories in one step where the system can, else in two renames.
fn exchange(staged: &Path, target: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    // Between the two renames a reader finds neither; the old one is still whole under its temporary name.
    let old = temporary_beside(target);
    fs::rename(target, &old).map_err(|e| Error::io("rename", target, 0, e))?;
    if let Err(e) = fs::rename(staged, target) {
        let _ = fs::rename(&old, target);
        return Err(Error::io("rename", target, 0, e));
    }
    fs::rename(&old, staged).map_err(|e| Error::io("rename", &old, 0, e))
}

fn sync_tree(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|e| Error::io("list", directory, 0, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", directory, 0, e))?;
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(|e| Error::io("open", &path, 0, e))?;
        if kind.is_dir() {
            sync_tree(&path)?;
        } else if kind.is_file() {
            // Opened for writing because some systems refuse to sync what is open for reading only.
            let file = File::options()
                .write(true)
                .open(&path)
                .map_err(|e| Error::io("sync", &path, 0, e))?;
            file.sync_all()
                .map_err(|e| Error::io("sync", &path, 0, e))?;
        }
    }
    sync_directory(directory)
}

fn remove(path: &Path) -> Result<()> {
    let metadata = fs::symlink_metadata(path).map_err(|e| Error::io("remove", path, 0, e))?;
    let result = if metadata.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    result.map_err(|e| Error::io("remove", path, 0, e))
}

/// Removes a directory that a reader may be looking at: it is gone at once, whole.
///
/// It is renamed to a temporary name first, so that a kill in the middle leaves nothing half there.
pub fn remove_dir(path: &Path) -> Result<()> {
    let temporary = temporary_beside(path);
    fs::rename(path, &temporary).map_err(|e| Error::io("remove", path, 0, e))?;
    sync_directory(parent(path))?;
    remove(&temporary)
}

/// Removes what interrupted writes left in `directory` and below; returns how many entries that was.
///
/// Call it under the run's lock ([`crate::lock::RunLock`]): it takes every temporary name for an abandoned one.
pub fn sweep_stale(directory: &Path) -> Result<usize> {
    let mut swept = 0;
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(Error::io("list", directory, 0, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", directory, 0, e))?;
        let path = entry.path();
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX)
        {
            remove(&path)?;
            swept += 1;
        } else if entry
            .file_type()
            .map_err(|e| Error::io("open", &path, 0, e))?
            .is_dir()
        {
            swept += sweep_stale(&path)?;
        }
    }
    Ok(swept)
}

/// Bytes that this user can still write to the disk that holds `directory`.
pub fn free_bytes(directory: &Path) -> Result<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(directory)
            .map_err(|e| Error::io("measure", directory, 0, e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        // Not known without a system call of its own: the write itself will tell.
        let _ = directory;
        Ok(u64::MAX)
    }
}

/// Fails with [`Error::DiskFull`] unless the disk that holds `directory` has room for `needed` bytes.
pub fn expect_free(directory: &Path, needed: u64) -> Result<()> {
    if free_bytes(directory)? < needed {
        return Err(Error::DiskFull {
            path: directory.into(),
            needed,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["b.json"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        write_file(&path, b"old").unwrap();
        let error = write_file_with(&path, 9, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(
            matches!(error, Error::DiskFull { needed: 9, .. }),
            "{error}"
        );
        assert!(error.hint().is_some());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["f"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_own_disk_full_is_recognised() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let error = full.write_all(b"x").unwrap_err();
        assert!(matches!(
            Error::io("write", Path::new("/dev/full"), 1, error),
            Error::DiskFull { .. }
        ));
    }

    #[test]
    fn a_directory_appears_whole_and_replaces() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("d");
        for (n, name) in ["one", "two"].iter().enumerate() {
            let staged = StagedDir::begin(&target).unwrap();
            fs::create_dir(staged.path().join("sub")).unwrap();
            fs::write(staged.path().join("sub").join(name), b"x").unwrap();
            assert_eq!(target.exists(), n > 0);
            staged.commit().unwrap();
            assert_eq!(names(&target.join("sub")), [*name]);
        }
        assert_eq!(names(dir.path()), ["d"]);
    }

    #[test]
    fn a_dropped_stage_is_gone_and_an_abandoned_one_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        drop(StagedDir::begin(&dir.path().join("d")).unwrap());
        assert!(names(dir.path()).is_empty());
        let abandoned = StagedDir::begin(&dir.path().join("sub/d")).unwrap();
        fs::write(abandoned.path().join("x"), b"x").unwrap();
        std::mem::forget(abandoned);
        fs::write(dir.path().join(".tmp-1-0-f"), b"x").unwrap();
        fs::write(dir.path().join("kept"), b"x").unwrap();
        assert_eq!(sweep_stale(dir.path()).unwrap(), 2);
        assert_eq!(names(dir.path()), ["kept", "sub"]);
        assert_eq!(sweep_stale(&dir.path().join("absent")).unwrap(), 0);
        remove_dir(&dir.path().join("sub")).unwrap();
        assert_eq!(names(dir.path()), ["kept"]);
        assert!(remove_dir(&dir.path().join("sub")).is_err());
    }

    #[test]
    fn too_much_is_refused_before_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(dir.path()).unwrap() > 0);
        assert!(matches!(
            expect_free(dir.path(), u64::MAX),
            Err(Error::DiskFull { .. })
        ));
    }
}
