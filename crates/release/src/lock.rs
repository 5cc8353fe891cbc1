//! One process at a time works on a run directory.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};
use crate::layout;

/// Holds a run directory for this process until it is dropped, or the process ends in whatever way.
///
/// The lock is the operating system's, on the file `.lock`, which stays: removing it would let two processes lock two
/// files of the same name.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock, or fails with [`Error::Locked`] when somebody else has it. The directory is made if missing.
    pub fn acquire(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, 0, e))?;
        let path = dir.join(layout::LOCK);
        if let Ok(metadata) = path.symlink_metadata()
            && !metadata.is_file()
        {
            return Err(Error::NotAPlainFile {
                kind: crate::files::kind(&metadata),
                path,
            });
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, 0, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.into() }),
            Err(TryLockError::Error(e)) => Err(Error::io("lock", &path, 0, e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn the_second_of_two_fails_and_a_third_after_them_succeeds() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunLock::acquire(dir.path()).unwrap();
        let error = RunLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }) && error.hint().is_some());
        drop(first);
        RunLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn of_two_racing_writers_never_both_win() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            let (start, end) = (Barrier::new(2), Barrier::new(2));
            let race = || {
                start.wait();
                let lock = RunLock::acquire(dir.path());
                end.wait();
                lock.is_ok()
            };
            let won = std::thread::scope(|s| {
                let (a, b) = (s.spawn(race), s.spawn(race));
                usize::from(a.join().unwrap()) + usize::from(b.join().unwrap())
            });
            assert_eq!(won, 1);
        }
    }

    #[cfg(unix)]
    #[test]
    fn attack_lock_is_a_link() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/null", dir.path().join(layout::LOCK)).unwrap();
        assert!(matches!(
            RunLock::acquire(dir.path()),
            Err(Error::NotAPlainFile { .. })
        ));
    }
}
