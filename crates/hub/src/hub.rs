//! The client: what a repository holds, parts of a file, whole files.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use crate::cache::RepoCache;
use crate::error::{Error, Result};
use crate::fetch::{Watch, download};
use crate::listing::{Refs, RemoteFile, checked_tree, parse_refs, parse_revision, parse_tree_page};
use crate::repo::{Commit, Repo, RepoKind, check_revision, encode};
use crate::settings::Settings;
use crate::wire::{Traffic, Wire};

/// Files of a repository; the Hub itself advises fewer.
const FILES: usize = 100_000;
/// Pages of a listing.
const PAGES: usize = 1000;

/// A client of the Hub and the owner of its cache. Any number of threads may use one.
#[derive(Debug)]
pub struct Hub {
    cache: PathBuf,
    /// Absent offline: then there is nothing that could open a connection.
    wire: Option<Wire>,
}

impl Hub {
    /// Checks the settings. No connection is opened and no file touched yet.
    pub fn new(settings: Settings) -> Result<Self> {
        let wire = if settings.offline {
            None
        } else {
            Some(Wire::new(&settings)?)
        };
        Ok(Self {
            cache: settings.cache,
            wire,
        })
    }

    /// Branches and tags, as they stand now; offline, as they stood at the last look.
    pub fn refs(&self, repo: &Repo) -> Result<Refs> {
        let what = format!("the branches of {repo}");
        let cache = RepoCache::new(&self.cache, repo);
        let Some(wire) = &self.wire else {
            return cache.refs()?.ok_or(Error::NotCached { what });
        };
        let target = format!("{}/refs", api(repo));
        let (json, _) =
            wire.persist(wire.small_answer(0), |left| wire.json(&what, &target, left))?;
        let refs = parse_refs(&what, &json)?;
        cache.keep_refs(&refs)?;
        Ok(refs)
    }

    /// The commit at which a branch, tag, `refs/pr/N` or commit stands now; offline, at the last look.
    pub fn resolve(&self, repo: &Repo, revision: &str) -> Result<Commit> {
        check_revision(revision)?;
        if let Ok(commit) = Commit::parse(revision) {
            return Ok(commit);
        }
        let what = format!("{repo}@{revision}");
        let cache = RepoCache::new(&self.cache, repo);
        let Some(wire) = &self.wire else {
            return cache.revision(revision)?.ok_or(Error::NotCached { what });
        };
        let target = format!("{}/revision/{}", api(repo), encode(revision));
        let (json, _) =
            wire.persist(wire.small_answer(0), |left| wire.json(&what, &target, left))?;
        let commit = parse_revision(&what, &json)?;
        cache.keep_revision(revision, &commit)?;
        Ok(commit)
    }

    /// Whether the Hub knows a repository, be it behind conditions. Nothing is kept of the answer.
    ///
    /// # Errors
    /// Offline; where the Hub does not say.
    pub fn exists(&self, repo: &Repo) -> Result<bool> {
        let what = repo.to_string();
        let Some(wire) = &self.wire else {
            return Err(Error::NotCached { what });
        };
        let target = format!("{}/revision/main", api(repo));
        let time = wire.small_answer(0);
        match wire.persist(time, |left| wire.json(&what, &target, left)) {
            Ok(_) | Err(Error::Gated { .. }) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The files of a commit, sorted by path. Asked for once: a commit never changes.
    pub fn files(&self, repo: &Repo, commit: &Commit) -> Result<Vec<RemoteFile>> {
        let what = format!("the files of {repo}@{commit}");
        let cache = RepoCache::new(&self.cache, repo);
        if let Some(files) = cache.listing(commit)? {
            return Ok(files);
        }
        let Some(wire) = &self.wire else {
            return Err(Error::NotCached { what });
        };
        let mut target = format!("{}/tree/{commit}?recursive=true&expand=false", api(repo));
        let mut files = Vec::new();
        let whole = wire.listing();
        for _ in 0..PAGES {
            let page = wire.small_answer(0).or(whole);
            let (json, next) = wire.persist(page, |left| wire.json(&what, &target, left))?;
            files.extend(parse_tree_page(&what, &json)?);
            if files.len() > FILES {
                return Err(Error::TooLarge {
                    what,
                    limit: FILES as u64,
                    unit: "files",
                });
            }
            let Some(next) = next else {
                let files = checked_tree(files)?;
                cache.keep_listing(commit, &files)?;
                return Ok(files);
            };
            target = next;
        }
        Err(Error::TooLarge {
            what,
            limit: PAGES as u64,
            unit: "pages",
        })
    }

    /// Bytes `range` of a file, from the cache where they are there. Stretches of up to 16 MiB are kept.
    ///
    /// Holds the bytes asked for and no more. What comes is checked for place and length; only [`Hub::fetch`] can
    /// check it against the listed digest.
    pub fn read(
        &self,
        repo: &Repo,
        commit: &Commit,
        file: &RemoteFile,
        range: Range<u64>,
    ) -> Result<Vec<u8>> {
        file.check()?;
        if range.start > range.end || range.end > file.size {
            return Err(Error::BadRange {
                path: file.path.clone(),
                size: file.size,
                start: range.start,
                end: range.end,
            });
        }
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let cache = RepoCache::new(&self.cache, repo);
        if let Some(path) = cache.whole(commit, file)? {
            let mut bytes = Vec::new();
            File::open(&path)
                .and_then(|mut local| {
                    local.seek(SeekFrom::Start(range.start))?;
                    local.take(range.end - range.start).read_to_end(&mut bytes)
                })
                .map_err(|e| Error::io("read", &path, e))?;
            if bytes.len() as u64 == range.end - range.start {
                return Ok(bytes);
            }
        }
        if let Some(bytes) = cache.range(file, range.start, range.end)? {
            return Ok(bytes);
        }
        let what = describe(repo, commit, file);
        let Some(wire) = &self.wire else {
            return Err(Error::NotCached {
                what: format!("bytes {}..{} of {what}", range.start, range.end),
            });
        };
        let target = address(repo, commit, file);
        let time = wire.small_answer(range.end - range.start);
        let bytes = wire.persist(time, |left| {
            let mut content = wire.content(&what, &target, &range, file.size, Some(left))?;
            if content.range != range {
                return Err(Error::bad_answer(
                    &what,
                    "part of the file was asked for and the server sends all of it",
                ));
            }
            // Grown as bytes come: a listing may promise any size.
            let mut bytes = Vec::new();
            let mut chunk = vec![0; 64 << 10];
            loop {
                match content.read(&mut chunk)? {
                    0 => return Ok(bytes),
                    n => bytes.extend_from_slice(&chunk[..n]),
                }
            }
        })?;
        cache.keep_range(file, range.start, &bytes)?;
        Ok(bytes)
    }

    /// The whole file, on this disk, at its own name in the snapshot of its commit.
    ///
    /// A download that was cut goes on where it stopped. Files in large-file storage are checked against their
    /// SHA-256 as they come; one that is in the cache already is checked for its length only.
    pub fn fetch(
        &self,
        repo: &Repo,
        commit: &Commit,
        file: &RemoteFile,
        watch: &dyn Watch,
    ) -> Result<PathBuf> {
        file.check()?;
        let cache = RepoCache::new(&self.cache, repo);
        if let Some(path) = cache.placed(commit, file)? {
            return Ok(path);
        }
        let what = describe(repo, commit, file);
        if cache.whole(commit, file)?.is_none() {
            let Some(wire) = &self.wire else {
                return Err(Error::NotCached { what });
            };
            let _lock = cache.lock(file)?;
            // Whoever held the lock may have fetched it.
            if cache.whole(commit, file)?.is_none() {
                download(
                    wire,
                    &cache,
                    file,
                    &what,
                    &address(repo, commit, file),
                    watch,
                )?;
            }
        }
        cache.place(commit, file)
    }

    /// What went over the network so far; offline, nothing.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.wire.as_ref().map(Wire::traffic).unwrap_or_default()
    }
}

fn api(repo: &Repo) -> String {
    format!("/api/{}/{repo}", repo.kind().plural())
}

/// Path of the file's bytes; each part percent-encoded.
fn address(repo: &Repo, commit: &Commit, file: &RemoteFile) -> String {
    let prefix = match repo.kind() {
        RepoKind::Model => "",
        RepoKind::Dataset => "/datasets",
    };
    let path: Vec<String> = file.path.split('/').map(encode).collect();
    format!("{prefix}/{repo}/resolve/{commit}/{}", path.join("/"))
}

fn describe(repo: &Repo, commit: &Commit, file: &RemoteFile) -> String {
    format!("{} of {repo}@{commit}", file.path)
}
