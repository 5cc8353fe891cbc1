//! The cache, in the layout of `huggingface_hub`, so that each uses what the other fetched.
//!
//! ```text
//! CACHE/models--owner--name/blobs/ETAG                     the bytes
//!                           blobs/ETAG.incomplete          a download to go on with
//!                           refs/REVISION                  the commit that it stood at
//!                           snapshots/COMMIT/PATH          a relative link to the blob
//!                           .glasswork/refs.json           ours: branches and tags
//!                           .glasswork/files-COMMIT.json   ours: the listing of a commit
//!                           .glasswork/ranges/ETAG/A-B     ours: stretches read of files that are not here
//! CACHE/.locks/models--owner--name/ETAG.lock               held while ETAG is fetched
//! ```
//!
//! Below `CACHE` no link is followed, but the one from a snapshot to its own blob.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use glasswork_release::atomic;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::listing::{Refs, RemoteFile, checked_tree};
use crate::repo::{Commit, Repo};

/// Bytes of a JSON file of ours.
const JSON_LIMIT: u64 = 128 << 20;
/// The longest stretch that is kept.
const KEPT_RANGE: u64 = 16 << 20;

/// The part of the cache that belongs to one repository.
#[derive(Debug)]
pub(crate) struct RepoCache {
    root: PathBuf,
    folder: String,
}

impl RepoCache {
    pub(crate) fn new(root: &Path, repo: &Repo) -> Self {
        Self {
            root: root.into(),
            folder: repo.folder(),
        }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.join(&self.folder).join(inside)
    }

    /// Whether `relative` (with `/`) below the root is there; an error if anything on the way is not a plain folder.
    fn look(&self, relative: &str) -> Result<Option<Metadata>> {
        let mut path = self.root.clone();
        let mut parts = relative.split('/').peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let metadata = match path.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(Error::io("look at", &path, e)),
            };
            if parts.peek().is_none() {
                return Ok(Some(metadata));
            }
            if !metadata.is_dir() {
                return Err(Error::Foreign {
                    path,
                    expected: "a plain folder",
                });
            }
        }
        Ok(None)
    }

    /// Makes the folder `relative` below the root, refusing links on the way.
    fn make(&self, relative: &str) -> Result<PathBuf> {
        fs::create_dir_all(&self.root).map_err(|e| Error::io("create", &self.root, e))?;
        let mut path = self.root.clone();
        for part in relative.split('/') {
            path.push(part);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    let metadata = path
                        .symlink_metadata()
                        .map_err(|e| Error::io("look at", &path, e))?;
                    if !metadata.is_dir() {
                        return Err(Error::Foreign {
                            path,
                            expected: "a plain folder",
                        });
                    }
                }
                Err(e) => return Err(Error::io("create", &path, e)),
            }
        }
        Ok(path)
    }

    fn make_inside(&self, inside: &str) -> Result<PathBuf> {
        self.make(&format!("{}/{inside}", self.folder))
    }

    /// A plain file below the repository's folder, at most `limit` bytes; none if it is not there.
    fn read_plain(&self, inside: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.path(inside);
        let Some(metadata) = self.look(&format!("{}/{inside}", self.folder))? else {
            return Ok(None);
        };
        if !metadata.is_file() || metadata.len() > limit {
            return Err(Error::Foreign {
                path,
                expected: "a plain file of ordinary size",
            });
        }
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|e| Error::io("read", &path, e))?;
        Ok(Some(bytes))
    }

    /// Replaces a file below the repository's folder.
    fn write(&self, inside: &str, bytes: &[u8]) -> Result<()> {
        if let Some((parent, _)) = inside.rsplit_once('/') {
            self.make_inside(parent)?;
        }
        // The rename replaces a link at the name itself instead of following it.
        Ok(atomic::write_file(&self.path(inside), bytes)?)
    }

    /// The commit that `revision` stood at when somebody last asked.
    pub(crate) fn revision(&self, revision: &str) -> Result<Option<Commit>> {
        let bytes = self.read_plain(&format!("refs/{revision}"), 100)?;
        let text = bytes.map(|b| String::from_utf8_lossy(&b).trim().to_owned());
        text.map(|t| Commit::parse(&t)).transpose()
    }

    pub(crate) fn keep_revision(&self, revision: &str, commit: &Commit) -> Result<()> {
        if self.revision(revision).ok().flatten().as_ref() == Some(commit) {
            return Ok(());
        }
        self.write(&format!("refs/{revision}"), commit.as_str().as_bytes())
    }

    /// A document of ours. One that cannot be read counts as not there: it can be had again.
    fn json<T: DeserializeOwned>(&self, inside: &str) -> Result<Option<T>> {
        let bytes = self.read_plain(inside, JSON_LIMIT)?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
    }

    fn keep_json(&self, inside: &str, value: &impl Serialize) -> Result<()> {
        let bytes = serde_json::to_vec(value).expect("names and numbers always become JSON");
        self.write(inside, &bytes)
    }

    pub(crate) fn refs(&self) -> Result<Option<Refs>> {
        self.json(".glasswork/refs.json")
    }

    pub(crate) fn keep_refs(&self, refs: &Refs) -> Result<()> {
        self.keep_json(".glasswork/refs.json", refs)
    }

    /// The listing of a commit, checked like one that has just come.
    pub(crate) fn listing(&self, commit: &Commit) -> Result<Option<Vec<RemoteFile>>> {
        let files = self.json(&format!(".glasswork/files-{commit}.json"))?;
        Ok(files.and_then(|f| checked_tree(f).ok()))
    }

    pub(crate) fn keep_listing(&self, commit: &Commit, files: &[RemoteFile]) -> Result<()> {
        self.keep_json(&format!(".glasswork/files-{commit}.json"), &files)
    }

    /// A stretch that was read before.
    pub(crate) fn range(&self, file: &RemoteFile, start: u64, end: u64) -> Result<Option<Vec<u8>>> {
        let bytes = self.read_plain(&range_name(file, start, end), KEPT_RANGE)?;
        Ok(bytes.filter(|b| b.len() as u64 == end - start))
    }

    pub(crate) fn keep_range(&self, file: &RemoteFile, start: u64, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > KEPT_RANGE {
            return Ok(());
        }
        self.write(&range_name(file, start, start + bytes.len() as u64), bytes)
    }

    /// The whole file, if it is here: its blob, or the plain file that `huggingface_hub` keeps where links do not work.
    pub(crate) fn whole(&self, commit: &Commit, file: &RemoteFile) -> Result<Option<PathBuf>> {
        if self.has_blob(file)? {
            return Ok(Some(self.path(&format!("blobs/{}", file.etag()))));
        }
        self.placed(commit, file)
    }

    fn has_blob(&self, file: &RemoteFile) -> Result<bool> {
        let inside = format!("blobs/{}", file.etag());
        match self.look(&format!("{}/{inside}", self.folder))? {
            None => Ok(false),
            Some(metadata) if metadata.is_file() => Ok(metadata.len() == file.size),
            Some(_) => Err(Error::Foreign {
                path: self.path(&inside),
                expected: "a plain file",
            }),
        }
    }

    /// The file at its own name in the snapshot, if it is there and is what it should be.
    pub(crate) fn placed(&self, commit: &Commit, file: &RemoteFile) -> Result<Option<PathBuf>> {
        let inside = format!("snapshots/{commit}/{}", file.path);
        let path = self.path(&inside);
        let Some(metadata) = self.look(&format!("{}/{inside}", self.folder))? else {
            return Ok(None);
        };
        if metadata.is_file() && metadata.len() == file.size {
            return Ok(Some(path));
        }
        if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(|e| Error::io("look at", &path, e))?;
            if target == link_target(file) {
                return Ok(self.has_blob(file)?.then_some(path));
            }
        }
        Err(Error::Foreign {
            path,
            expected: "the listed file or a link to its blob",
        })
    }

    /// Puts the file at its own name in the snapshot; its blob is here.
    pub(crate) fn place(&self, commit: &Commit, file: &RemoteFile) -> Result<PathBuf> {
        let inside = format!("snapshots/{commit}/{}", file.path);
        let parent = inside
            .rsplit_once('/')
            .map_or("snapshots", |(parent, _)| parent);
        self.make_inside(parent)?;
        let path = self.path(&inside);
        if let Some(path) = self.placed(commit, file)? {
            return Ok(path);
        }
        match link(&link_target(file), &path) {
            Ok(()) => Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self
                .placed(commit, file)?
                .ok_or_else(|| Error::io("link", &path, e)),
            Err(_) => {
                // A disk without links: a copy takes the room twice and serves the same.
                let blob = self.path(&format!("blobs/{}", file.etag()));
                let mut from = File::open(&blob).map_err(|e| Error::io("read", &blob, e))?;
                atomic::write_file_with(&path, file.size, |to| io::copy(&mut from, to).map(drop))?;
                Ok(path)
            }
        }
    }

    /// Waits until nobody else fetches this blob, here or in `huggingface_hub`; the lock ends with the file.
    pub(crate) fn lock(&self, file: &RemoteFile) -> Result<File> {
        let folder = format!(".locks/{}", self.folder);
        let name = format!("{}.lock", file.etag());
        let path = self.make(&folder)?.join(&name);
        if let Some(metadata) = self.look(&format!("{folder}/{name}"))?
            && !metadata.is_file()
        {
            return Err(Error::Foreign {
                path,
                expected: "a plain file",
            });
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        lock.lock().map_err(|e| Error::io("lock", &path, e))?;
        Ok(lock)
    }

    /// Opens the partial download, which may hold bytes already. Call it under [`RepoCache::lock`].
    pub(crate) fn partial(&self, file: &RemoteFile) -> Result<(File, PathBuf)> {
        let inside = format!("blobs/{}.incomplete", file.etag());
        self.make_inside("blobs")?;
        let path = self.path(&inside);
        if let Some(metadata) = self.look(&format!("{}/{inside}", self.folder))?
            && !metadata.is_file()
        {
            return Err(Error::Foreign {
                path,
                expected: "a plain file",
            });
        }
        let partial = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| Error::io("open", &path, e))?;
        Ok((partial, path))
    }

    /// Makes a complete, checked partial download the blob: synced, renamed, folder synced.
    pub(crate) fn finish(&self, file: &RemoteFile, partial: &File, path: &Path) -> Result<()> {
        partial.sync_all().map_err(|e| Error::io("sync", path, e))?;
        let blob = self.path(&format!("blobs/{}", file.etag()));
        fs::rename(path, &blob).map_err(|e| Error::io("rename", path, e))?;
        if cfg!(unix) {
            let blobs = self.path("blobs");
            File::open(&blobs)
                .and_then(|folder| folder.sync_all())
                .map_err(|e| Error::io("sync", &blobs, e))?;
        }
        Ok(())
    }
}

fn range_name(file: &RemoteFile, start: u64, end: u64) -> String {
    format!(".glasswork/ranges/{}/{start}-{end}", file.etag())
}

/// The relative link that `huggingface_hub` makes: up from the file's folder, then into `blobs`.
fn link_target(file: &RemoteFile) -> PathBuf {
    let up = 2 + file.path.matches('/').count();
    let mut target: PathBuf = std::iter::repeat_n("..", up).collect();
    target.push("blobs");
    target.push(file.etag());
    target
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
