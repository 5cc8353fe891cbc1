//! A folder on this disk.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{MOST_FILES, Store, StoredFile, check_range};
use crate::error::{Error, Result};
use crate::inventory::Problem;
use crate::kinds::Kind;

/// Folders within folders.
const MOST_DEPTH: usize = 16;
/// Entries of all kinds that are looked at, also those that are no files.
const MOST_ENTRIES: usize = 4 * MOST_FILES;
/// Things in a folder that are left alone: version control, caches, notes of a desktop.
const LEFT_ALONE: [&str; 4] = [".git", ".cache", "__pycache__", ".DS_Store"];

/// A folder and the plain files below it, as they were listed once.
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
    files: Vec<StoredFile>,
}

impl FolderStore {
    /// Lists a folder. Links to plain files are followed, because download caches consist of them; links to folders
    /// are not. What can be no file of a publication (pipes, names that are no text) becomes a [`Problem`].
    ///
    /// # Errors
    /// No folder; more than [`MOST_FILES`] files; what the system refuses of the folder itself.
    pub fn open(folder: &Path) -> Result<(Self, Vec<Problem>)> {
        if !folder.is_dir() {
            return Err(Error::NotAFolder(folder.into()));
        }
        let mut walk = Walk {
            place: folder,
            entries: 0,
            files: Vec::new(),
            problems: Vec::new(),
        };
        walk.folder(folder, "", 0)?;
        let Walk {
            mut files,
            mut problems,
            ..
        } = walk;
        files.sort();
        problems.sort();
        let folder = folder.into();
        Ok((Self { folder, files }, problems))
    }

    fn opened(&self, path: &str) -> Result<(PathBuf, File)> {
        let local = self.folder.join(&self.file(path)?.path);
        let refused = |source| Error::Io {
            action: "open",
            path: local.clone(),
            source,
        };
        // Asked before it is opened: opening a pipe could block for ever.
        if !fs::metadata(&local).map_err(refused)?.is_file() {
            return Err(Error::Content {
                path: path.into(),
                problem: "is no longer a plain file".into(),
            });
        }
        let file = File::open(&local).map_err(refused)?;
        Ok((local, file))
    }
}

impl Store for FolderStore {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn files(&self) -> &[StoredFile] {
        &self.files
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>> {
        check_range(self.file(path)?, &range)?;
        let (local, mut file) = self.opened(path)?;
        let mut bytes = Vec::new();
        let length = range.end - range.start;
        file.seek(SeekFrom::Start(range.start))
            .and_then(|_| file.take(length).read_to_end(&mut bytes))
            .and_then(|read| match read as u64 == length {
                true => Ok(bytes),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            })
            .map_err(|source| Error::Io {
                action: "read",
                path: local,
                source,
            })
    }

    fn local(&self, path: &str) -> Result<PathBuf> {
        Ok(self.opened(path)?.0)
    }
}

/// A listing under way.
struct Walk<'f> {
    place: &'f Path,
    entries: usize,
    files: Vec<StoredFile>,
    problems: Vec<Problem>,
}

impl Walk<'_> {
    /// Lists `folder`, whose path in the store is `within`.
    fn folder(&mut self, folder: &Path, within: &str, depth: usize) -> Result<()> {
        if depth > MOST_DEPTH {
            self.problem(
                within.into(),
                format!("lies more than {MOST_DEPTH} folders deep"),
            );
            return Ok(());
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(source) if within.is_empty() => {
                return Err(Error::Io {
                    action: "list",
                    path: folder.into(),
                    source,
                });
            }
            Err(error) => {
                self.problem(within.into(), format!("cannot be listed: {error}"));
                return Ok(());
            }
        };
        for entry in entries {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Err(self.too_many());
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.problem(within.into(), format!("cannot be listed: {error}"));
                    continue;
                }
            };
            let name = entry.file_name();
            let Some(name) = name
                .to_str()
                .filter(|name| !name.contains(char::is_control))
            else {
                let shown = name.to_string_lossy().escape_debug().to_string();
                self.problem(join(within, &shown), "has a name that is no text".into());
                continue;
            };
            if LEFT_ALONE.contains(&name) {
                continue;
            }
            let (path, own) = (join(within, name), entry.path());
            match fs::symlink_metadata(&own) {
                Ok(metadata) if metadata.is_dir() => self.folder(&own, &path, depth + 1)?,
                Ok(metadata) if metadata.is_file() => self.file(path, &metadata)?,
                Ok(metadata) if metadata.is_symlink() => match fs::metadata(&own) {
                    Ok(target) if target.is_file() => {
                        // Weights are kept elsewhere by many, and nothing but numbers of them is ever shown.
                        if self.stays(&own) || Kind::of(&path) == Kind::Weights {
                            self.file(path, &target)?;
                        } else {
                            self.problem(path, "is a link that leads out of the folder".into());
                        }
                    }
                    Ok(target) if target.is_dir() => {
                        self.problem(path, "is a link to a folder, which is not followed".into());
                    }
                    Ok(_) => self.problem(path, "is a link to what is no plain file".into()),
                    Err(error) => {
                        self.problem(path, format!("is a link that leads nowhere: {error}"));
                    }
                },
                Ok(_) => self.problem(path, "is a pipe, a socket or a device".into()),
                Err(error) => self.problem(path, format!("cannot be looked at: {error}")),
            }
        }
        Ok(())
    }

    /// Whether a link leads to a file of this folder, or, in a download cache, of its repository. What a link may lead
    /// to would be shown: a key or a token of the reader's.
    fn stays(&self, link: &Path) -> bool {
        let (Ok(root), Ok(target)) = (self.place.canonicalize(), link.canonicalize()) else {
            return false;
        };
        let of_cache = root
            .ancestors()
            .find(|folder| folder.file_name() == Some("snapshots".as_ref()));
        let blobs = of_cache
            .and_then(Path::parent)
            .map(|repository| repository.join("blobs"));
        target.starts_with(&root) || blobs.is_some_and(|blobs| target.starts_with(blobs))
    }

    fn file(&mut self, path: String, metadata: &Metadata) -> Result<()> {
        if self.files.len() == MOST_FILES {
            return Err(self.too_many());
        }
        self.files.push(StoredFile {
            path,
            bytes: metadata.len(),
            sha256: None,
        });
        Ok(())
    }

    fn too_many(&self) -> Error {
        Error::TooManyFiles {
            place: self.place.display().to_string(),
            limit: MOST_FILES,
        }
    }

    fn problem(&mut self, path: String, reason: String) {
        self.problems.push(Problem::new(&path, reason));
    }
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(store: &FolderStore) -> Vec<&str> {
        store.files.iter().map(|file| file.path.as_str()).collect()
    }

    #[test]
    fn files_are_listed_in_order_and_read_in_stretches() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/x"), "0123456789").unwrap();
        fs::write(folder.path().join("a"), "").unwrap();
        let (store, problems) = FolderStore::open(folder.path()).unwrap();
        assert_eq!(paths(&store), ["a", "b/x"]);
        assert!(problems.is_empty());
        assert_eq!(store.read("b/x", 3..6).unwrap(), b"345");
        assert_eq!(store.read("b/x", 10..10).unwrap(), b"");
        assert!(matches!(store.read("b/x", 9..11), Err(Error::Range { .. })));
        assert!(matches!(
            store.read("../a", 0..0),
            Err(Error::NoFile { .. })
        ));
        assert!(store.read_all("b/x", 9).is_err());
        // A file that became shorter is an error, not fewer bytes.
        fs::write(folder.path().join("b/x"), "0").unwrap();
        assert!(matches!(store.read("b/x", 0..10), Err(Error::Io { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn attack_links_pipes_and_names() {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::symlink;
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("blob"), "content").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink(outside.path().join("blob"), at("model.safetensors")).unwrap();
        symlink(outside.path(), at("elsewhere")).unwrap();
        symlink(".", at("loop")).unwrap();
        symlink("itself", at("itself")).unwrap();
        symlink("/dev/zero", at("endless")).unwrap();
        let name = std::ffi::OsStr::from_bytes(b"n\xff");
        fs::write(folder.path().join(name), "").unwrap();
        fs::write(at("line\nbreak"), "").unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(pipe.unwrap().success());
        let (store, problems) = FolderStore::open(folder.path()).unwrap();
        assert_eq!(paths(&store), ["model.safetensors"]);
        assert_eq!(store.read("model.safetensors", 0..7).unwrap(), b"content");
        let reasons: Vec<String> = problems
            .iter()
            .map(|one| format!("{} {}", one.path, one.reason))
            .collect();
        for expected in [
            "elsewhere is a link to a folder",
            "loop is a link to a folder",
            "itself is a link that leads nowhere",
            "endless is a link to what is no plain file",
            "pipe is a pipe",
            "has a name that is no text",
            "line\\nbreak has a name",
        ] {
            assert!(
                reasons.iter().any(|one| one.contains(expected)),
                "{expected}: {reasons:?}"
            );
        }
        // A file that turns into a pipe after it was listed does not block.
        fs::remove_file(at("model.safetensors")).unwrap();
        fs::rename(at("pipe"), at("model.safetensors")).unwrap();
        assert!(store.read("model.safetensors", 0..7).is_err());
    }

    #[test]
    fn attack_folders_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let deep = "d/".repeat(MOST_DEPTH + 3);
        fs::create_dir_all(folder.path().join(&deep)).unwrap();
        fs::write(folder.path().join(&deep).join("x"), "").unwrap();
        let (store, problems) = FolderStore::open(folder.path()).unwrap();
        assert!(store.files.is_empty());
        assert!(problems[0].reason.contains("folders deep"));
    }

    #[test]
    fn attack_more_files_than_a_publication_has() {
        let folder = tempfile::tempdir().unwrap();
        let mut walk = Walk {
            place: folder.path(),
            entries: 0,
            files: vec![StoredFile::default(); MOST_FILES],
            problems: Vec::new(),
        };
        fs::write(folder.path().join("one-more"), "").unwrap();
        let refused = walk.folder(folder.path(), "", 0);
        assert!(matches!(refused, Err(Error::TooManyFiles { .. })));
    }
}
