//! A repository of the Hub at one commit.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use glasswork_hub::{Commit, Hub, RemoteFile, Repo, Unwatched, Watch};

use super::{Store, StoredFile, check_range};
use crate::error::Result;
use crate::place::Place;

/// The files of a commit: listed once, read in stretches, fetched when somebody needs them whole.
pub struct HubStore {
    hub: Arc<Hub>,
    watch: Arc<dyn Watch + Send + Sync>,
    repo: Repo,
    revision: String,
    commit: Commit,
    remote: Vec<RemoteFile>,
    files: Vec<StoredFile>,
}

impl HubStore {
    /// Lists `commit`, which `revision` is the name of.
    ///
    /// # Errors
    /// Those of the Hub.
    pub fn open(hub: Arc<Hub>, repo: Repo, revision: String, commit: Commit) -> Result<Self> {
        let remote = hub.files(&repo, &commit)?;
        let files = remote.iter().map(|file| StoredFile {
            path: file.path.clone(),
            bytes: file.size,
            sha256: file.sha256.clone(),
        });
        Ok(Self {
            files: files.collect(),
            hub,
            watch: Arc::new(Unwatched),
            repo,
            revision,
            commit,
            remote,
        })
    }

    /// Tells `watch` how fetching whole files goes.
    #[must_use]
    pub fn watched(mut self, watch: Arc<dyn Watch + Send + Sync>) -> Self {
        self.watch = watch;
        self
    }

    /// The branch, tag or commit that it was opened at.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    fn remote(&self, path: &str) -> Result<&RemoteFile> {
        let listed = self.file(path)?;
        let index = self
            .remote
            .binary_search_by(|file| file.path.as_str().cmp(&listed.path));
        Ok(&self.remote[index.expect("both lists have the same paths")])
    }
}

impl fmt::Debug for HubStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubStore")
            .field("place", &self.place())
            .field("commit", &self.commit)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Store for HubStore {
    fn place(&self) -> String {
        let place = Place::Hub {
            repo: self.repo.clone(),
            revision: Some(self.revision.clone()),
        };
        place.to_string()
    }

    fn files(&self) -> &[StoredFile] {
        &self.files
    }

    fn read(&self, path: &str, range: Range<u64>) -> Result<Vec<u8>> {
        check_range(self.file(path)?, &range)?;
        let file = self.remote(path)?;
        Ok(self.hub.read(&self.repo, &self.commit, file, range)?)
    }

    fn local(&self, path: &str) -> Result<PathBuf> {
        let file = self.remote(path)?;
        Ok(self
            .hub
            .fetch(&self.repo, &self.commit, file, self.watch.as_ref())?)
    }
}
