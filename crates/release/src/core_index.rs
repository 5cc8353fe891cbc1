//! `core.json`: every file that the root covers, with its digest and length. The root is the digest of its bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{self, Part};
use crate::{atomic, canonical, files};

/// The most directory entries that a release may have.
const MAX_ENTRIES: usize = 1 << 20;

/// One file of the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreEntry {
    /// Its path, relative, with `/`.
    pub path: String,
    /// Digest of its raw content.
    pub digest: Digest,
    /// Digest of the bytes as they are stored; in format 1 there are no codecs for whole files, so the same.
    pub stored_digest: Digest,
    /// Length in bytes as it is stored.
    pub length: u64,
}

/// The whole index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreIndex {
    /// The format number.
    pub format: u64,
    /// The files, by path bytes.
    pub entries: Vec<CoreEntry>,
}

impl CoreIndex {
    /// Hashes every core file under `dir`. Fails on links, on names that are not allowed, and on files that the format
    /// has no place for.
    pub fn build(dir: &Path) -> Result<Self> {
        let tree = Tree::walk(dir)?;
        if let Some((path, kind)) = tree.odd.into_iter().next() {
            return Err(Error::NotAPlainFile {
                path: dir.join(path),
                kind,
            });
        }
        let mut entries = Vec::new();
        for (path, length) in tree.files {
            match layout::part(&path) {
                Part::Core => {
                    let digest = Digest::of_file(&dir.join(&path))?;
                    entries.push(CoreEntry {
                        path,
                        digest,
                        stored_digest: digest,
                        length,
                    });
                }
                Part::Annex | Part::Frame => {}
                Part::Unknown => return Err(Error::UnknownFile { path: path.into() }),
            }
        }
        Ok(Self {
            format: crate::FORMAT,
            entries,
        })
    }

    /// Reads `core.json` of a release and checks it as [`CoreIndex::parse`] does.
    pub fn load(dir: &Path) -> Result<Self> {
        Self::parse(&Self::read_bytes(dir)?)
    }

    /// The bytes of a release's `core.json`; [`Error::NotARelease`] where there is none.
    pub(crate) fn read_bytes(dir: &Path) -> Result<Vec<u8>> {
        let problem = if dir.is_dir() {
            "holds no core.json: it is not a release, or its run is not finished"
        } else if dir.exists() {
            "is not a directory"
        } else {
            "does not exist"
        };
        match files::read(&dir.join(layout::CORE), canonical::MAX_DOCUMENT as u64) {
            Err(Error::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory
                ) =>
            {
                Err(Error::NotARelease {
                    path: dir.into(),
                    problem: problem.into(),
                })
            }
            result => result,
        }
    }

    /// Parses an index: format number first, canonical form, valid core paths in strictly ascending order.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let index: Self = canonical::parse_document(bytes, layout::CORE)?;
        let fail = |problem: String| Error::Json {
            what: layout::CORE.into(),
            problem,
        };
        let mut previous: Option<&str> = None;
        for entry in &index.entries {
            layout::valid_path(&entry.path)?;
            if layout::part(&entry.path) != Part::Core {
                return Err(fail(format!("{} is not a path of the core", entry.path)));
            }
            // Core paths have no upper-case letters, so distinct paths cannot collide where case is ignored.
            if previous.is_some_and(|p| p.as_bytes() >= entry.path.as_bytes()) {
                return Err(fail(format!(
                    "{} occurs twice or is out of order",
                    entry.path
                )));
            }
            if entry.stored_digest != entry.digest {
                return Err(fail(format!(
                    "{} is stored with a codec, which format 1 does not have",
                    entry.path
                )));
            }
            previous = Some(&entry.path);
        }
        Ok(index)
    }

    /// The canonical bytes, as they are stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        canonical::to_canonical(self)
    }

    /// The root: the digest of the canonical bytes.
    pub fn root(&self) -> Result<Digest> {
        Ok(Digest::of(&self.to_bytes()?))
    }

    /// Writes `core.json` into `dir`, atomically, and returns the root.
    pub fn write(&self, dir: &Path) -> Result<Digest> {
        let bytes = self.to_bytes()?;
        atomic::write_file(&dir.join(layout::CORE), &bytes)?;
        Ok(Digest::of(&bytes))
    }
}

/// What lies in a release directory.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Plain files: relative path with `/` (made readable where it is not UTF-8) and length.
    pub files: BTreeMap<String, u64>,
    /// Links, devices, directories too deep: path and what it is.
    pub odd: Vec<(String, &'static str)>,
}

impl Tree {
    /// Lists a directory without following a link. Temporary entries of this program are listed as odd.
    pub(crate) fn walk(dir: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.descend(dir, "", 0)?;
        Ok(tree)
    }

    fn descend(&mut self, dir: &Path, prefix: &str, depth: usize) -> Result<()> {
        let entries = fs::read_dir(dir).map_err(|e| Error::io("list", dir, 0, e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list", dir, 0, e))?;
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            let metadata = entry
                .path()
                .symlink_metadata()
                .map_err(|e| Error::io("open", &entry.path(), 0, e))?;
            if self.files.len() + self.odd.len() >= MAX_ENTRIES {
                let problem = format!("holds more than {MAX_ENTRIES} files");
                return Err(Error::NotARelease {
                    path: dir.into(),
                    problem,
                });
            }
            if name.to_str().is_none() {
                self.odd.push((path, "name that is not UTF-8"));
            } else if name.to_string_lossy().starts_with(atomic::TEMPORARY_PREFIX) {
                self.odd.push((path, "left-over of an interrupted write"));
            } else if metadata.is_dir() {
                if depth >= 8 {
                    self.odd.push((path, "directory deeper than 8"));
                } else {
                    self.descend(&entry.path(), &format!("{path}/"), depth + 1)?;
                }
            } else if metadata.is_file() {
                self.files.insert(path, metadata.len());
            } else {
                self.odd.push((path, files::kind(&metadata)));
            }
        }
        if depth == 0 {
            self.odd.sort();
        }
        Ok(())
    }
}
