//! A whole file into the cache: resumed, checked, then put in place.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use glasswork_release::atomic;
use sha2::{Digest as _, Sha256};

use crate::cache::RepoCache;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::listing::RemoteFile;
use crate::settings::LEAST_PROGRESS;
use crate::wire::Wire;

/// Told how a download goes. Called from the thread that fetches.
pub trait Watch {
    /// A download begins, or begins anew: `there` of `total` bytes are here. Not called for what is in the cache.
    fn begin(&self, path: &str, total: u64, there: u64);
    /// So many bytes more.
    fn advance(&self, bytes: u64);
}

/// Nobody looks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _: &str, _: u64, _: u64) {}
    fn advance(&self, _: u64) {}
}

/// A download under way: the partial file, and the hash of what is in it.
struct Download<'a> {
    partial: File,
    path: &'a Path,
    there: u64,
    hash: Sha256,
}

impl Download<'_> {
    fn restart(&mut self) -> Result<()> {
        self.partial
            .set_len(0)
            .map_err(|e| Error::io("truncate", self.path, e))?;
        self.partial
            .seek(SeekFrom::Start(0))
            .map_err(|e| Error::io("seek in", self.path, e))?;
        self.there = 0;
        self.hash = Sha256::new();
        Ok(())
    }

    /// Hashes what an earlier download left, in one pass, and stands at its end.
    fn take_up(&mut self) -> Result<()> {
        let mut chunk = vec![0; 1 << 20];
        loop {
            let n = self
                .partial
                .read(&mut chunk)
                .map_err(|e| Error::io("read", self.path, e))?;
            if n == 0 {
                return Ok(());
            }
            self.hash.update(&chunk[..n]);
            self.there += n as u64;
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.partial
            .write_all(bytes)
            .map_err(|e| Error::io("write", self.path, e))?;
        self.hash.update(bytes);
        self.there += bytes.len() as u64;
        Ok(())
    }
}

/// Fetches `file` from `target` into its blob. Call it under the blob's lock.
pub(crate) fn download(
    wire: &Wire,
    cache: &RepoCache,
    file: &RemoteFile,
    what: &str,
    target: &str,
    watch: &dyn Watch,
) -> Result<()> {
    let (partial, path) = cache.partial(file)?;
    let mut download = Download {
        partial,
        path: &path,
        there: 0,
        hash: Sha256::new(),
    };
    // Only a digest of the whole can tell that the bytes of an earlier run are a prefix: without one, begin anew.
    if file.sha256.is_some() {
        download.take_up()?;
    }
    if file.sha256.is_none() || download.there > file.size {
        download.restart()?;
    }
    if let Some(folder) = path.parent() {
        atomic::expect_free(folder, file.size - download.there)?;
    }
    watch.begin(&file.path, file.size, download.there);
    let mut pauses = wire.pauses();
    while download.there < file.size {
        match stream(wire, &mut download, file, what, target, watch) {
            Err(error) if error.passes() => drop(pauses.wait(error)?),
            other => other?,
        }
    }
    if let Some(expected) = &file.sha256 {
        let found = hex(&download.hash.finalize());
        if found != *expected {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            return Err(Error::Mismatch {
                path: file.path.clone(),
                expected: expected.clone(),
                found,
            });
        }
    }
    cache.finish(file, &download.partial, &path)
}

/// One request for what is missing, appended as it comes.
fn stream(
    wire: &Wire,
    download: &mut Download<'_>,
    file: &RemoteFile,
    what: &str,
    target: &str,
    watch: &dyn Watch,
) -> Result<()> {
    let mut content = wire.content(what, target, &(download.there..file.size), file.size, None)?;
    if content.range.start != download.there {
        // The server does not know ranges and sends everything.
        download.restart()?;
        watch.begin(&file.path, file.size, 0);
    }
    let mut chunk = vec![0; 256 << 10];
    let window = wire.window();
    let least = (window.as_secs_f64() * LEAST_PROGRESS as f64) as u64;
    let (mut ends, mut moved) = (Deadline::within(window), 0);
    loop {
        let n = content.read(&mut chunk)?;
        if n == 0 {
            return Ok(());
        }
        moved += n as u64;
        if ends.left().is_zero() {
            if moved < least {
                return Err(content.trickled(moved, window));
            }
            (ends, moved) = (Deadline::within(window), 0);
        }
        download.append(&chunk[..n])?;
        watch.advance(n as u64);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
