//! Data sets of tasks: from a folder, else through the Hub's door.

use crate::args::DoorArgs;
use crate::commands::judge::Fetching;
use crate::door;
use crate::failure::Failure;
use glasswork_eval::harness::{DataSource, Datasets, Listing};
use glasswork_hub::{Commit, Error, Hub, RemoteFile, Repo, RepoKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where tasks find their data sets: below `data`, and what is not there on the Hub. Nothing is opened before a task
/// asks for it.
///
/// # Errors
/// A Hub that cannot be set up, where there is no `data` to do without.
pub(in crate::commands) fn datasets(
    args: &DoorArgs,
    offline: bool,
    data: Option<&Path>,
) -> Result<Datasets, Failure> {
    let hub = match (door::hub(args, offline), data) {
        (Ok(hub), _) => Some(hub),
        (Err(_), Some(_)) => None,
        (Err(failure), None) => return Err(failure),
    };
    let on_hub = |hub| -> Arc<dyn DataSource> {
        Arc::new(OnHub {
            hub,
            listed: Mutex::default(),
            gone: OnceLock::new(),
        })
    };
    Ok(Datasets {
        files: data.map(PathBuf::from).unwrap_or_default(),
        mirrors: data.map(PathBuf::from).into_iter().collect(),
        source: hub.map(on_hub),
    })
}

/// A commit with its files, or why there is none.
type Listed = Result<(Commit, Vec<RemoteFile>), String>;

/// Data sets of the Hub.
#[derive(Debug)]
struct OnHub {
    hub: Hub,
    /// By data set and revision. The tasks of one evaluation all see the same commit.
    listed: Mutex<BTreeMap<(String, String), Listed>>,
    /// Why the Hub cannot be reached, once it was tried in vain: nobody waits for that again for every data set.
    gone: OnceLock<String>,
}

/// An error of the Hub in one sentence with its remedy.
fn sentence(error: &Error) -> String {
    match (error, error.hint()) {
        (Error::NotCached { .. }, _) => format!(
            "{error}; run once without --offline, or name a folder that has it as OWNER/NAME with --task-data"
        ),
        (_, Some(hint)) => format!("{error}; {hint}"),
        (_, None) => error.to_string(),
    }
}

fn repository(dataset: &str) -> Result<Repo, String> {
    Repo::parse(RepoKind::Dataset, dataset).map_err(|error| sentence(&error))
}

impl OnHub {
    fn look(&self, dataset: &str, revision: &str) -> Listed {
        let repo = repository(dataset)?;
        let look = || {
            let commit = self.hub.resolve(&repo, revision)?;
            let files = self.hub.files(&repo, &commit)?;
            Ok((commit, files))
        };
        if let Some(gone) = self.gone.get() {
            return Err(gone.clone());
        }
        look().map_err(|error| {
            let sentence = sentence(&error);
            if matches!(
                error,
                Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Stalled { .. }
            ) {
                // Whoever was first said the same.
                drop(self.gone.set(sentence.clone()));
            }
            sentence
        })
    }

    fn listed(&self, dataset: &str, revision: &str) -> Listed {
        let key = (dataset.to_owned(), revision.to_owned());
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let look = || self.look(dataset, revision);
        listed.entry(key).or_insert_with(look).clone()
    }
}

impl DataSource for OnHub {
    fn list(&self, dataset: &str, revision: &str) -> Result<Listing, String> {
        let (commit, files) = self.listed(dataset, revision)?;
        Ok(Listing {
            commit: commit.to_string(),
            files: files
                .into_iter()
                .map(|file| (file.path, file.size))
                .collect(),
        })
    }

    fn fetch(&self, dataset: &str, commit: &str, path: &str) -> Result<PathBuf, String> {
        // A commit is a revision of its own; its listing lies in the cache.
        let (commit, files) = self.listed(dataset, commit)?;
        let file = files.iter().find(|file| file.path == path);
        let file = file.ok_or_else(|| format!("{dataset}@{commit} has no file {path}"))?;
        let repo = repository(dataset)?;
        let watch = Fetching::new();
        let fetched = self.hub.fetch(&repo, &commit, file, &watch);
        watch.clear();
        fetched.map_err(|error| sentence(&error))
    }
}
