//! Where files lie: listed once, read in stretches.

mod folder;
mod hub;

pub use folder::FolderStore;
pub use hub::HubStore;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most files of a publication, the Hub's own limit for a repository.
pub const MOST_FILES: usize = 100_000;

/// A file as its store lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Relative, with `/`, checked: nothing in it leaves the store.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, where the listing says it.
    pub sha256: Option<String>,
}

/// A folder, or a repository at one commit.
pub trait Store: fmt::Debug + Send + Sync {
    /// How a person would name it.
    fn place(&self) -> String;

    /// What it holds, sorted by path.
    fn files(&self) -> &[StoredFile];

    /// Bytes `range` of a file: all of them, or an error.
    ///
    /// # Errors
    /// A file that is not listed, a range beyond its end, what reading fails with.
    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>>;

    /// The whole file on this disk, fetched if need be.
    ///
    /// # Errors
    /// A file that is not listed, what fetching fails with.
    fn local(&self, path: &str) -> Result<PathBuf>;

    /// A file as listed.
    ///
    /// # Errors
    /// [`Error::NoFile`].
    fn file(&self, path: &str) -> Result<&StoredFile> {
        let files = self.files();
        files
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .map(|index| &files[index])
            .map_err(|_| Error::NoFile {
                place: self.place(),
                path: path.chars().take(200).collect(),
            })
    }

    /// A whole file of at most `limit` bytes.
    ///
    /// # Errors
    /// A longer file, and those of [`Store::read`].
    fn read_all(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let bytes = self.file(path)?.bytes;
        if bytes > limit {
            return Err(Error::TooLong {
                path: path.into(),
                bytes,
                limit,
            });
        }
        self.read(path, 0..bytes)
    }
}

/// Fails unless `range` lies in a file.
fn check_range(file: &StoredFile, range: &Range<u64>) -> Result<()> {
    if range.start <= range.end && range.end <= file.bytes {
        return Ok(());
    }
    Err(Error::Range {
        path: file.path.clone(),
        bytes: file.bytes,
        start: range.start,
        end: range.end,
    })
}
